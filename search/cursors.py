"""Paging that is stable under writes: the ranked list is kept as it was when its first page was asked for.

Later pages are cut from that list, so nothing comes twice and nothing is passed over, whatever is written meanwhile.
Titles that are gone or hidden by then are left out. A list is kept for `ttl_s` from its last page on, in the cache: if
that is emptied, the cursor has expired.
"""

from __future__ import annotations

import secrets
import struct
import uuid
from dataclasses import dataclass

import numpy as np

from core.errors import ConflictError, DependencyUnavailableError, InvalidInputError
from search.checks import parse_cursor
from search.rank import Ranked, Ranking
from storage.cache import Cache

CURSOR_TTL_S = 600
# Total, exactness, length of the question's name and of the names of the vectors, in UTF-8.
_HEADER = struct.Struct("<I?HH")


class CursorExpiredError(ConflictError):
    """The list behind a cursor is not kept any more: begin again."""

    code = "cursor-expired"


@dataclass(frozen=True, slots=True)
class CursorPage:
    """A place in a kept list. `next_token` is None on the last page."""

    points: tuple[Ranked, ...]
    total: int
    is_exact: bool
    vectors: tuple[str, ...]
    next_token: str | None


class CursorStore:
    """Keeps ranked lists in the cache, 20 bytes a title."""

    def __init__(self, cache: Cache, *, ttl_s: int = CURSOR_TTL_S) -> None:
        self._cache = cache
        self._ttl_s = ttl_s

    def begin(self, ranking: Ranking, *, vectors: tuple[str, ...], question: str, limit: int) -> CursorPage:
        """Keep the list and cut the first page. `question` names what was asked, so that a cursor fits nothing else.

        Raises DependencyUnavailableError for `cache`: without it there is nowhere to keep a list.
        """
        name = secrets.token_urlsafe(16)
        if len(ranking.points) > limit:
            self._cache.set_many({_key(name): (_pack(ranking, vectors, question), self._ttl_s)})
            if self._cache.get_many([_key(name)])[0] is None:
                raise DependencyUnavailableError("cache", "a cursor's list cannot be kept")
        return _cut(name, ranking, vectors, start=0, limit=limit)

    def resume(self, token: str, *, question: str, limit: int) -> CursorPage:
        """The page at the token. Raises InvalidInputError, CursorExpiredError, DependencyUnavailableError."""
        name, start = parse_cursor(token)
        data = self._cache.get_many([_key(name)])[0]
        if data is None and not self._cache.ping():
            raise DependencyUnavailableError("cache", "the lists behind cursors are kept there")
        if data is None:
            raise CursorExpiredError(f"the cursor has expired ({self._ttl_s} s after its last page): begin again")
        ranking, vectors, asked = _unpack(data)
        if asked != question:
            raise InvalidInputError("cursor", "belongs to another search: send the rest of the request unchanged")
        self._cache.set_many({_key(name): (data, self._ttl_s)})
        return _cut(name, ranking, vectors, start=start, limit=limit)


def _key(name: str) -> str:
    return f"avs:c:{name}"


def _cut(name: str, ranking: Ranking, vectors: tuple[str, ...], *, start: int, limit: int) -> CursorPage:
    end = start + limit
    is_last = end >= len(ranking.points)
    return CursorPage(
        points=ranking.points[start:end],
        total=ranking.total,
        is_exact=ranking.is_exact,
        vectors=vectors,
        next_token=None if is_last else f"{name}.{end}",
    )


def _pack(ranking: Ranking, vectors: tuple[str, ...], question: str) -> bytes:
    asked, names = question.encode(), ",".join(vectors).encode()
    return b"".join(
        (
            _HEADER.pack(ranking.total, ranking.is_exact, len(asked), len(names)),
            asked,
            names,
            np.asarray([point.score for point in ranking.points], "<f4").tobytes(),
            *(uuid.UUID(point.point_id).bytes for point in ranking.points),
        )
    )


def _unpack(data: bytes) -> tuple[Ranking, tuple[str, ...], str]:
    total, is_exact, asked_bytes, names_bytes = _HEADER.unpack_from(data)
    start = _HEADER.size
    asked = data[start : start + asked_bytes].decode()
    names = data[start + asked_bytes : start + asked_bytes + names_bytes].decode()
    body = data[start + asked_bytes + names_bytes :]
    count = len(body) // 20
    scores = np.frombuffer(body, "<f4", count).tolist()
    ids = body[4 * count :]
    points = tuple(
        Ranked(str(uuid.UUID(bytes=ids[16 * place : 16 * place + 16])), score) for place, score in enumerate(scores)
    )
    return Ranking(points, total, is_exact=is_exact), tuple(names.split(",")) if names else (), asked
