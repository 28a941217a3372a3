"""A local HTTP server whose answers a test writes as a function, and that remembers when it was asked for what."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Asked:
    """A request as it came. `at` is by the monotonic clock of this machine; names of headers are in lower case."""

    at: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answers:
    """What is answered."""

    status: int = 200
    body: bytes = b'{"ok": true}'
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"
    after_s: float = 0.0
    # Ends the connection without an answer.
    drops: bool = False

    @classmethod
    def of(cls, value: Any, **options: Any) -> Answers:
        """JSON."""
        return cls(body=json.dumps(value).encode(), **options)


class AnsweringHost:
    """A context manager. `answer` may be exchanged at any time; it is called with each request."""

    def __init__(self, answer: Callable[[Asked], Answers] | None = None) -> None:
        self.answer = answer or (lambda _: Answers())
        self.asked: list[Asked] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._build_handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def times(self) -> list[float]:
        """When it was asked, in order."""
        with self._lock:
            return sorted(one.at for one in self.asked)

    def count(self, path: str) -> int:
        """How often it was asked for a path."""
        with self._lock:
            return sum(one.path == path for one in self.asked)

    def _build_handler(self) -> type[BaseHTTPRequestHandler]:
        host = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body in one packet, or the client's delayed acknowledgement adds 40 ms.
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self._answer()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

            def _answer(self) -> None:
                at = time.monotonic()
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(at, self.command, self.path, headers, body)
                with host._lock:
                    host.asked.append(asked)
                self._send(host.answer(asked))

            def _send(self, answer: Answers) -> None:
                time.sleep(answer.after_s)
                if answer.drops:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.media_type)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                has_body = answer.status != 304
                if has_body and "Content-Length" not in answer.headers:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if has_body:
                    self.wfile.write(answer.body)

        return Handler
