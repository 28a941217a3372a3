"""What was asked, and what the stands remember of it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qsl, urlsplit


def build_key(method: str, target: str, body: bytes = b"") -> str:
    """Method and target, and the hash of what a JSON body says, however it is written."""
    if not body:
        return f"{method} {target}"
    try:
        said = json.dumps(json.loads(body), sort_keys=True).encode()
    except ValueError:
        said = body
    return f"{method} {target} {hashlib.sha256(said).hexdigest()[:16]}"


@dataclass(frozen=True)
class Asked:
    """One request. `at` is monotonic seconds; names of headers are in lower case."""

    provider: str
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @cached_property
    def path(self) -> str:
        """Without the query, still percent-encoded."""
        return urlsplit(self.target).path

    @cached_property
    def query(self) -> dict[str, str]:
        """Decoded; the last of equal names."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @cached_property
    def key(self) -> str:
        """The same for the same request; see `build_key`."""
        return build_key(self.method, self.target, self.body)


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that was answered.

    over         it was one too many
    conditional  it named what it has
    is_limited   it counts for the provider's limit
    """

    provider: str
    key: str
    at: float
    status: int
    over: bool
    conditional: bool
    mood: str
    is_limited: bool = True


class Records:
    """Every request of all providers. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: list[Seen] = []

    def add(self, seen: Seen) -> None:
        """Remember one."""
        with self._lock:
            self._seen.append(seen)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._seen.clear()

    def list_seen(self, provider: str | None = None) -> list[Seen]:
        """All requests so far, or those of one provider, in the order of their arrival."""
        with self._lock:
            return [one for one in self._seen if provider in (None, one.provider)]


def count_keys(seen: list[Seen], *, statuses: frozenset[int] | None = None) -> Counter[str]:
    """Requests by `provider key`; with `statuses`, only those that were answered so."""
    return Counter(f"{one.provider} {one.key}" for one in seen if statuses is None or one.status in statuses)


def count_most_in_window(times: list[float], window_s: float) -> int:
    """The greatest number of times within any half-open window of this length."""
    most = first = 0
    for last, at in enumerate(times):
        while at - times[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most
