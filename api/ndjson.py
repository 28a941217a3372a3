"""Searches whose results come line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from flask import Request, Response

from api.streaming import STREAM_TYPE, stream_ndjson


def wants_stream(request: Request) -> bool:
    """True if the caller names this type, and not JSON before it: `*/*` means the ordinary answer."""
    named = {name.partition(";")[0].strip().lower(): quality for name, quality in request.accept_mimetypes}
    wanted = named.get(STREAM_TYPE, 0)
    return wanted > 0 and wanted >= named.get("application/json", 0)


def answer_as_stream(hits: Iterator[bytes], summary: Mapping[str, Any]) -> Response:
    """The hits, which are JSON, then the summary: `stream_ndjson` says what the lines are."""
    return stream_ndjson(hits, tail=lambda: orjson.dumps(summary))
