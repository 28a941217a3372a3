"""What collections hold, as far as Postgres knows: a name for each state, so that no answer outlives its own."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from storage.database.jobs import JobRepository
from storage.database.visibility import HiddenPoints, VisibilityRepository

# While a job writes, cached results live this long: a changed title is found within a minute.
_WRITING_EPOCH_S = 30
# How often points that are left out by their ids are looked at again.
_HIDDEN_EPOCH_S = 30.0


@dataclass(frozen=True, slots=True)
class Contents:
    """Digests of who may see what, and of the jobs that have written."""

    visibility: str
    writes: str

    def name_state(self, collection: str, hidden: HiddenPoints) -> str:
        """The collection, what is hidden and what was written, in this order.

        An answer that was made without `hidden` shows nothing that was hidden when `visibility` was read, however far
        behind the collection is; and as soon as anything else is hidden, the name is one that never was before.
        """
        return f"{collection}:{digest(f'{self.visibility}|{hidden.describe()}')}:{self.writes}"


class ContentReader:
    """Reads the present contents. `lease_s`: how long a worker may go on writing after its job has ended."""

    def __init__(self, jobs: JobRepository, visibility: VisibilityRepository, *, lease_s: float) -> None:
        self._jobs = jobs
        self._visibility = visibility
        self._lease_s = lease_s

    def read(self) -> Contents:
        """Before the hidden points are read, never after: a change between both reads then hides more, not less.

        Raises DependencyUnavailableError.
        """
        writes, is_writing = self._jobs.describe_writes(settle_s=self._lease_s)
        return Contents(
            digest(self._visibility.describe()), digest(writes, every_s=_WRITING_EPOCH_S if is_writing else None)
        )


class HiddenReader:
    """Reads hidden points when they may be others, for that is dear where much has changed over the years.

    Who may see what is the same as long as `Contents.visibility` is, so hidden points become fewer only: each as soon
    as its own point says what it is. Until that is looked for again they are left out by their ids a little longer.
    For one thread at a time.
    """

    def __init__(self, load: Callable[[str], HiddenPoints]) -> None:
        self._load = load
        self._hidden = HiddenPoints()
        self._of: tuple[str, str] | None = None
        self._read_at = 0.0

    def read(self, collection: str, contents: Contents) -> HiddenPoints:
        """Of this collection. Raises DependencyUnavailableError."""
        wanted = (collection, contents.visibility)
        is_old = self._hidden != HiddenPoints() and time.monotonic() - self._read_at > _HIDDEN_EPOCH_S
        if self._of != wanted or is_old:
            self._hidden, self._of, self._read_at = self._load(collection), wanted, time.monotonic()
        return self._hidden


def digest(text: str, *, every_s: float | None = None) -> str:
    """Equal for equal texts; `every_s`: but only for so many seconds."""
    epoch = int(time.time() / every_s) if every_s else None
    return hashlib.blake2b(f"{text}|{epoch}".encode(), digest_size=6).hexdigest()


def get_scope(state: str) -> str:
    """What states have in common between which an old answer does no harm: collection and what is hidden."""
    return state.rpartition(":")[0]
