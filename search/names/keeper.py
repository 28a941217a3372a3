"""Keeps the names in step with Postgres: built at first use on a thread of its own, then patched with what changed.

Postgres away: the last names stand. A patch is a small second segment; when it has grown, everything is read anew.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np

from core.errors import DependencyUnavailableError, TransientError
from core.log import Event, Log
from search.names.hits import LiveSegment
from search.names.index import NameIndex
from search.names.segment import NameSegment, build_segment
from storage.database.names import TitleNames

# As often as searches look which collection is live: an excluded title is suggested no longer than it is found.
REFRESH_S = 2.0
# A title bears the time at which its transaction began: so far back is looked each time.
OVERLAP_S = 120.0
# Beyond so many changed titles all is read anew, but not more often than this.
_PATCH_MAX = 5_000
_REBUILD_EVERY_S = 60.0
_CLOSE_WAIT_S = 5.0
# What tells one state of a title from another: version, excluded, adult.
_State = tuple[int, bool, bool]
_log = Log("names")


class NamesNotReadyError(TransientError):
    """The names are still being read."""

    code = "names-not-ready"


class ReadsNames(Protocol):
    """Where names come from: `storage.database.names.NameRepository`."""

    def fetch_all(self) -> Iterator[list[TitleNames]]:
        """Every title, in batches."""

    def fetch_changed(self, since: datetime, *, limit: int) -> list[TitleNames]:
        """Titles stored at or after this moment."""

    def get_moment(self, *, overlap_s: float) -> datetime:
        """The server's time, less the overlap."""


@dataclass(frozen=True, slots=True)
class KnownNames:
    """The names at one moment. `studios`: how many titles each has, by its spelling in lower case."""

    index: NameIndex
    studios: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Base:
    """Everything as it was read at once. `seen` are the states of titles that were stored shortly before."""

    segment: NameSegment
    studios: Counter[str]
    seen: dict[str, _State]
    built_at: float


class NameIndexKeeper:
    """Reads names in the background. Safe between threads; the thread starts at first use, in the process that serves.

    `clock` gives seconds, for tests.
    """

    def __init__(
        self, names: ReadsNames, *, refresh_s: float = REFRESH_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._names = names
        self._refresh_s = refresh_s
        self._clock = clock
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._known: KnownNames | None = None
        self._revision = 0
        self._base: _Base | None = None
        self._changed: dict[str, TitleNames] = {}
        self._since: datetime | None = None
        self._has_failed = False

    def get(self) -> KnownNames | None:
        """What is known right now, without waiting; None until the first reading is through."""
        if self._thread is None:
            self._start()
        return self._known

    @property
    def revision(self) -> int:
        """Rises with every change of what is known; 0 until the first reading is through."""
        return self._revision

    def require(self) -> KnownNames:
        """As `get`. Raises NamesNotReadyError instead of None."""
        if (known := self.get()) is None:
            raise NamesNotReadyError("the names of the titles are being read", retry_after_s=2.0)
        return known

    def wait(self, timeout_s: float) -> bool:
        """Wait until names are known; False if that took too long. For commands: requests do not wait."""
        self.get()
        return self._ready.wait(timeout_s)

    def close(self) -> None:
        """End the thread."""
        self._stopping.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(_CLOSE_WAIT_S)

    def refresh(self) -> None:
        """Take in what has changed. Raises DependencyUnavailableError."""
        base, since = self._base, self._since
        if base is None or since is None:
            self._read_all()
            return
        moment = self._names.get_moment(overlap_s=OVERLAP_S)
        stored = self._names.fetch_changed(since, limit=_PATCH_MAX + 1)
        news = {one.slug: one for one in stored if self._is_news(base, one)}
        if len(stored) > _PATCH_MAX or len(self._changed | news) > _PATCH_MAX:
            if self._clock() - base.built_at >= _REBUILD_EVERY_S:
                self._read_all()
            return
        if news:
            self._changed |= news
            self._tell(_patch(base, self._changed))
        self._since = moment

    def _tell(self, known: KnownNames) -> None:
        # In this order: what is read out of a text after a look at the revision is never older than it says.
        self._known = known
        self._revision += 1

    def _is_news(self, base: _Base, title: TitleNames) -> bool:
        known = self._changed.get(title.slug)
        return _get_state(title) != (base.seen.get(title.slug) if known is None else _get_state(known))

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._run, name="names", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.refresh()
                self._has_failed = False
            except DependencyUnavailableError as error:
                # Said once: every two seconds it would bury the rest of the log.
                if not self._has_failed:
                    _log.warning(Event.DEPENDENCY_UNAVAILABLE, dependency=error.dependency, reason=error.reason)
                self._has_failed = True
            except Exception as error:  # a fault of ours: what is known stands, and the next turn may go better
                _log.error(Event.NAMES_FAILED, error=error)
            self._stopping.wait(self._refresh_s)

    def _read_all(self) -> None:
        started = time.perf_counter()
        moment = self._names.get_moment(overlap_s=OVERLAP_S)
        studios: Counter[str] = Counter()
        # What was stored so lately that it will be among the changed titles again.
        seen = {one.slug: _get_state(one) for one in self._names.fetch_changed(moment, limit=_PATCH_MAX)}
        segment = build_segment(_count_studios(self._names.fetch_all(), studios, seen))
        self._base = _Base(segment, studios, seen, self._clock())
        self._changed, self._since = {}, moment
        self._tell(_patch(self._base, {}))
        self._ready.set()
        _log.info(
            Event.NAMES_READ,
            titles=len(segment.titles.slugs),
            names=len(segment.names),
            took_s=round(time.perf_counter() - started, 3),
        )


def _get_state(title: TitleNames) -> _State:
    return title.version, title.excluded, title.adult


def _count_studios(
    batches: Iterator[list[TitleNames]], studios: Counter[str], seen: dict[str, _State]
) -> Iterator[list[TitleNames]]:
    for batch in batches:
        kept = [title for title in batch if not title.excluded]
        for title in batch:
            if title.slug in seen:
                seen[title.slug] = _get_state(title)
        studios.update(name.casefold() for title in kept for name in title.studios)
        yield kept


def _patch(base: _Base, changed: Mapping[str, TitleNames]) -> KnownNames:
    """The base with changed titles taken out, and a second segment with what they are now."""
    is_hidden = np.zeros(len(base.segment.titles.slugs), bool)
    for slug in changed:
        if (place := base.segment.find_title(slug)) is not None:
            is_hidden[place] = True
    segments = [LiveSegment(base.segment, is_hidden)]
    shown = [title for title in changed.values() if not title.excluded]
    if shown:
        segments.append(LiveSegment(build_segment([shown]), np.zeros(len(shown), bool)))
    # Studios of changed titles count, but are not taken off again before the next whole reading.
    more = Counter(name.casefold() for title in shown for name in title.studios)
    return KnownNames(NameIndex(segments), base.studios + more)
