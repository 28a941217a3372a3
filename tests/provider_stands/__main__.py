"""`python -m tests.provider_stands`: prints the settings that point the service here, and runs until it is told to end.

python -m tests.provider_stands > /tmp/stands.env & ; set -a; . /tmp/stands.env; avs enrich --title cowboy-bebop
"""

from __future__ import annotations

import argparse
import signal

from tests.provider_stands.server import ProviderStands
from tests.provider_stands.titles import load_titles


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--titles", type=int, default=300, help="how many titles they know")
    parser.add_argument("--factor", type=float, default=1.0, help="how many times faster their time goes")
    parser.add_argument("--latency", type=float, default=0.1, metavar="SECONDS", help="before each answer")
    options = parser.parse_args()
    signals = {signal.SIGTERM, signal.SIGINT}
    # Blocked before the server's thread starts, which takes the mask over: only sigwait sees them.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    titles = load_titles(options.titles)
    with ProviderStands(titles, factor=options.factor, latency_s=options.latency, slack_s=0.03) as stands:
        for name, value in stands.env.items():
            print(f"{name}={value!r}", flush=True)  # noqa: T201
        signal.sigwait(signals)


if __name__ == "__main__":
    main()
