"""Which searches are asked again and again: counted in memory, sent to Postgres every few seconds.

What is asked once is never stored, nor are long texts, deep pages and cursors: the log is for warming the cache, not
for looking at people. Nothing of the caller is in it. A process that dies loses what it had not sent.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import orjson

from core.errors import DependencyUnavailableError
from core.text import normalise_query
from search.request import SearchRequest, SimilarRequest
from storage.database.query_log import LoggedQuery

TEXT_MAX_CHARS = 200
REACH_MAX = 100
_REQUEST_MAX_BYTES = 2_000
_KNOWN_MAX = 10_000
_SENT_MAX = 1_000
Request = SearchRequest | SimilarRequest
_KINDS: Mapping[str, type[SearchRequest] | type[SimilarRequest]] = {"search": SearchRequest, "similar": SimilarRequest}


@dataclass(slots=True, eq=False)
class _Asked:
    """A search with how often it was asked altogether and since it was last sent."""

    request: dict[str, Any]
    times: int = 0
    unsent: int = 0


class AskedQueries:
    """Counts searches. Safe between threads.

    It knows the last 10,000 different ones: one that comes back before so many others is counted, a rarer one is not.
    """

    def __init__(self, send: Callable[[Sequence[LoggedQuery]], None], *, is_on: bool = True) -> None:
        self._send = send
        self._is_on = is_on
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Asked] = OrderedDict()

    def note(self, request: Request) -> str | None:
        """Count a search; returns what `note_again` knows it by, None if it is none that is counted."""
        if not self._is_on or (document := describe_request(request)) is None:
            return None
        encoded = _encode(document)
        if encoded is None:
            return None
        fingerprint = hashlib.blake2b(encoded, digest_size=16).hexdigest()
        with self._lock:
            known = self._known.get(fingerprint)
            if known is None:
                known = self._known[fingerprint] = _Asked(document)
                if len(self._known) > _KNOWN_MAX:
                    self._known.popitem(last=False)
            self._count(fingerprint, known)
        return fingerprint

    def note_again(self, fingerprint: str) -> None:
        """Count a search that was noted before."""
        with self._lock:
            known = self._known.get(fingerprint)
            if known is not None:
                self._count(fingerprint, known)

    def flush(self) -> None:
        """Send what was asked at least twice.

        Raises DependencyUnavailableError, and then it is sent the next time. What fails otherwise would fail again.
        """
        with self._lock:
            ready = [(key, one) for key, one in self._known.items() if one.unsent and one.times > 1]
            ready.sort(key=lambda pair: pair[1].unsent, reverse=True)
            queries = [LoggedQuery(key, one.request, one.unsent) for key, one in ready[:_SENT_MAX]]
        if not queries:
            return
        try:
            self._send(queries)
        except DependencyUnavailableError:
            raise
        except Exception:
            self._settle(queries)
            raise
        self._settle(queries)

    def _settle(self, queries: Sequence[LoggedQuery]) -> None:
        with self._lock:
            for query in queries:
                if (known := self._known.get(query.fingerprint)) is not None:
                    known.unsent -= query.asked

    def _count(self, fingerprint: str, known: _Asked) -> None:
        known.times += 1
        known.unsent += 1
        self._known.move_to_end(fingerprint)


def describe_request(request: Request) -> dict[str, Any] | None:
    """A search as JSON: its kind and what it says beside the defaults. None for one that is not worth repeating."""
    if request.cursor is not None or request.explain or request.offset + request.limit > REACH_MAX:
        return None
    kind = next(name for name, known in _KINDS.items() if isinstance(request, known))
    said: dict[str, Any] = {"kind": kind}
    for one in fields(request):
        value = getattr(request, one.name)
        if value != one.default:
            said[one.name] = value
    if isinstance(text := said.get("query"), str):
        said["query"] = normalise_query(text)
        if len(said["query"]) > TEXT_MAX_CHARS:
            return None
    return said


def _encode(document: Mapping[str, Any]) -> bytes | None:
    """Equal bytes for equal documents; None for one that is too long, or that Postgres could not hold."""
    try:
        encoded = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return None
    return None if len(encoded) > _REQUEST_MAX_BYTES or b"\\u0000" in encoded else encoded


def rebuild_request(document: Mapping[str, Any]) -> Request | None:
    """The request that `describe_request` described; None if another release wrote it in words of its own."""
    kind = _KINDS.get(document.get("kind", ""))
    if kind is None:
        return None
    said = {name: _freeze(name, value) for name, value in document.items() if name != "kind"}
    if not said.keys() <= {one.name for one in fields(kind)}:
        return None
    try:
        return kind(**said)
    except TypeError:
        return None


def _freeze(name: str, value: Any) -> Any:
    """JSON has lists where requests have tuples, but for what stays the caller's JSON."""
    return tuple(value) if isinstance(value, list) and name != "filters" else value
