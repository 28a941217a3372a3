"""What collections hold, as far as Postgres knows: a name for each state, so that no answer outlives its own."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from storage.database.jobs import JobRepository
from storage.database.visibility import HiddenPoints, VisibilityRepository

# While a job writes, cached results live this long: a changed title is found within a minute.
_WRITING_EPOCH_S = 30


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


def digest(text: str, *, every_s: float | None = None) -> str:
    """Equal for equal texts; `every_s`: but only for so many seconds."""
    epoch = int(time.time() / every_s) if every_s else None
    return hashlib.blake2b(f"{text}|{epoch}".encode(), digest_size=6).hexdigest()


def get_scope(state: str) -> str:
    """What states have in common between which an old answer does no harm: collection and what is hidden."""
    return state.rpartition(":")[0]
