"""How titles are put into chunks: the more often they came back, the fewer share one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from indexing.chunks import split_into_chunks
from storage.database.stages import OpenRow


def test_fresh_titles_fill_whole_chunks() -> None:
    """In their order, none twice, the last chunk with what is left."""
    chunks = split_into_chunks([OpenRow(f"t{number}", 0) for number in range(7)], 3)
    assert chunks == [["t0", "t1", "t2"], ["t3", "t4", "t5"], ["t6"]]
    assert split_into_chunks([], 3) == []


def test_titles_that_came_back_are_kept_in_ever_smaller_company() -> None:
    """A chunk of 256 becomes 16 after the first failure and 1 after the second: the culprit is alone soon."""
    rows = [OpenRow(f"t{attempts}-{number}", attempts) for attempts in (0, 1, 2, 9) for number in range(256)]
    sizes = [len(chunk) for chunk in split_into_chunks(rows, 256)]
    assert sizes == [256, *[16] * 16, *[1] * 512]


@given(st.lists(st.integers(0, 6), max_size=60), st.integers(1, 300))
def test_every_title_is_in_exactly_one_chunk(attempts: list[int], size: int) -> None:
    """Nothing is lost or sent twice, and no chunk is empty or larger than allowed."""
    rows = [OpenRow(f"t{number}", count) for number, count in enumerate(attempts)]
    chunks = split_into_chunks(rows, size)
    assert sorted(slug for chunk in chunks for slug in chunk) == sorted(row.slug for row in rows)
    assert all(0 < len(chunk) <= size for chunk in chunks)
