"""`python -m tests.picture_host --port 0 --pictures DIR`: prints {"url": ...} and runs until it is told to end."""

from __future__ import annotations

import argparse
import json
import signal
from pathlib import Path

from tests.picture_host.host import PictureHost
from tests.picture_host.routes import ROBOTS


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--pictures", type=Path, help="folder that is served under /file/")
    parser.add_argument("--no-robots", action="store_true", help="a robots.txt that allows everything")
    options = parser.parse_args()
    signals = {signal.SIGTERM, signal.SIGINT}
    # Blocked before the server's thread starts, which takes the mask over: only sigwait sees them.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    robots = b"" if options.no_robots else ROBOTS
    with PictureHost(folder=options.pictures, robots=robots, address=options.address, port=options.port) as host:
        print(json.dumps({"url": host.url(""), "files": len(host.file_names)}), flush=True)  # noqa: T201
        signal.sigwait(signals)


if __name__ == "__main__":
    main()
