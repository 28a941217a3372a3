"""A small web server on loopback that has the drawn pictures of the demo: what other people's hosts are in earnest."""

from __future__ import annotations

import os
import threading
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from embedded.ports import LOOPBACK, choose_port

# The same addresses in every demo, where the port is free: what is known needs no second download.
_PORT = 8098


class PictureHost:
    """Serves a folder while it is open. GET and HEAD with Last-Modified; nothing else, and no list of files."""

    def __init__(self, folder: Path) -> None:
        handler = partial(_Handler, directory=os.fspath(folder))
        self._server = ThreadingHTTPServer((LOOPBACK, choose_port(preferred=_PORT)), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="picture-host", daemon=True)

    @property
    def address(self) -> str:
        """http://host:port, without a slash at its end."""
        return f"http://{LOOPBACK}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def list_directory(self, path: str | os.PathLike[str]) -> None:
        """Nobody needs to see what else is there."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class gives it
        """The terminal is the demo's."""
