"""The time over which a job's rate is taken: its last half minute, or all of it if it is younger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

_MOST_S: Final = 30.0
# Of less than a second no rate is told.
_LEAST_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class RateWindow:
    """What was done after `since` was done within `seconds`."""

    since: datetime
    seconds: float

    @classmethod
    def of(cls, started_at: datetime, until: datetime) -> RateWindow:
        """The last half minute before `until`, which is now, or when the job ended; times of Postgres's clock."""
        seconds = min(max((until - started_at).total_seconds(), _LEAST_S), _MOST_S)
        return cls(until - timedelta(seconds=seconds), seconds)

    def get_rate(self, count: float, *, digits: int = 2) -> float:
        """How many a second."""
        return round(count / self.seconds, digits)
