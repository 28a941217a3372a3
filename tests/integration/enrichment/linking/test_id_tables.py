"""Tables of ids and dumps of titles are replaced as a whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from storage.database.id_mappings import IdMappingRepository, MappingVote
from storage.database.provider_titles import ProviderTitle, ProviderTitleRepository
from storage.database.session import Database

ROW = ProviderTitle("1", "main", "x-jat", "Kumo")


class BrokenError(Exception):
    """A source that ends in the middle."""


def test_a_table_is_replaced_as_a_whole(database: Database) -> None:
    """Rows of the former table are gone, those of other tables stay."""
    mappings = IdMappingRepository(database)
    mappings.replace("arm", [[("mal", "1"), ("anilist", "7")], [("mal", "2"), ("anilist", "8")]])
    mappings.replace("fribb", [[("mal", "1"), ("anilist", "7"), ("anidb", "3")]])
    assert mappings.replace("arm", [[("mal", "1"), ("anilist", "9"), ("anilist", "9")]]) == 1
    assert mappings.find({"mal": "1"}, "anilist") == [MappingVote("arm", "mal", "9"), MappingVote("fribb", "mal", "7")]
    assert mappings.find({"mal": "2"}, "anilist") == []
    assert mappings.find({"anilist": "7"}, "anilist") == mappings.find({}, "anilist") == []
    assert mappings.count_by_source() == {"arm": 1, "fribb": 1}


def test_a_table_that_breaks_off_changes_nothing(database: Database) -> None:
    """An error in the middle of a table leaves the former one."""
    mappings = IdMappingRepository(database)
    mappings.replace("arm", [[("mal", "1"), ("anilist", "7")]])

    def broken() -> Iterator[list[tuple[str, str]]]:
        yield [("mal", "1"), ("anilist", "9")]
        raise BrokenError

    with pytest.raises(BrokenError):
        mappings.replace("arm", broken())
    assert mappings.find({"mal": "1"}, "anilist") == [MappingVote("arm", "mal", "7")]


def test_large_tables_are_written_in_batches(database: Database) -> None:
    """More rows than one statement takes are all there, with entries kept together."""
    mappings = IdMappingRepository(database)
    count = mappings.replace("arm", ([("mal", str(one)), ("anilist", str(one + 1))] for one in range(1, 12_001)))
    assert count == mappings.count_by_source()["arm"] == 12_000
    assert mappings.find({"mal": "10000"}, "anilist") == [MappingVote("arm", "mal", "10001")]


def test_a_dump_is_replaced_as_a_whole(database: Database) -> None:
    """Titles of the former dump are gone, those of other providers stay; the version tells of it."""
    titles = ProviderTitleRepository(database)
    assert titles.get_version("anidb") == 0
    titles.replace("anidb", [ROW, ProviderTitle("2", "main", "x-jat", "Kaze")])
    titles.replace("other", [ROW])
    before = titles.get_version("anidb")
    assert titles.replace("anidb", [ROW, ProviderTitle("1", "official", "ja", "雲")]) == 2
    assert titles.load_all("anidb") == {"1": ("Kumo", "雲")}
    assert titles.get_version("anidb") > before
    assert titles.load_all("other") == {"1": ("Kumo",)}


def test_a_dump_that_is_empty_or_broken_changes_nothing(database: Database) -> None:
    """The titles of the day before stay."""
    titles = ProviderTitleRepository(database)
    titles.replace("anidb", [ROW])

    def broken() -> Iterator[ProviderTitle]:
        yield ProviderTitle("5", "main", "ja", "x")
        raise BrokenError

    assert titles.replace("anidb", []) == 0
    with pytest.raises(BrokenError):
        titles.replace("anidb", broken())
    assert titles.load_all("anidb") == {"1": ("Kumo",)}
