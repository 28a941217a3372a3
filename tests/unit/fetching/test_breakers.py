"""Circuits of hosts that fail."""

from __future__ import annotations

import pytest

from fetching.breakers import BreakerState, HostBreakers
from fetching.errors import FetchFailedError, FetchReason

HOST = "example.org:443"


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def build(clock: Clock, *, threshold: int = 3) -> HostBreakers:
    """Opens for 10 seconds, for 60 at most."""
    return HostBreakers(threshold=threshold, open_s=10.0, most_open_s=60.0, clock=clock)


def fail(breakers: HostBreakers, times: int) -> None:
    """So many requests that fail."""
    for _ in range(times):
        breakers.enter(HOST)
        breakers.fail(HOST)


def test_opens_after_failures_in_a_row() -> None:
    """The circuit opens with the last of so many failures in a row, and says how long it will stay so."""
    breakers = build(Clock())
    fail(breakers, 2)
    assert breakers.get_states() == {}
    fail(breakers, 1)
    assert breakers.get_states() == {HOST: BreakerState.OPEN}
    with pytest.raises(FetchFailedError) as caught:
        breakers.enter(HOST)
    assert caught.value.reason is FetchReason.CIRCUIT_OPEN
    assert caught.value.retry_after_s == 10.0


def test_success_between_failures() -> None:
    """Failures that are not in a row open nothing."""
    breakers = build(Clock())
    for _ in range(5):
        fail(breakers, 2)
        breakers.enter(HOST)
        breakers.succeed(HOST)
    breakers.enter(HOST)


def test_other_hosts_pass() -> None:
    """A host is not made to answer for another."""
    breakers = build(Clock())
    fail(breakers, 3)
    breakers.enter("other.example:443")


def test_one_probe_after_the_pause() -> None:
    """When the time is over one request passes, and others are refused until it has ended."""
    clock = Clock()
    breakers = build(clock)
    fail(breakers, 3)
    clock.now += 10.0
    assert breakers.get_states() == {HOST: BreakerState.HALF_OPEN}
    breakers.enter(HOST)
    with pytest.raises(FetchFailedError):
        breakers.enter(HOST)
    breakers.succeed(HOST)
    assert breakers.get_states() == {}
    breakers.enter(HOST)


def test_failed_probe_doubles_the_pause() -> None:
    """Each probe that fails doubles the pause, up to the bound."""
    clock = Clock()
    breakers = build(clock)
    fail(breakers, 3)
    for wait_s in (20.0, 40.0, 60.0, 60.0):
        clock.now += 60.0
        fail(breakers, 1)
        with pytest.raises(FetchFailedError) as caught:
            breakers.enter(HOST)
        assert caught.value.retry_after_s == wait_s


def test_probe_without_an_outcome() -> None:
    """A probe that ends with no word about the host leaves the next one free to try."""
    clock = Clock()
    breakers = build(clock)
    fail(breakers, 3)
    clock.now += 10.0
    breakers.enter(HOST)
    breakers.leave(HOST)
    breakers.enter(HOST)


def test_late_answers_do_not_close_it() -> None:
    """Answers to requests from before it opened neither close the circuit nor lengthen the pause."""
    breakers = build(Clock())
    fail(breakers, 3)
    breakers.succeed(HOST)
    breakers.fail(HOST)
    with pytest.raises(FetchFailedError) as caught:
        breakers.enter(HOST)
    assert caught.value.retry_after_s == 10.0


def test_pause_that_the_host_asks_for() -> None:
    """A pause holds at once, within the bound, and one probe ends it."""
    clock = Clock()
    breakers = build(clock)
    breakers.pause(HOST, 1_000.0)
    with pytest.raises(FetchFailedError) as caught:
        breakers.enter(HOST)
    assert caught.value.retry_after_s == 60.0
    clock.now += 60.0
    breakers.enter(HOST)
    breakers.succeed(HOST)
    assert breakers.get_states() == {}


def test_threshold_of_zero() -> None:
    """With a threshold of 0 failures open nothing; a pause that the host asks for still holds."""
    clock = Clock()
    breakers = build(clock, threshold=0)
    fail(breakers, 100)
    breakers.pause(HOST, 5.0)
    with pytest.raises(FetchFailedError):
        breakers.enter(HOST)
    clock.now += 5.0
    # A probe that fails does not lock the host for good.
    fail(breakers, 3)


def test_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts that fail once and are never seen again are forgotten, the oldest first."""
    monkeypatch.setattr("fetching.breakers._MOST_HOSTS", 3)
    breakers = build(Clock(), threshold=1)
    for number in range(5):
        breakers.fail(f"{number}.example")
    assert list(breakers.get_states()) == ["2.example", "3.example", "4.example"]
