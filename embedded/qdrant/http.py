"""HTTP/1.1, one thread a connection: parsed by httptools, answered in order, kept alive.

A thread blocks in the engine with the interpreter lock released, so requests run side by side; there is
no event loop to hand over to, which halves the server's own time per query.
"""

from __future__ import annotations

import logging
import os
import socket
import socketserver
import threading
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httptools

log = logging.getLogger(__name__)
MAX_BODY_BYTES = 64 << 20
_RECEIVE_BYTES = 1 << 18
_REASONS = {int(status): status.phrase for status in HTTPStatus}

Answer = tuple[int, bytes, bytes | Path]
"""Status, content type, body: bytes, or a file that is sent as it is."""
Handler = Callable[[str, str, bytes], Answer]
"""(method, target with query string, body) -> answer."""


class _Request:
    """What httptools calls back into: collects one request after another."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.complete: list[tuple[str, str, bytes, bool]] = []
        self._from_page = False
        self.parser = httptools.HttpRequestParser(self)
        self._clear()

    def _clear(self) -> None:
        self._target = b""
        self._chunks: list[bytes] = []
        self._size = self._announced = 0

    @property
    def refusal(self) -> tuple[int, str] | None:
        """Why the connection is to be ended, if it is."""
        if max(self._size, self._announced) > MAX_BODY_BYTES:
            return 413, f"the body is larger than {MAX_BODY_BYTES} bytes"
        if self._from_page:
            return 403, "requests from web pages are refused"
        return None

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"expect" and value.lower() == b"100-continue":
            self._connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        elif name.lower() == b"content-length" and value.isdigit():
            self._announced = int(value)
        elif name.lower() == b"origin":
            # Only browsers send it. The server knows no keys, so no page a user visits may write to it.
            self._from_page = True

    def on_body(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size <= MAX_BODY_BYTES:
            self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        if self.refusal:
            return
        method = self.parser.get_method().decode("ascii")
        target = self._target.decode("latin-1")
        self.complete.append((method, target, b"".join(self._chunks), self.parser.should_keep_alive()))
        self._clear()


class _Connection(socketserver.BaseRequestHandler):
    server: Server

    def handle(self) -> None:
        connection: socket.socket = self.request
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = _Request(connection)
        try:
            while data := connection.recv(_RECEIVE_BYTES):
                if not self._feed(connection, request, data):
                    return
        except (ConnectionError, TimeoutError):
            return  # the client left; nobody is there to be told

    def _feed(self, connection: socket.socket, request: _Request, data: bytes) -> bool:
        """Parse what came and answer what is complete; false ends the connection."""
        try:
            request.parser.feed_data(data)
        except httptools.HttpParserError as error:
            _send(connection, self.server.refuse(400, f"malformed HTTP: {error}"), keep_alive=False)
            return False
        if request.refusal:
            _send(connection, self.server.refuse(*request.refusal), keep_alive=False)
            return False
        for method, target, body, keep_alive in request.complete:
            if not self.server.busy.begin():
                _send(connection, self.server.refuse(503, "the server is stopping"), keep_alive=False)
                return False
            try:
                _send(connection, self.server.handle(method, target, body), keep_alive=keep_alive)
            finally:
                self.server.busy.end()
            if not keep_alive:
                return False
        request.complete.clear()
        return True


def _send(connection: socket.socket, answer: Answer, *, keep_alive: bool) -> None:
    status, content_type, body = answer
    if isinstance(body, bytes):
        connection.sendall(_render_head(status, content_type, len(body), keep_alive=keep_alive) + body)
        return
    with body.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        connection.sendall(_render_head(status, content_type, size, keep_alive=keep_alive))
        connection.sendfile(file)


def _render_head(status: int, content_type: bytes, size: int, *, keep_alive: bool) -> bytes:
    return b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\ncontent-length: %d\r\nconnection: %s\r\n\r\n" % (
        status,
        _REASONS[status].encode(),
        content_type,
        size,
        b"keep-alive" if keep_alive else b"close",
    )


class Busy:
    """Counts requests being answered, so that a stop can wait for them and let no more in."""

    def __init__(self) -> None:
        self._count = 0
        self._closed = False
        self._changed = threading.Condition()

    def begin(self) -> bool:
        """Count one more request; false once closed."""
        with self._changed:
            self._count += not self._closed
            return not self._closed

    def end(self) -> None:
        """Count one request less."""
        with self._changed:
            self._count -= 1
            if self._closed:
                self._changed.notify_all()

    def close(self, timeout_seconds: float) -> bool:
        """Let no more requests in and wait for the others; false if some still run after `timeout_seconds`."""
        with self._changed:
            self._closed = True
            return self._changed.wait_for(lambda: self._count == 0, timeout_seconds)


class Server(socketserver.ThreadingTCPServer):
    """Listens on `address` and answers with `handle`; `refuse` words the errors of HTTP itself."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], *, handle: Handler, refuse: Callable[[int, str], Answer]) -> None:
        self.handle = handle
        self.refuse = refuse
        self.busy = Busy()
        super().__init__(address, _Connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what a connection's thread could not handle."""
        log.exception("connection from %s failed", client_address)
