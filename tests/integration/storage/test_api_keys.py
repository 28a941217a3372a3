"""Keys and their use on a real Postgres."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest

from core.errors import NotFoundError
from core.keys import Role, build_token
from core.rates import Rate
from storage.database.keys import KeyRepository, get_month
from storage.database.session import Database

NOW = datetime.now(UTC)
MONTH = get_month(NOW)
EARLIER = (MONTH - timedelta(days=1)).replace(day=1)


@pytest.fixture
def keys(new_database: Callable[[], str]) -> Iterator[KeyRepository]:
    """The repository over a database of the test's own."""
    database = Database(new_database())
    yield KeyRepository(database)
    database.close()


def _add(keys: KeyRepository, **values: object) -> str:
    key_id, _, secret_hash = build_token()
    keys.add(key_id, **{"name": "a", "role": Role.READER, "secret_hash": secret_hash, **values})  # type: ignore[arg-type]
    return key_id


def test_a_key_is_read_as_it_was_written(keys: KeyRepository) -> None:
    """All columns come back; what was left out is none, and the hash shows in no repr."""
    full = _add(
        keys, name="shop", role=Role.EDITOR, monthly_quota=10, rate_limit="5/second", expires_at=NOW, secret_hash="abc"
    )
    bare = _add(keys)
    found = keys.load([full, bare, "nobody"], month=MONTH)
    assert set(found) == {full, bare}
    key = found[full]
    assert (key.name, key.role, key.monthly_quota, key.expires_at) == ("shop", Role.EDITOR, 10, NOW)
    assert key.get_rate(Rate(1, 1)) == Rate(5, 1)
    assert found[bare].get_rate(Rate(1, 1)) == Rate(1, 1)
    assert found[bare].monthly_quota is found[bare].revoked_at is found[bare].last_used_at is None
    assert "abc" not in repr(key)


def test_revoking_is_for_good_and_can_be_repeated(keys: KeyRepository) -> None:
    """The first time stands, also when it is done again; an unknown id is an error."""
    key_id = _add(keys)
    first = keys.revoke(key_id)
    assert keys.revoke(key_id) == first
    assert not keys.load([key_id], month=MONTH)[key_id].is_usable(NOW)
    with pytest.raises(NotFoundError):
        keys.revoke("nobody")


def test_use_is_added_up_by_month(keys: KeyRepository) -> None:
    """Each month has a count of its own; totals are answered; a key that is not there is passed over."""
    key_id, other = _add(keys), _add(keys)
    assert keys.add_usage({(key_id, MONTH): 3, (key_id, EARLIER): 5, ("nobody", MONTH): 1}) == {
        (key_id, MONTH): 3,
        (key_id, EARLIER): 5,
    }
    assert keys.add_usage({(key_id, MONTH): 4}) == {(key_id, MONTH): 7}
    assert {month: keys.load([key_id], month=month)[key_id].used for month in (EARLIER, MONTH)} == {
        EARLIER: 5,
        MONTH: 7,
    }
    assert {key.id: key.used for key in keys.list_all(month=MONTH)} == {key_id: 7, other: 0}


def test_processes_that_count_at_once_lose_nothing(keys: KeyRepository) -> None:
    """Many that add to the same keys at the same time, in any order, neither wait for ever nor miss a request."""
    ids = [_add(keys) for _ in range(5)]

    def add(number: int) -> None:
        order = ids if number % 2 else ids[::-1]
        keys.add_usage(dict.fromkeys([(key_id, MONTH) for key_id in order], 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(40)))
    assert {key.used for key in keys.list_all(month=MONTH)} == {40}


def test_last_use_is_recorded(keys: KeyRepository) -> None:
    """Of the keys that are named, and of no other."""
    used, idle = _add(keys), _add(keys)
    keys.touch([used])
    found = keys.load([used, idle], month=MONTH)
    assert found[used].last_used_at is not None and found[idle].last_used_at is None


@pytest.mark.parametrize(
    ("moment", "month"),
    [
        (datetime(2026, 11, 30, 23, 59, tzinfo=UTC), date(2026, 11, 1)),
        (datetime.fromisoformat("2026-12-01T00:30:00+02:00"), date(2026, 11, 1)),
    ],
)
def test_months_are_those_of_utc(moment: datetime, month: date) -> None:
    """Whatever the clock of the machine shows."""
    assert get_month(moment) == month
