"""Answers of GET routes that a caller, or a cache on the way, may keep: Cache-Control, ETag, 304 for what is known."""

from __future__ import annotations

import hashlib

from flask import Response, request
from werkzeug.datastructures import ETags

# How long titles and lists of them may be kept: a title that is deleted shall not live on for minutes elsewhere.
MAX_AGE_S = 30
# Compression adds its name to a strong tag: other bytes, another tag.
TAG_SUFFIXES = ("", "-zstd", "-gzip")
_SECRET_HEADERS = ("Authorization", "X-API-Key")


def answer_conditionally(
    body: bytes,
    *,
    max_age_s: int,
    etag_of: bytes | None = None,
    stale_s: int = 0,
    content_type: str = "application/json",
) -> Response:
    """The body, or 304 if the caller has it already.

    `etag_of`: the part of the answer that counts, if some of the body differs from time to time, such as milliseconds;
    the tag is a weak one then. Kept for `max_age_s`, and shown for `stale_s` more while a new one is fetched: by the
    caller only if the request said who he is, by caches on the way otherwise.
    """
    tag = hashlib.blake2b(body if etag_of is None else etag_of, digest_size=16).hexdigest()
    is_known = _holds(request.if_none_match, tag)
    response = Response(status=304) if is_known else Response(body, content_type=content_type)
    response.set_etag(tag, weak=etag_of is not None)
    control = f"{choose_audience()}, max-age={max_age_s}"
    response.headers["Cache-Control"] = f"{control}, stale-while-revalidate={stale_s}" if stale_s else control
    response.vary.add("Accept-Encoding")
    return response


def _holds(tags: ETags, tag: str) -> bool:
    """GET compares weakly: whatever the compression, the answer is the same."""
    return any(tags.contains_weak(f"{tag}{suffix}") for suffix in TAG_SUFFIXES)


def choose_audience() -> str:
    """`private` if the request says who asks, so that no shared cache keeps the answer; else `public`."""
    return "private" if any(name in request.headers for name in _SECRET_HEADERS) else "public"
