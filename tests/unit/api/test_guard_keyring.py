"""The keys in memory and the counts of their use, over a repository that answers, forgets or is away."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import pytest

from api.guard.guard import Guard
from api.guard.keyring import GRACE_S, KeyRing
from api.guard.usage import UsageTally, get_seconds_left
from core.errors import DependencyUnavailableError, ForbiddenError, UnauthorizedError
from core.keys import Role, build_token
from core.settings import Settings
from storage.database.keys import ApiKey, get_month


@dataclass
class FakeKeys:
    """A repository in memory that can be away."""

    keys: dict[str, ApiKey] = field(default_factory=dict)
    usage: dict[tuple[str, date], int] = field(default_factory=dict)
    touched: list[str] = field(default_factory=list)
    is_away: bool = False
    loads: int = 0

    def load(self, key_ids: Collection[str], *, month: date) -> dict[str, ApiKey]:
        self.loads += 1
        self._answer()
        found = {key_id: self.keys[key_id] for key_id in key_ids if key_id in self.keys}
        return {one: replace(key, month=month, used=self.usage.get((one, month), 0)) for one, key in found.items()}

    def add_usage(self, counts: Mapping[tuple[str, date], int]) -> dict[tuple[str, date], int]:
        self._answer()
        for entry, requests in counts.items():
            self.usage[entry] = self.usage.get(entry, 0) + requests
        return {entry: self.usage[entry] for entry in counts}

    def touch(self, key_ids: Collection[str]) -> None:
        self._answer()
        self.touched += sorted(key_ids)

    def _answer(self) -> None:
        if self.is_away:
            raise DependencyUnavailableError("postgres", "refused")

    def add(self, **changes: object) -> tuple[ApiKey, str]:
        """A new key and its text."""
        key_id, token, secret_hash = build_token()
        now = datetime.now(UTC)
        key = ApiKey(key_id, "test", Role.READER, secret_hash, None, None, now, None, None, None, get_month(now), 0)
        self.keys[key_id] = replace(key, **changes)  # type: ignore[arg-type]
        return self.keys[key_id], token


@dataclass
class Clock:
    """Seconds that pass when told to."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def keys() -> FakeKeys:
    """An empty repository."""
    return FakeKeys()


def _open(keys: FakeKeys) -> tuple[KeyRing, Clock]:
    clock = Clock()
    return KeyRing(keys, clock=clock), clock  # type: ignore[arg-type]


def test_a_known_key_is_asked_for_once(keys: FakeKeys) -> None:
    """The first request loads it, the others find it in memory."""
    ring, _ = _open(keys)
    key, token = keys.add()
    assert [ring.find(token)[0] for _ in range(3)] == [key] * 3
    assert keys.loads == 1


def test_all_that_is_wrong_gives_no_key_and_a_reason_for_the_log(keys: FakeKeys) -> None:
    """Malformed, unknown, wrong secret, expired, revoked: no key, and the reason never holds the secret."""
    ring, _ = _open(keys)
    now = datetime.now(UTC)
    good, token = keys.add()
    _, expired = keys.add(expires_at=now - timedelta(seconds=1))
    _, revoked = keys.add(revoked_at=now)
    unknown = build_token()[1]
    wrong = f"avs_{good.id}_{unknown[-64:]}"
    for text, reason in {
        "": "malformed",
        "Bearer": "malformed",
        token.upper(): "malformed",
        unknown: "unknown",
        wrong: "wrong secret",
        expired: "expired",
        revoked: "revoked",
    }.items():
        key, fault = ring.find(text)
        assert key is None and reason in fault
        assert len(text) < 64 or text[-64:] not in fault
    assert ring.find(token)[0] == good


def test_an_unknown_id_is_not_asked_for_again_and_again(keys: FakeKeys) -> None:
    """It is remembered as unknown for seconds, and no longer: a key made meanwhile becomes good."""
    ring, clock = _open(keys)
    key, token = keys.add()
    del keys.keys[key.id]
    for _ in range(5):
        assert ring.find(token)[0] is None
    assert keys.loads == 1
    keys.keys[key.id] = key
    clock.now += 6
    assert ring.find(token)[0] == key


def test_a_revoked_key_ends_with_the_next_refresh(keys: FakeKeys) -> None:
    """Until then it goes on; a row that is gone ends too."""
    ring, _ = _open(keys)
    (first, one), (second, two) = keys.add(), keys.add()
    assert ring.find(one)[0] and ring.find(two)[0]
    keys.keys[first.id] = replace(first, revoked_at=datetime.now(UTC))
    del keys.keys[second.id]
    assert ring.find(one)[0] and ring.find(two)[0]
    ring.refresh()
    assert ring.find(one)[0] is None and ring.find(two)[0] is None


def test_with_postgres_away_known_keys_go_on_for_a_bounded_time(keys: FakeKeys) -> None:
    """A known key is good for GRACE_S, an unknown one is told to come back, and nothing is ever let in unseen."""
    ring, clock = _open(keys)
    key, known = keys.add()
    _, unseen = keys.add()
    assert ring.find(known)[0] == key
    keys.is_away = True
    with pytest.raises(DependencyUnavailableError):
        ring.find(unseen)
    loads = keys.loads
    with pytest.raises(DependencyUnavailableError):
        ring.find(unseen)
    assert keys.loads == loads  # answered at once, without asking again
    clock.now += GRACE_S - 1
    assert ring.find(known)[0] == key
    clock.now += 2
    with pytest.raises(DependencyUnavailableError):
        ring.find(known)


def test_an_expiry_counts_without_any_refresh(keys: FakeKeys) -> None:
    """A key that expires while Postgres is away has expired."""
    ring, _ = _open(keys)
    key, token = keys.add(expires_at=datetime.now(UTC) + timedelta(hours=1))
    found = ring.find(token)[0]
    assert found == key and not found.is_usable(datetime.now(UTC) + timedelta(hours=2))


def test_keys_that_nobody_sends_are_let_go_of(keys: FakeKeys) -> None:
    """A refresh asks for the keys in use and for no others."""
    ring, clock = _open(keys)
    _, token = keys.add()
    ring.find(token)
    clock.now += 1_000
    assert ring.refresh() == []
    assert keys.loads == 1


def test_a_quota_ends_exactly_and_counts_what_was_allowed(keys: FakeKeys) -> None:
    """The request that would pass it is refused and not counted, also one that costs more than what is left."""
    tally = UsageTally(keys)  # type: ignore[arg-type]
    key, _ = keys.add(monthly_quota=5)
    assert tally.add(key, cost=3)
    assert not tally.add(key, cost=3)
    assert tally.add(key) and tally.add(key)
    assert not tally.add(key)
    tally.flush()
    assert keys.usage == {(key.id, key.month): 5}
    assert not tally.add(key)


def test_what_others_counted_counts_here(keys: FakeKeys) -> None:
    """What another process added is known after the next round, and never forgotten for an older reading."""
    tally = UsageTally(keys)  # type: ignore[arg-type]
    key, _ = keys.add(monthly_quota=10, used=4)
    assert tally.add(key)
    tally.note([replace(key, used=9)])
    assert not tally.add(key)
    tally.note([replace(key, used=2)])
    assert not tally.add(key)


def test_a_new_month_begins_at_nothing(keys: FakeKeys) -> None:
    """Counts that were read for another month do not count in this one."""
    tally = UsageTally(keys)  # type: ignore[arg-type]
    key, _ = keys.add(monthly_quota=5)
    past = replace(key, month=(key.month - timedelta(days=1)).replace(day=1), used=5)
    assert tally.add(past, cost=5)


def test_with_postgres_away_nothing_counted_is_lost(keys: FakeKeys) -> None:
    """The counts wait in memory and the quota still holds; they are added once it answers."""
    tally = UsageTally(keys)  # type: ignore[arg-type]
    key, _ = keys.add(monthly_quota=5)
    assert tally.add(key, cost=4)
    keys.is_away = True
    for _ in range(3):
        with pytest.raises(DependencyUnavailableError):
            tally.flush()
    assert not tally.add(key, cost=2)
    keys.is_away = False
    tally.flush()
    tally.flush()
    assert keys.usage == {(key.id, key.month): 4}


def test_last_use_is_written_once_a_minute(keys: FakeKeys) -> None:
    """Many rounds within a minute write it once."""
    tally = UsageTally(keys)  # type: ignore[arg-type]
    key, _ = keys.add()
    for _ in range(5):
        tally.add(key)
        tally.flush()
    assert keys.touched == [key.id]


@pytest.mark.parametrize(
    ("now", "seconds"),
    [
        (datetime(2026, 12, 31, 23, 59, 0, tzinfo=UTC), 60),
        (datetime(2026, 2, 27, tzinfo=UTC), 2 * 86_400),
        (datetime(2028, 2, 29, tzinfo=UTC), 86_400),
    ],
)
def test_when_the_next_month_begins(now: datetime, seconds: int) -> None:
    """At midnight UTC of its first day."""
    assert get_seconds_left(now) == seconds


class NoLimiter:
    """A rate limiter without a Redis."""

    def hit(self, *_: object, **__: object) -> None:
        return None

    def close(self) -> None:
        return None


def _open_guard(keys: FakeKeys) -> Guard:
    settings = Settings(_env_file=None, api_auth="required")
    return Guard(settings, keys=keys, limiter=NoLimiter())  # type: ignore[arg-type]


def test_closing_adds_up_what_is_left(keys: FakeKeys) -> None:
    """What no round had added yet is added when the process ends, and only what was allowed."""
    guard = _open_guard(keys)
    key, token = keys.add()
    for _ in range(7):
        assert guard.check({"HTTP_X_API_KEY": token}, Role.READER).error is None
    assert isinstance(guard.check({"HTTP_X_API_KEY": token}, Role.ADMIN).error, ForbiddenError)
    guard.close()
    assert keys.usage == {(key.id, key.month): 7}


def test_a_process_that_sees_no_key_has_no_thread_for_them(keys: FakeKeys) -> None:
    """The thread begins with the first key, whatever comes of it."""
    before = threading.active_count()
    guard = _open_guard(keys)
    assert isinstance(guard.check({}, Role.READER).error, UnauthorizedError)
    assert threading.active_count() == before
    guard.check({"HTTP_X_API_KEY": "wrong"}, Role.READER)
    assert threading.active_count() == before + 1
    guard.close()
    assert threading.active_count() == before
