"""The bounded store in the process."""

from __future__ import annotations

import time

from search.memory import ENTRY_BYTES, Memory


def make(max_bytes: int = 10, ttl_s: float = 60.0) -> Memory[str, bytes]:
    """A store with room for two entries and `max_bytes` of values."""
    return Memory(max_bytes=2 * ENTRY_BYTES + max_bytes, ttl_s=ttl_s, size_of=lambda _, value: len(value))


def test_the_least_recently_used_goes_first() -> None:
    """What does not fit any more is what nobody asked for lately; the sum of sizes stays under the limit."""
    memory = make()
    memory.put_many({"a": b"1234", "b": b"1234"})
    assert memory.get("a") == b"1234"
    memory.put_many({"c": b"1234"})
    assert memory.get_many(["a", "b", "c"]) == {"a": b"1234", "c": b"1234"}
    assert memory.size_bytes == 2 * ENTRY_BYTES + 8


def test_a_value_that_is_put_again_counts_once() -> None:
    """Replacing a value replaces its size too."""
    memory = make()
    for value in (b"1234", b"12", b"123456"):
        memory.put_many({"a": value})
    assert (memory.get("a"), memory.size_bytes) == (b"123456", ENTRY_BYTES + 6)


def test_a_value_larger_than_everything_is_not_kept() -> None:
    """It pushes out all others and then itself."""
    memory = make()
    memory.put_many({"a": b"12", "b": b"x" * (ENTRY_BYTES + 11)})
    assert memory.get("b") is None
    assert memory.size_bytes == 0


def test_small_values_under_long_keys_are_bounded_too() -> None:
    """A key counts as its value does, and so does what every entry costs beside them."""
    memory: Memory[str, bytes] = Memory(
        max_bytes=10 * ENTRY_BYTES, ttl_s=60, size_of=lambda key, value: len(key) + len(value)
    )
    keys = [f"{number:0{ENTRY_BYTES}}" for number in range(100)]
    memory.put_many(dict.fromkeys(keys, b""))
    assert sorted(memory.get_many(keys)) == keys[-5:]
    assert memory.size_bytes == 10 * ENTRY_BYTES


def test_values_grow_old() -> None:
    """After its life a value is a miss; with no life nothing is kept."""
    memory = make(ttl_s=0.01)
    memory.put_many({"a": b"1"})
    time.sleep(0.02)
    assert memory.get("a") is None
    forgetful = make(ttl_s=0)
    forgetful.put_many({"a": b"1"})
    assert forgetful.get("a") is None
