"""What collections hold, as far as Postgres knows: a name for each state, so that no answer outlives its own."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from search.live_reader import REFRESH_S
from storage.database.jobs import JobRepository
from storage.database.titles import TitleRepository

# While a job writes, cached results live this long: a changed title is found within a minute.
_WRITING_EPOCH_S = 30
# A title is excluded in Postgres first and leaves the collection a little later. Until that is certain, no answer that
# may still show it is kept for longer than it takes to read Postgres again.
_EXCLUSION_SETTLE_S = 60.0


@dataclass(frozen=True, slots=True)
class Contents:
    """Digests of the titles that are excluded and of the jobs that have written."""

    exclusions: str
    writes: str

    def name_state(self, collection: str, *, more: str = "") -> str:
        """The collection, what is excluded and what was written, in this order. `more` counts as an exclusion does."""
        return f"{collection}:{digest(self.exclusions + more) if more else self.exclusions}:{self.writes}"


class ContentReader:
    """Reads the present contents. `lease_s`: how long a worker may go on writing after its job has ended."""

    def __init__(self, jobs: JobRepository, titles: TitleRepository, *, lease_s: float) -> None:
        self._jobs = jobs
        self._titles = titles
        self._lease_s = lease_s

    def read(self) -> Contents:
        """Raises DependencyUnavailableError."""
        writes, is_writing = self._jobs.describe_writes(settle_s=self._lease_s)
        exclusions, is_settling = self._titles.describe_exclusions(settle_s=_EXCLUSION_SETTLE_S)
        return Contents(
            digest(exclusions, every_s=REFRESH_S if is_settling else None),
            digest(writes, every_s=_WRITING_EPOCH_S if is_writing else None),
        )


def digest(text: str, *, every_s: float | None = None) -> str:
    """Equal for equal texts; `every_s`: but only for so many seconds."""
    epoch = int(time.time() / every_s) if every_s else None
    return hashlib.blake2b(f"{text}|{epoch}".encode(), digest_size=6).hexdigest()


def get_scope(state: str) -> str:
    """What states have in common between which an old answer does no harm: collection and exclusions."""
    return state.rpartition(":")[0]
