"""Good answers with the validators and headers that a provider sends."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import Any

from tests.picture_host.replies import Reply

LAST_MODIFIED = "Fri, 20 Nov 2026 03:04:05 GMT"


def build_json(value: Any, *, status: int = 200, media_type: str = "application/json", **headers: str) -> Reply:
    """A JSON answer; `headers` with _ for -."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Reply(status=status, body=body, headers={"Content-Type": media_type, **_name(headers)})


def build_text(text: str, media_type: str, *, status: int = 200, **headers: str) -> Reply:
    """An answer in UTF-8."""
    return Reply(status=status, body=text.encode(), headers={"Content-Type": media_type, **_name(headers)})


def add_etag(reply: Reply, *, weak: bool = False) -> Reply:
    """The same with an ETag over its body."""
    etag = f'"{hashlib.md5(reply.body, usedforsecurity=False).hexdigest()}"'
    headers = {**reply.headers, "ETag": f"W/{etag}" if weak else etag}
    return Reply(status=reply.status, body=reply.body, headers=headers)


def pack(reply: Reply) -> Reply:
    """The same with gzip, asked for or not."""
    headers = {**reply.headers, "Content-Encoding": "gzip"}
    return Reply(status=reply.status, body=gzip.compress(reply.body, 1, mtime=0), headers=headers)


def _name(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
