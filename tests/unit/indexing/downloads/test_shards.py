"""Parts of a list by hash."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInputError
from storage.database.downloads import Shard, get_host, hash_url


@given(st.text(max_size=60), st.integers(1, 65_536))
def test_every_url_is_in_one_part(url: str, of: int) -> None:
    """Whatever the number of parts, exactly one of them holds a URL, and the SQL's way to find it agrees."""
    url_hash = hash_url(url.encode("utf-8", "replace").decode())
    number = ((int(url_hash[:4], 16) + 1) * of + 65_535) // 65_536
    held = [one for one in {max(1, number - 1), number, min(of, number + 1)} if Shard(one, of).holds(url_hash)]
    assert held == [number]


def test_parts_touch_and_do_not_overlap() -> None:
    """Each part begins where the one before ends; the first and the last leave nothing out."""
    for of in (1, 2, 3, 7, 100, 65_536):
        parts = [Shard(number, of) for number in range(1, of + 1)]
        assert parts[0].first == "0000" and parts[-1].end > "f" * 32
        assert all(one.end == other.first for one, other in pairwise(parts))


@pytest.mark.parametrize("given_text", ["", "1", "1/", "/2", "0/2", "3/2", "-1/2", "a/b", "1/2/3", "1/100000", "１/２"])
def test_what_is_no_part_is_refused(given_text: str) -> None:
    """Parts are named K/N with K from 1 to N."""
    with pytest.raises(InvalidInputError, match="shard"):
        Shard.parse(given_text)


def test_a_part_is_written_as_it_is_read() -> None:
    """Its text names the same part."""
    assert Shard.parse(str(Shard(2, 5))) == Shard(2, 5)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Example.ORG/a", "example.org"),
        ("http://user:secret@example.org:8080/a", "example.org:8080"),
        ("http://[::1]:9/a", "[::1]:9"),
        ("http://[::1/a", ""),
        ("nonsense", ""),
    ],
)
def test_hosts(url: str, host: str) -> None:
    """The host with its port, without who logs in; blank where there is none."""
    assert get_host(url) == host
