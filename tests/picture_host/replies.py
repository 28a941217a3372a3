"""Answers as values, and how they look on the line."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus

_MODIFIED = format_datetime(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), usegmt=True)


@dataclass(frozen=True)
class Reply:
    """One answer.

    announced   the Content-Length that is said instead of the true one
    chunked     sent in chunks, without a length
    then_close  the connection is closed after the body, whatever was announced
    wait_s      before the first byte
    drip_s      between single bytes of the body
    endless     the body is sent again and again until the other side has enough
    silent      the connection is closed without an answer
    raw         these bytes are sent in place of status line and headers
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    announced: int | None = None
    chunked: bool = False
    then_close: bool = False
    wait_s: float = 0.0
    drip_s: float = 0.0
    endless: bool = False
    silent: bool = False
    raw: bytes | None = None

    @property
    def is_plain(self) -> bool:
        """True if it can be sent in one piece at once."""
        return not (self.wait_s or self.drip_s or self.endless)

    def build_head(self) -> bytes:
        """Status line and headers, with the empty line."""
        if self.raw is not None:
            return self.raw
        lines = [f"HTTP/1.1 {self.status} {_get_phrase(self.status)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.chunked:
            lines.append("Transfer-Encoding: chunked")
        elif not self.endless and self.status != HTTPStatus.NOT_MODIFIED:
            lines.append(f"Content-Length: {len(self.body) if self.announced is None else self.announced}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def build_body(self) -> bytes:
        """The body as it is sent."""
        if not self.chunked:
            return self.body
        half = max(1, len(self.body) // 2)
        pieces = [self.body[:half], self.body[half:]]
        return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n\r\n"


def build_picture(body: bytes, media_type: str = "image/jpeg", **headers: str) -> Reply:
    """A good answer with validators; `headers` with _ for -."""
    etag = f'"{hashlib.blake2b(body, digest_size=8).hexdigest()}"'
    own = {"Content-Type": media_type, "ETag": etag, "Last-Modified": _MODIFIED}
    return Reply(body=body, headers=own | {name.replace("_", "-"): value for name, value in headers.items()})


def build_text(body: bytes, media_type: str, *, status: int = 200) -> Reply:
    """An answer that is no picture and has no validators."""
    return Reply(status=status, body=body, headers={"Content-Type": media_type})


def build_redirect(location: str, *, status: int = 302) -> Reply:
    """A redirect with a small page."""
    return Reply(status=status, body=b"moved", headers={"Location": location, "Content-Type": "text/plain"})


def answer_conditions(reply: Reply, asked: Mapping[str, str]) -> Reply:
    """304 if the request's validators fit, else the reply itself."""
    etag, modified = reply.headers.get("ETag"), reply.headers.get("Last-Modified")
    if reply.status != HTTPStatus.OK or etag is None:
        return reply
    said = (asked["if-none-match"], etag) if "if-none-match" in asked else (asked.get("if-modified-since"), modified)
    fits = said[0] is not None and said[0] == said[1]
    if not fits:
        return reply
    kept = {name: value for name, value in reply.headers.items() if name != "Content-Type"}
    return Reply(status=HTTPStatus.NOT_MODIFIED, headers=kept, wait_s=reply.wait_s)


def _get_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
