"""The room for decoding: by memory, by places, in turn, and given back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from core.errors import OverloadedError
from core.pictures import DecodeBudget

WAIT_S = 10.0


class Holder:
    """A thread that asks for room and keeps it until it is told to leave."""

    def __init__(self, budget: DecodeBudget, size: int) -> None:
        self.inside, self._leave = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold, args=(budget, size))
        self._thread.start()

    def leave(self) -> None:
        """Give the room back and end."""
        self._leave.set()
        self._thread.join()

    def _hold(self, budget: DecodeBudget, size: int) -> None:
        with budget.hold(size):
            self.inside.set()
            self._leave.wait(WAIT_S)


def wait_until(is_so: Callable[[], bool]) -> None:
    """Fails if it does not come to be so."""
    end = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.001)


def queue_up(budget: DecodeBudget, size: int) -> Holder:
    """A holder that waits in the queue."""
    before = len(budget._waiting)
    holder = Holder(budget, size)
    wait_until(lambda: len(budget._waiting) == before + 1)
    return holder


@pytest.mark.parametrize(
    ("held", "wanted"), [([60], 50), ([60, 40], 1), ([100], 1), ([1_000], 1), ([1, 1, 1], 1), ([60], 1_000)]
)
def test_what_does_not_fit_is_sent_away(held: list[int], wanted: int) -> None:
    """No room: bytes are short, or places are; what is larger than all of it wants all of it."""
    budget = DecodeBudget(most_bytes=100, places=3, wait_s=0.01)
    holders = [Holder(budget, size) for size in held]
    assert all(holder.inside.wait(WAIT_S) for holder in holders)
    with pytest.raises(OverloadedError) as caught, budget.hold(wanted):
        pytest.fail("there was no room")
    assert caught.value.retry_after_s >= 1
    for holder in holders:
        holder.leave()
    with budget.hold(wanted):
        pass


def test_what_fits_goes_in_together() -> None:
    """Three pictures that fill the room to its last byte are decoded at the same time."""
    budget = DecodeBudget(most_bytes=100, places=3, wait_s=WAIT_S)
    with budget.hold(50), budget.hold(30), budget.hold(20):
        pass


def test_a_failure_gives_the_room_back() -> None:
    """An error inside is passed on, and the room is free again."""
    budget = DecodeBudget(most_bytes=100, places=1, wait_s=0.01)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), budget.hold(100):
            raise ZeroDivisionError


def test_small_ones_do_not_pass_a_large_one_for_ever() -> None:
    """Who asks after a large picture that waits goes in after it, though there would be room for him."""
    budget = DecodeBudget(most_bytes=100, places=4)
    first = Holder(budget, 40)
    assert first.inside.wait(WAIT_S)
    large, small = queue_up(budget, 80), queue_up(budget, 30)
    assert not small.inside.wait(0.05)
    first.leave()
    assert large.inside.wait(WAIT_S)
    assert not small.inside.is_set()
    large.leave()
    assert small.inside.wait(WAIT_S)
    small.leave()


def test_who_is_sent_away_makes_way() -> None:
    """The next one in the queue goes in as soon as the one before him has given up."""
    budget = DecodeBudget(most_bytes=100, places=4, wait_s=0.2)
    first = Holder(budget, 40)
    assert first.inside.wait(WAIT_S)
    gone: list[OverloadedError] = []

    def ask() -> None:
        try:
            with budget.hold(80):
                pass
        except OverloadedError as error:
            gone.append(error)

    large = threading.Thread(target=ask)
    large.start()
    wait_until(lambda: len(budget._waiting) == 1)
    # Without end, so that only the other one's leaving lets him in.
    budget._wait_s = None
    small = Holder(budget, 30)
    assert small.inside.wait(WAIT_S)
    large.join()
    assert len(gone) == 1
    small.leave()
    first.leave()


def test_never_more_than_the_room() -> None:
    """Of many threads with sizes of all kinds those inside never hold more than there is, and all get in."""
    budget = DecodeBudget(most_bytes=100, places=5)
    lock, inside, most, done = threading.Lock(), [0, 0], [0, 0], []

    def work(size: int) -> None:
        with budget.hold(size):
            with lock:
                inside[0], inside[1] = inside[0] + min(size, 100), inside[1] + 1
                most[0], most[1] = max(most[0], inside[0]), max(most[1], inside[1])
            time.sleep(0.001)
            with lock:
                inside[0], inside[1] = inside[0] - min(size, 100), inside[1] - 1
                done.append(size)

    threads = [threading.Thread(target=work, args=(size * 7 % 120,)) for size in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 100
    assert most[0] <= 100
    assert most[1] <= 5


def test_a_budget_without_room_is_a_mistake() -> None:
    """No bytes or no places would let nobody in, ever."""
    for most_bytes, places in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="no room"):
            DecodeBudget(most_bytes=most_bytes, places=places)
