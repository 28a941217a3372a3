"""Which collection answers right now, kept in memory so that Postgres is not asked by every search."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass

from core.errors import ConflictError, DependencyUnavailableError
from core.log import Event, Log
from core.recipe import RecipeSet
from storage.database.generations import GenerationRepository
from storage.database.jobs import JobRepository
from storage.database.titles import TitleRepository

REFRESH_S = 2.0
# While a job writes, cached results live this long: a changed title is found within a minute.
_WRITING_EPOCH_S = 30
# A title is excluded in Postgres first and leaves the collection a little later. Until that is certain, no answer that
# may still show it is kept for longer than it takes to read Postgres again.
_EXCLUSION_SETTLE_S = 60.0

_log = Log("search")


class NothingIndexedError(ConflictError):
    """There is no live generation yet."""

    code = "nothing-indexed"


@dataclass(frozen=True, slots=True)
class LiveIndex:
    """The live collection. `state` changes whenever its content may have changed."""

    collection: str
    recipes: RecipeSet
    state: str

    @property
    def scope(self) -> str:
        """What states have in common between which an old answer does no harm: collection and excluded titles."""
        return self.state.rpartition(":")[0]


class LiveIndexReader:
    """Reads the live generation at most every two seconds. While Postgres is away the last one known stands.

    `lease_s`: how long a worker may go on writing what it had leased when its job ended.
    """

    def __init__(
        self,
        generations: GenerationRepository,
        jobs: JobRepository,
        titles: TitleRepository,
        *,
        alias: str,
        lease_s: float,
    ) -> None:
        self._generations = generations
        self._jobs = jobs
        self._titles = titles
        self._alias = alias
        self._lease_s = lease_s
        self._lock = threading.Lock()
        self._known: LiveIndex | None = None
        self._failure: DependencyUnavailableError | None = None
        self._checked_at = float("-inf")

    def get(self) -> LiveIndex:
        """Raises NothingIndexedError before the first generation is live, and DependencyUnavailableError."""
        age_s = time.monotonic() - self._checked_at
        # One thread asks, the others go on with what is known; without anything known they all wait for it.
        if age_s > REFRESH_S and self._lock.acquire(blocking=self._known is None):
            try:
                if time.monotonic() - self._checked_at > REFRESH_S:
                    self._refresh()
            finally:
                self._lock.release()
        if (known := self._known) is not None:
            return known
        if (failure := self._failure) is not None:
            raise failure.with_traceback(None)
        raise NothingIndexedError("nothing is indexed yet: import a catalogue and run an index job first")

    def peek(self) -> LiveIndex | None:
        """What is known and fresh, without asking anybody."""
        return self._known if time.monotonic() - self._checked_at <= REFRESH_S else None

    def forget(self) -> None:
        """Ask Postgres again at the next search: the collection that was live is gone."""
        self._checked_at = float("-inf")

    def _refresh(self) -> None:
        try:
            # Assigned once: the threads that do not wait never see anything half-read.
            self._known, self._failure = self._read(), None
        except DependencyUnavailableError as error:
            # Remembered for those who waited meanwhile: they need not find it out one after the other.
            self._failure = error
            _log.warning(Event.DEPENDENCY_UNAVAILABLE, dependency=error.dependency, reason=error.reason)
        self._checked_at = time.monotonic()

    def _read(self) -> LiveIndex | None:
        # Before the generation: what a job writes between the two reads then belongs to the next state.
        writes, is_writing = self._jobs.describe_writes(settle_s=self._lease_s)
        exclusions, is_settling = self._titles.describe_exclusions(settle_s=_EXCLUSION_SETTLE_S)
        generation = self._generations.get_live(self._alias)
        if generation is None:
            return None
        scope = f"{generation.collection}:{_digest(exclusions, every_s=REFRESH_S if is_settling else None)}"
        state = f"{scope}:{_digest(writes, every_s=_WRITING_EPOCH_S if is_writing else None)}"
        return LiveIndex(generation.collection, generation.recipes, state)


def _digest(text: str, *, every_s: float | None) -> str:
    """Equal for equal texts; `every_s`: but only for so many seconds."""
    epoch = int(time.time() / every_s) if every_s else None
    return hashlib.blake2b(f"{text}|{epoch}".encode(), digest_size=6).hexdigest()
