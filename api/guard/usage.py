"""How much each key has asked for this month: counted here, added to Postgres every few seconds.

Postgres alone holds the counts, so no cache that is wiped begins a month anew. What a process that is killed had not
yet added, the requests of `keyring.REFRESH_S` at most, is not counted; several processes together may let a key pass
its quota by what they answer in that time. A connection that breaks while it commits may count one portion twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from threading import Lock

from storage.database.keys import ApiKey, KeyRepository, get_month

# last_used_at is for people: a minute is exact enough.
_TOUCH_EVERY = timedelta(minutes=1)


class UsageTally:
    """Requests by key and month. Safe between threads; `flush` is for one thread."""

    def __init__(self, repository: KeyRepository) -> None:
        self._repository = repository
        self._stored: dict[tuple[str, date], int] = {}
        self._pending: defaultdict[tuple[str, date], int] = defaultdict(int)
        self._touched: dict[str, datetime] = {}
        self._lock = Lock()

    def add(self, key: ApiKey, *, cost: int = 1) -> bool:
        """Count so many requests; False, and nothing counted, if they exceed the key's quota."""
        entry = (key.id, get_month(datetime.now(UTC)))
        with self._lock:
            if key.monthly_quota is not None:
                stored = self._stored.setdefault(entry, key.used if key.month == entry[1] else 0)
                if stored + self._pending[entry] + cost > key.monthly_quota:
                    return False
            self._pending[entry] += cost
            return True

    def note(self, keys: Iterable[ApiKey]) -> None:
        """What Postgres says: other processes count too."""
        with self._lock:
            for key in keys:
                # Never less than was known: a flush may have been quicker than the reading.
                self._stored[key.id, key.month] = max(self._stored.get((key.id, key.month), 0), key.used)

    def flush(self) -> None:
        """Add what is pending to Postgres. Raises DependencyUnavailableError; it is all pending still, then."""
        with self._lock:
            counts = {entry: requests for entry, requests in self._pending.items() if requests}
        if not counts:
            return
        totals = self._repository.add_usage(counts)
        with self._lock:
            for entry, requests in counts.items():
                self._pending[entry] -= requests
                self._stored[entry] = max(self._stored.get(entry, 0), totals.get(entry, 0))
            self._forget_past_months()
        self._touch({key_id for key_id, _ in counts})

    def _touch(self, key_ids: set[str]) -> None:
        now = datetime.now(UTC)
        due = {one for one in key_ids if self._touched.get(one, now) <= now - _TOUCH_EVERY or one not in self._touched}
        if due:
            self._repository.touch(due)
            self._touched.update(dict.fromkeys(due, now))

    def _forget_past_months(self) -> None:
        month = get_month(datetime.now(UTC))
        for counts in (self._stored, self._pending):
            for entry in [entry for entry in counts if entry[1] < month and not self._pending.get(entry)]:
                del counts[entry]


def get_seconds_left(now: datetime) -> float:
    """Until the next month begins, by UTC."""
    month = get_month(now)
    following = (month + timedelta(days=31)).replace(day=1)
    return (datetime(following.year, following.month, 1, tzinfo=UTC) - now).total_seconds()
