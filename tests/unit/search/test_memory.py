"""The bounded store in the process."""

from __future__ import annotations

import time

from search.memory import Memory


def make(max_bytes: int = 10, ttl_s: float = 60.0) -> Memory[str, bytes]:
    """A store of bytes."""
    return Memory(max_bytes=max_bytes, ttl_s=ttl_s, size_of=len)


def test_the_least_recently_used_goes_first() -> None:
    """What does not fit any more is what nobody asked for lately; the sum of sizes stays under the limit."""
    memory = make()
    memory.put_many({"a": b"1234", "b": b"1234"})
    assert memory.get("a") == b"1234"
    memory.put_many({"c": b"1234"})
    assert memory.get_many(["a", "b", "c"]) == {"a": b"1234", "c": b"1234"}
    assert memory.size_bytes == 8


def test_a_value_that_is_put_again_counts_once() -> None:
    """Replacing a value replaces its size too."""
    memory = make()
    for value in (b"1234", b"12", b"123456"):
        memory.put_many({"a": value})
    assert (memory.get("a"), memory.size_bytes) == (b"123456", 6)


def test_a_value_larger_than_everything_is_not_kept() -> None:
    """It pushes out all others and then itself."""
    memory = make()
    memory.put_many({"a": b"12", "b": b"x" * 11})
    assert memory.get("b") is None
    assert memory.size_bytes == 0


def test_values_grow_old() -> None:
    """After its life a value is a miss; with no life nothing is kept."""
    memory = make(ttl_s=0.01)
    memory.put_many({"a": b"1"})
    time.sleep(0.02)
    assert memory.get("a") is None
    forgetful = make(ttl_s=0)
    forgetful.put_many({"a": b"1"})
    assert forgetful.get("a") is None
