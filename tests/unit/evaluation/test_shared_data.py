"""Reading the data beside the index."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pytest

from core.errors import InvalidInputError
from evaluation.shared_data import Recommendation, find_data, load_other_synopses, load_recommendations

EDGES = "gold/mal-recommendations/edges_2024-01-08.csv"
TABLES = {
    "snapshots/anilist-2026-leorigasaki/anilist_seasonal_20260822.sfw.csv.gz": "mal_id,synopsis\n1.0,First\n,Lost\n",
    "snapshots/mal-2021-synopsis-turing/anime_data.csv.gz": "code,synopsis\n1,Third\nnot an id,Lost\n2,\n",
}
DOCUMENTS = {
    "snapshots/kitsu-2026-animestream/catalog.json.gz": {"catalog": [{"mal_id": 1, "description": "Second"}, {}]},
    "snapshots/mal-2025-synopsis-gphat/output.json.gz": [{"ID": 5, "Sypnosis": "Other"}],
}


def write(data: Path, name: str, content: bytes) -> None:
    """A file with its folders; compressed where its name says so."""
    path = data / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message says which option to give."""
    with pytest.raises(InvalidInputError, match=r"--data: .*nowhere is not a folder"):
        find_data(tmp_path / "nowhere")


def test_the_environment_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AVS_SHARED_DATA counts where no folder is given."""
    monkeypatch.setenv("AVS_SHARED_DATA", str(tmp_path))
    assert find_data(None) == tmp_path


def test_pairs_are_read(tmp_path: Path) -> None:
    """Ids and votes as numbers."""
    write(tmp_path, EDGES, b"mal_id_a,mal_id_b,votes\n205,1292,34\n")
    assert load_recommendations(tmp_path) == [Recommendation(205, 1292, 34)]


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"mal_id_a,mal_id_b,votes\n1,2,many\n"])
def test_a_file_of_another_form_is_refused(tmp_path: Path, content: bytes) -> None:
    """With its path, and what was expected of it."""
    write(tmp_path, EDGES, content)
    with pytest.raises(InvalidInputError, match="edges_2024"):
        load_recommendations(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A folder of other data is told from the right one."""
    with pytest.raises(InvalidInputError, match=r"edges_2024-01-08\.csv is not there"):
        load_recommendations(tmp_path)


def test_synopses_are_joined_by_id(tmp_path: Path) -> None:
    """In the order of the sites; rows without an id or a text are passed over."""
    for name, text in TABLES.items():
        write(tmp_path, name, text.encode())
    for name, document in DOCUMENTS.items():
        write(tmp_path, name, orjson.dumps(document))
    assert load_other_synopses(tmp_path) == {1: ("First", "Second", "Third"), 5: ("Other",)}


def test_a_damaged_snapshot_is_named(tmp_path: Path) -> None:
    """Not a traceback of gzip."""
    for name, text in TABLES.items():
        write(tmp_path, name, text.encode())
    for name in DOCUMENTS:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"no gzip")
    with pytest.raises(InvalidInputError, match=r"catalog.json.gz cannot be read"):
        load_other_synopses(tmp_path)
