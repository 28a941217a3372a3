"""The delays between the starts of a process that keeps dying."""

from __future__ import annotations

from embedded.backoff import FIRST_DELAY_S, HEALTHY_AFTER_S, LONGEST_DELAY_S, Backoff


def test_delays_double_up_to_the_longest() -> None:
    """Each early death doubles the delay, up to a bound."""
    backoff = Backoff()
    delays = [backoff.next_delay_s(uptime_s=0.0) for _ in range(100)]
    assert delays[:3] == [FIRST_DELAY_S, FIRST_DELAY_S * 2, FIRST_DELAY_S * 4]
    assert delays == sorted(delays)
    assert delays[-1] == LONGEST_DELAY_S


def test_a_healthy_time_resets_the_delay() -> None:
    """A process that ran long enough is started again as if it had never failed."""
    backoff = Backoff()
    for _ in range(5):
        backoff.next_delay_s(uptime_s=0.0)
    assert backoff.next_delay_s(uptime_s=HEALTHY_AFTER_S) == FIRST_DELAY_S
    assert backoff.next_delay_s(uptime_s=0.0) == FIRST_DELAY_S * 2
