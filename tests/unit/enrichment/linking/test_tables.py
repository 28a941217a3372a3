"""The published tables of ids, each in its own form."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pytest
import zstandard

from enrichment.linking.tables import UnknownTableError, read_table
from enrichment.linking.votes import count_votes
from storage.database.id_mappings import MappingVote

TABLES = {
    "fribb": [{"mal_id": 1, "anidb_id": 23, "anime-planet_id": "cowboy-bebop", "imdb_id": "tt1"}, {"mal_id": 9}],
    "fribb-reduced": [{"anidb_id": 1, "tvdb_id": 72025}],
    "arm": [{"mal_id": 1, "anilist_id": 2, "annict_id": 3}],
    "kometa": {"23": {"mal_id": "1,5", "anilist_id": 1, "tvdb_id": 9}},
    "animestream": {"tt1": {"name": "x", "mal": 1, "al": 2, "adb": 3, "kitsu": 4}},
    "bangumi-data": {"items": [{"title": "x", "sites": [{"site": "mal", "id": "1"}, {"site": "aniList", "id": "2"}]}]},
}  # fmt: skip
ENTRIES = {
    "fribb": ((("mal", "1"), ("anidb", "23"), ("anime-planet", "cowboy-bebop")),),
    "fribb-reduced": (),
    "arm": ((("mal", "1"), ("anilist", "2")),),
    "kometa": ((("anidb", "23"), ("mal", "1"), ("mal", "5"), ("anilist", "1")),),
    "animestream": ((("mal", "1"), ("anilist", "2"), ("anidb", "3"), ("kitsu", "4")),),
    "bangumi-data": ((("mal", "1"), ("anilist", "2")),),
}


def write(path: Path, content: bytes) -> Path:
    """A file of this content."""
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("source", TABLES)
def test_each_form_is_recognised(source: str, tmp_path: Path) -> None:
    """A table is known by its content, and rows with one id only say nothing."""
    table = read_table(write(tmp_path / "table", orjson.dumps(TABLES[source])))
    assert (table.source, table.entries) == (source, ENTRIES[source])
    assert table.rows == len(TABLES[source]) if isinstance(TABLES[source], list) else 1


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_packed_tables_are_read(pack: object, tmp_path: Path) -> None:
    """Gzip and Zstandard are unpacked, whatever the file is called."""
    assert callable(pack)
    assert read_table(write(tmp_path / "x", pack(orjson.dumps(TABLES["arm"])))).source == "arm"


def test_lines_of_bangumi_data(tmp_path: Path) -> None:
    """bangumi-data is read line by line, too."""
    lines = b"\n".join(orjson.dumps(item) for item in TABLES["bangumi-data"]["items"])  # type: ignore[call-overload]
    assert read_table(write(tmp_path / "x", lines)).entries == ENTRIES["bangumi-data"]


def test_animeapi_is_tab_separated(tmp_path: Path) -> None:
    """animeapi's columns are read by their names; what is no id is counted and left out."""
    names = ("title", "anidb", "anilist", "animeplanet", "kitsu", "myanimelist", "livechart", "anisearch")
    text = "\t".join(names) + "\nx\t23\t\tcowboy-bebop\tunknown\t1\t\t\n"
    table = read_table(write(tmp_path / "x.tsv", text.encode()))
    assert (table.source, table.left_out) == ("animeapi", 1)
    assert table.entries == ((("mal", "1"), ("anidb", "23"), ("anime-planet", "cowboy-bebop")),)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"null", b"[1, 2]", b'[{"a": 1}]', b'{"a": {"b": 1}}', b"<xml/>", b"title\tx\n",
     b"\x1f\x8bbroken",
     b"\x28\xb5\x2f\xfdbroken", b'[{"mal_id": 1, "anilist_id": 2', b'[{"sites": 1}]', b'{"1": {"mal_id": 2}, "3": 4}',
     b'[{"mal_id": 1, "anilist_id": 2, "annict_id": 1}, 5]', b"\xff\xfe\x00"],
)  # fmt: skip
def test_a_malformed_table_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    """Whatever is no table that we know is refused, and the file is named."""
    with pytest.raises(UnknownTableError, match=r"^ids\.json: "):
        read_table(write(tmp_path / "ids.json", content))


def test_copies_count_once() -> None:
    """Tables that copy each other are one voice; two of their own work are surer."""
    copied = count_votes([MappingVote("fribb", "mal", "1"), MappingVote("animeapi", "mal", "1")])
    agreed = count_votes([MappingVote("fribb", "mal", "1"), MappingVote("bangumi-data", "mal", "1")])
    assert copied.external_id == agreed.external_id == "1"
    assert copied.probability < agreed.probability


def test_contradiction_is_no_answer() -> None:
    """Tables that name different ids give none, however many say the one; all are shown with their sources."""
    verdict = count_votes(
        [MappingVote("fribb", "mal", "1"), MappingVote("arm", "mal", "1"), MappingVote("kometa", "mal", "2")]
    )
    assert (verdict.external_id, verdict.is_contradicted) == (None, True)
    assert verdict.voices == {"1": ("arm", "fribb"), "2": ("kometa",)}


def test_silence_is_no_contradiction() -> None:
    """Tables that do not know the title say nothing."""
    verdict = count_votes([])
    assert (verdict.external_id, verdict.is_contradicted) == (None, False)
