"""Rate limits as values, and when a sliding window has room again."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rates import Rate, Window, parse_rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("600/minute", Rate(600, 60)),
        ("10 per 5 seconds", Rate(10, 5)),
        ("1/second", Rate(1, 1)),
        ("1000/day", Rate(1_000, 86_400)),
        ("none", None),
        ("NONE ", None),
    ],
)
def test_limits_are_read(text: str, rate: Rate | None) -> None:
    """A number by a length of time, or no limit."""
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "600", "0/minute", "-1/minute", "many/minute", "600/fortnight", "nothing"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    """A wrong limit is an error, never no limit."""
    with pytest.raises(ValueError, match="must"):
        parse_rate(text)


def _is_allowed(window: Window, cost: int, after_s: float) -> bool:
    """What the library's script would say later, with nobody asking in between."""
    (before, before_left_s), (now, now_left_s) = window.before, window.now
    if after_s < now_left_s:
        faded, count = before * max(0.0, before_left_s - after_s), now
    else:
        faded, count = now * max(0.0, window.rate.window_s - (after_s - now_left_s)), 0
    return math.floor(faded / window.rate.window_s) + count + cost <= window.rate.amount


@given(st.data())
def test_the_wait_is_as_long_as_needed_and_no_longer(data: st.DataObject) -> None:
    """After the wait the request is allowed; a little earlier it was not."""
    rate = Rate(data.draw(st.integers(1, 1_000)), data.draw(st.sampled_from([1, 60, 3_600])))
    left_s = data.draw(st.floats(0.01, rate.window_s))
    counts = st.integers(0, rate.amount)
    window = Window(rate, False, (data.draw(counts), left_s), (data.draw(counts), left_s))
    cost = data.draw(st.integers(1, rate.amount))
    wait_s = window.get_wait_s(cost)
    assert _is_allowed(window, cost, wait_s + 0.001 * rate.window_s)
    if wait_s > 0.01 * rate.window_s:
        assert not _is_allowed(window, cost, wait_s - 0.001 * rate.window_s)


def test_what_remains_is_what_is_allowed_at_once() -> None:
    """The window before counts by the part of it that still lasts."""
    window = Window(Rate(100, 60), True, (50, 30.0), (10, 30.0))
    assert window.remaining == 100 - 25 - 10
    assert window.get_wait_s(65) == 0.0 < window.get_wait_s(67)
    assert window.reset_s == 30.0
