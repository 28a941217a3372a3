"""Run the server in the foreground: `python -m embedded.qdrant --path DIR --port N`."""

from __future__ import annotations

import argparse
import ipaddress
import json
import logging
import signal
import sys
import threading
from pathlib import Path

from embedded.qdrant.build import NICE, QUIET_SECONDS, Caretaker
from embedded.qdrant.http import Server
from embedded.qdrant.server import App
from embedded.qdrant.store import LockedError, Store

STOP_SECONDS = 10.0


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT, then flush and close; returns the exit status."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        store = Store(options.path)
    except LockedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    caretaker = Caretaker(store, quiet_seconds=options.quiet_seconds, nice=options.build_nice)
    app = App(store, caretaker)
    with Server((options.host, options.port), handle=app.handle, refuse=app.refuse) as server:
        caretaker.start()
        _stop_on_signals(server)
        ready = {"host": options.host, "port": server.server_address[1], "path": str(options.path)}
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        server.serve_forever(poll_interval=0.1)
        server.busy.close(STOP_SECONDS)
    caretaker.stop()
    store.close()
    return 0


def _stop_on_signals(server: Server) -> None:
    def stop(_number: int, _frame: object) -> None:
        # shutdown() waits for serve_forever, which runs on this thread.
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m embedded.qdrant", description=__doc__)
    parser.add_argument("--path", type=Path, required=True, help="directory of the data")
    parser.add_argument("--port", type=int, default=6333, help="0 takes a free port; the ready line names it")
    parser.add_argument("--host", type=_loopback, default="127.0.0.1", help="a loopback address; others are refused")
    parser.add_argument(
        "--quiet-seconds",
        type=float,
        default=QUIET_SECONDS,
        help="how long writes must rest before an index that is due is built",
    )
    parser.add_argument(
        "--build-nice",
        type=int,
        choices=range(20),
        metavar="0-19",
        default=NICE,
        help="how far index builds stand back: 19 yields to everything and waits while all cores are busy",
    )
    return parser.parse_args(arguments)


def _loopback(text: str) -> str:
    if text == "localhost":
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not an address") from error
    if not address.is_loopback or address.version != 4:
        raise argparse.ArgumentTypeError(f"{text} is not an IPv4 loopback address: this server knows no keys")
    return text


if __name__ == "__main__":
    sys.exit(main())
