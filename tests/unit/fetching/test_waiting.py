"""Retry-After and backoff."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetching.waiting import MOST_RETRY_AFTER_S, draw_backoff, parse_retry_after

NOW = datetime(2026, 11, 21, 16, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("99999999999999999999999999", MOST_RETRY_AFTER_S),
        ("Sat, 21 Nov 2026 16:01:30 GMT", 90.0),
        ("Sat, 21 Nov 2026 15:00:00 GMT", 0.0),
        ("Sat, 21 Nov 2099 15:00:00 GMT", MOST_RETRY_AFTER_S),
        ("Sat, 99 Nov 2026 15:00:00 GMT", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    """Seconds and dates are understood, bounded by a day, and nonsense counts as nothing said."""
    assert parse_retry_after(value, now=NOW.timestamp()) == seconds


@given(st.integers(min_value=0, max_value=80_000))
def test_dates_and_seconds_agree(seconds: int) -> None:
    """A date so many seconds ahead means those seconds."""
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert parse_retry_after(date, now=NOW.timestamp()) == parse_retry_after(str(seconds)) == seconds


@given(st.text())
def test_any_value(value: str) -> None:
    """Whatever a host sends is a number of seconds within a day, or nothing."""
    seconds = parse_retry_after(value)
    assert seconds is None or 0 <= seconds <= MOST_RETRY_AFTER_S


@given(st.integers(min_value=1, max_value=10_000))
def test_backoff(attempt: int) -> None:
    """A wait is drawn between 0 and a bound that doubles with each attempt up to the largest."""
    bound = min(0.5 * 2 ** min(attempt - 1, 50), 30.0)
    assert 0 <= draw_backoff(attempt, base_s=0.5, most_s=30.0) <= bound


def test_backoff_is_spread() -> None:
    """Many who failed together return spread over the whole time (full jitter)."""
    drawn = sorted(draw_backoff(5, base_s=1.0, most_s=100.0) for _ in range(2_000))
    assert drawn[100] < 2.0 and drawn[-100] > 14.0
