"""Answers that are asked for again and again: kept in Redis, made once at a time, refreshed behind the callers' backs.

An answer belongs to a scope, which is a live collection and what is hidden in it, and to a state, which is what was
last written to that collection. It is fresh in its own state only. Within its scope it may be shown for a few seconds
longer while a new one is made, in another scope never: neither an alias swap nor a title that is hidden meets an old
answer. Nothing is deleted: what is out of date is asked for under other keys, or overwritten.

With Redis away every answer is made anew: slower, not broken.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from core.errors import DeadlineExceededError, ServiceError
from core.log import Event, Log
from search.answer_format import KeptAnswer, pack_answer, unpack_answer
from search.cache_counts import CacheCounts
from storage.cache import Cache
from storage.cache_writer import CacheWriter, Values

PREFIX = "avs:a:"
_REFRESH_THREADS = 2
_REFRESH_WAITING_MAX = 64
# One process in so many seconds tries to replace a stale answer: also what a failed try is not repeated for.
_REFRESH_CLAIM_S = 5.0
_SCOPES_MAX = 8
_STATES_MAX = 16
_log = Log("cache")

State = Literal["hit", "stale", "miss", "joined"]


@dataclass(frozen=True, slots=True)
class AnswerKey:
    """What an answer depends on. `beside` is the Redis key of something that helps to make it: read with it."""

    scope: str
    state: str
    question: str
    beside: str | None = None

    @property
    def redis_key(self) -> str:
        """Without the state: the next answer takes the place of the last one."""
        return f"{PREFIX}{self.scope}:{self.question}"


@dataclass(frozen=True, slots=True)
class Lives:
    """Seconds: how long an answer is fresh, how long it may be shown while a new one is made, and `beside`'s life."""

    fresh_s: int
    stale_s: int = 0
    beside_s: int = 0


@dataclass(frozen=True, slots=True)
class Made:
    """A new answer, and what is to be kept beside it if that was not there yet."""

    body: bytes
    beside: bytes | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer and where it came from. A `joined` one was made for somebody else who asked at the same time."""

    body: bytes
    state: State


# Gets what was kept beside the answer, if anything was.
Make = Callable[[bytes | None], Made]


@dataclass(slots=True, eq=False)
class _Flight:
    """An answer that is being looked for, and those who wait for it."""

    done: threading.Event = field(default_factory=threading.Event)
    fetched: Fetched | None = None
    error: BaseException | None = None


class AnswerCache:
    """Hands out kept answers and has the others made. Safe between threads; starts its own ones at first need.

    `max_bytes`: larger answers are handed out and not kept.
    """

    def __init__(self, cache: Cache, writer: CacheWriter, counts: CacheCounts, *, max_bytes: int) -> None:
        self._cache = cache
        self._writer = writer
        self._counts = counts
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._flights: dict[AnswerKey, _Flight] = {}
        self._refreshing: set[AnswerKey] = set()
        self._states = _StateClock()
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False

    def fetch(self, key: AnswerKey, make: Make, *, lives: Lives, timeout_s: float) -> Fetched:
        """The answer: kept, or made by the first of those who ask for it at the same time.

        Raises what `make` raises, to all who wait for it and never again, and DeadlineExceededError for those who have
        waited `timeout_s` for somebody else.
        """
        flight, leads = self._board(key)
        if not leads:
            return self._wait(flight, timeout_s)
        made = None
        try:
            flight.fetched, made = self._find(key, make, lives)
        except BaseException as error:
            flight.error = error
            raise
        finally:
            flight.done.set()
            self._land(key, made, lives)
        return flight.fetched

    def count_repeat(self) -> None:
        """Somebody was given an answer of this cache that he, or the process, still had."""
        self._counts.add("hits")

    def refill(self, key: AnswerKey, make: Make, *, lives: Lives) -> bool:
        """Have the answer made and kept unless a fresh one is; False if there was nothing to do. Counts nothing."""
        data, beside = self._load(key, lives)
        if self._judge(key, data, lives)[1] == "hit":
            return False
        self.save(key, make(beside), lives=lives)
        return True

    def load_many(self, keys: Sequence[AnswerKey], *, lives: Lives) -> list[tuple[bytes | None, bytes | None]]:
        """The fresh answer of each key and what is kept beside it, in one round trip."""
        names = [name for key in keys for name in (key.redis_key, key.beside or key.redis_key)]
        values = self._cache.get_many(names)
        found: list[tuple[bytes | None, bytes | None]] = []
        for place, key in enumerate(keys):
            kept, verdict = self._judge(key, values[2 * place], lives)
            self._counts.add("hits" if verdict == "hit" else "misses")
            beside = values[2 * place + 1] if key.beside else None
            found.append((kept.body if kept and verdict == "hit" else None, beside))
        return found

    def save(self, key: AnswerKey, made: Made, *, lives: Lives) -> None:
        """Keep an answer; somebody else's thread does it."""
        self._save(key, made, lives)

    def _save(self, key: AnswerKey, made: Made, lives: Lives, then: Callable[[], None] | None = None) -> bool:
        now = time.time()

        def build() -> Values:
            values: dict[str, tuple[bytes, int]] = {}
            if lives.fresh_s > 0 and len(made.body) <= self._max_bytes:
                packed = pack_answer(KeptAnswer(made.body, key.state, now))
                values[key.redis_key] = (packed, lives.fresh_s + lives.stale_s)
            if key.beside is not None and made.beside is not None:
                values[key.beside] = (made.beside, lives.beside_s)
            return values

        return self._writer.put(build, size_bytes=len(made.body) + len(made.beside or b""), then=then)

    def get_stats(self) -> dict[str, Any]:
        """Counts of this process and, while Redis answers, of all of them within a day."""
        return {
            **self._counts.get_stats(),
            "writes_dropped": self._writer.dropped,
            "redis": {"ok": self._cache.is_well, "failures": self._cache.failures},
        }

    def flush(self, *, timeout_s: float) -> bool:
        """Wait until what was made is kept; False if that took too long."""
        return self._writer.flush(timeout_s=timeout_s)

    def close(self) -> None:
        """Start nothing any more, and finish the writes that wait. A refresh that is under way ends by itself."""
        with self._lock:
            self._closed = True
            pool = self._pool
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
        self._writer.close()

    def _board(self, key: AnswerKey) -> tuple[_Flight, bool]:
        """The flight for the key, and whether the caller is the one who flies it."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = self._flights[key] = _Flight()
            return flight, True

    def _land(self, key: AnswerKey, made: Made | None, lives: Lives) -> None:
        """End a flight. One that has made an answer stays until that is kept: nobody shall make it again meanwhile."""

        def leave() -> None:
            with self._lock:
                del self._flights[key]

        if made is None or not self._save(key, made, lives, leave):
            leave()

    def _wait(self, flight: _Flight, timeout_s: float) -> Fetched:
        if not flight.done.wait(timeout_s):
            raise DeadlineExceededError(f"an equal search has not been answered within {timeout_s:.1f} s")
        if flight.error is not None:
            # Several threads raise the same error: none shall show the stack of another.
            raise flight.error.with_traceback(None)
        if flight.fetched is None:
            raise ServiceError("a flight ended without an answer")
        if flight.fetched.state == "miss":
            self._counts.add("joined")
            return Fetched(flight.fetched.body, "joined")
        self._counts.add("stale" if flight.fetched.state == "stale" else "hits")
        return flight.fetched

    def _find(self, key: AnswerKey, make: Make, lives: Lives) -> tuple[Fetched, Made | None]:
        """The answer, and what was made if it was."""
        data, beside = self._load(key, lives)
        kept, verdict = self._judge(key, data, lives)
        if kept is not None and verdict != "miss":
            self._counts.add("hits" if verdict == "hit" else "stale")
            if verdict == "stale":
                self._refresh(key, make, lives, beside)
            return Fetched(kept.body, verdict), None
        self._counts.add("misses")
        try:
            made = make(beside)
        except Exception:
            self._counts.add("errors")
            raise
        return Fetched(made.body, "miss"), made

    def _load(self, key: AnswerKey, lives: Lives) -> tuple[bytes | None, bytes | None]:
        if lives.fresh_s <= 0 and lives.beside_s <= 0:
            return None, None
        names = [key.redis_key] if key.beside is None else [key.redis_key, key.beside]
        data, *others = self._cache.get_many(names)
        return data, others[0] if others else None

    def _judge(
        self, key: AnswerKey, data: bytes | None, lives: Lives
    ) -> tuple[KeptAnswer | None, Literal["hit", "stale", "miss"]]:
        """What was kept, and whether it may be shown."""
        self._states.see(key.scope, key.state)
        kept = unpack_answer(data, max_bytes=self._max_bytes) if data is not None and lives.fresh_s > 0 else None
        if kept is None:
            return None, "miss"
        age_s = max(time.time() - kept.made_at, 0.0)
        if kept.state == key.state:
            late_s = age_s - lives.fresh_s
            return kept, "hit" if late_s <= 0 else "stale" if late_s <= lives.stale_s else "miss"
        late_s = max(self._states.get_seconds_since_end(key.scope, kept.state), age_s - lives.fresh_s)
        return kept, "stale" if late_s <= lives.stale_s else "miss"

    def _refresh(self, key: AnswerKey, make: Make, lives: Lives, beside: bytes | None) -> None:
        """Have a new answer made in the background, unless that happens already or too much of it waits."""
        with self._lock:
            if self._closed or key in self._refreshing or len(self._refreshing) >= _REFRESH_WAITING_MAX:
                return
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_REFRESH_THREADS, thread_name_prefix="cache-refresh")
            self._refreshing.add(key)
            self._pool.submit(self._make_again, key, make, lives, beside)

    def _make_again(self, key: AnswerKey, make: Make, lives: Lives, beside: bytes | None) -> None:
        try:
            if self._cache.claim(f"avs:l:{key.state}:{key.question}", ttl_s=_REFRESH_CLAIM_S):
                self.save(key, make(beside), lives=lives)
        except ServiceError as error:
            self._counts.add("errors")
            _log.warning(Event.REFRESH_FAILED, reason=str(error))
        except Exception as error:  # a fault of ours: nobody waits here who could be told
            self._counts.add("errors")
            _log.error(Event.REFRESH_FAILED, error=error)
        finally:
            with self._lock:
                self._refreshing.discard(key)


class _StateClock:
    """Which states of a scope this process has seen, and when each gave way to the next one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scopes: OrderedDict[str, tuple[tuple[str, float], ...]] = OrderedDict()

    def see(self, scope: str, state: str) -> None:
        """The state is current, or was so when the caller began."""
        if any(known == state for known, _ in self._scopes.get(scope, ())):
            return
        with self._lock:
            seen = self._scopes.get(scope, ())
            self._scopes[scope] = (*seen, (state, time.monotonic()))[-_STATES_MAX:]
            while len(self._scopes) > _SCOPES_MAX:
                self._scopes.popitem(last=False)

    def get_seconds_since_end(self, scope: str, state: str) -> float:
        """0 for the current state; endless for one that this process never saw, which may be of any age."""
        seen = self._scopes.get(scope, ())
        ends = [*(since for _, since in seen[1:]), None]
        for (known, _), ended_at in zip(seen, ends, strict=True):
            if known == state:
                return 0.0 if ended_at is None else time.monotonic() - ended_at
        return float("inf")
