"""What linking is measured on: read from small files of our own, and from the real ones where they lie."""

from __future__ import annotations

import csv
import gzip
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson
import pytest
import zstandard

from core.errors import InvalidInputError
from enrichment.linking.index import TitleIndex
from enrichment.linking.scoring import load_model
from evaluation.enrichment.linking import Judge
from evaluation.enrichment.linking_data import load_subjects, load_tables, load_targets, load_truth
from evaluation.enrichment.linking_fit import choose_titles

_DEFAULT_DATA = Path(__file__).resolve().parents[5] / "shared" / "data"
_MAL = {"mal_id": "1", "title": "Kumo", "title_english": "Cloud", "title_japanese": "雲", "type": "TV Special",
        "aired": "Apr 3, 1998 to Apr 24, 1999", "episodes": "26.0"}  # fmt: skip
_MAL_NEW = {"anime_id": "2", "title": "Kaze", "english_title": "", "japanese_title": "風", "type": "TV",
            "start_date": "2026-01-16", "episodes": ""}  # fmt: skip
_ANILIST = {
    "anime_id": "21",
    "mal_id": "1.0",
    "title": "Kumo",
    "english_title": "Cloud",
    "japanese_title": "雲",
    "synonyms": "KM;Cloudy",
    "type": "TV_SHORT",
    "season_year": "1998",
    "start_date": "",
    "episodes": "26.0",
}
_PLANET = {"Title": "Cloud", "Poster": "https://cdn.example.org/anime/primary/cloud-1-190x270.jpg?t=1"}
_KITSU = {
    "catalog": [
        {"kitsu_id": 31, "name": "Cloud", "slug": "kumo-2", "subtype": "TV", "year": 1998, "episodeCount": 26},
        {"kitsu_id": None, "name": "x"},
    ]
}
_DUMP = b'<animetitles><anime aid="41"><title type="main" xml:lang="x-jat">Kumo</title></anime></animetitles>'
_BANGUMI = {"title": "雲", "type": "tv", "begin": "1998-04-03T00:00:00Z",
            "sites": [{"site": "anidb", "id": "41"}, {"site": "mal", "id": "1"}]}  # fmt: skip


def _pack_csv(*rows: Mapping[str, str]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """All files in their places, with one title or two each."""
    names: Sequence[str] = (
        "title",
        "anidb",
        "anilist",
        "animeplanet",
        "kitsu",
        "myanimelist",
        "livechart",
        "anisearch",
    )
    animeapi = "\t".join(names) + "\nKumo\t41\t21\tcloud\t31\t1\t\t\n"
    files = {
        "id-mapping/fribb/anime-list-mini.2024-05-07.json.gz": gzip.compress(
            orjson.dumps([{"mal_id": 1, "anidb_id": 41}])
        ),
        "id-mapping/arm/arm.json.gz": gzip.compress(orjson.dumps([{"mal_id": 1, "anilist_id": 21, "annict_id": 1}])),
        "id-mapping/animeapi/animeapi.tsv.gz": gzip.compress(animeapi.encode()),
        "id-mapping/kometa/anime_ids.json.gz": gzip.compress(orjson.dumps({"41": {"mal_id": 1}})),
        "id-mapping/animestream/id-mappings.json.gz": gzip.compress(orjson.dumps({"tt1": {"mal": 1, "kitsu": 31}})),
        "id-mapping/bangumi-data/items.jsonl.zst": zstandard.compress(orjson.dumps(_BANGUMI)),
        "id-mapping/anidb-titles/anime-titles.xml.gz": gzip.compress(_DUMP),
        "catalogue/anime-39k.jsonl.zst": zstandard.compress(
            orjson.dumps({"sources": ["https://myanimelist.net/anime/1", "https://anilist.co/anime/21"]})
        ),
        "snapshots/mal-2025-jikan-pandey/anime_data.csv.gz": gzip.compress(_pack_csv(_MAL, {**_MAL, "mal_id": "x"})),
        "snapshots/anilist-2026-leorigasaki/jikan_seasonal_20260822.csv": _pack_csv(_MAL_NEW),
        "snapshots/anilist-2026-leorigasaki/anilist_seasonal_20260822.sfw.csv.gz": gzip.compress(_pack_csv(_ANILIST)),
        "snapshots/kitsu-2026-animestream/catalog.json.gz": gzip.compress(orjson.dumps(_KITSU)),
        "snapshots/anime-planet-2023-chagouti/anime_planet.csv.gz": gzip.compress(_pack_csv(_PLANET, _PLANET)),
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


def test_titles_of_myanimelist(data: Path) -> None:
    """Names, type, first year and episodes; rows without an id are left out."""
    subjects = load_subjects(data)
    assert set(subjects) == {"1", "2"}
    one, two = subjects["1"], subjects["2"]
    assert (one.titles, one.type, one.year, one.episodes) == (("Kumo", "Cloud", "雲"), "SPECIAL", 1998, 26)
    assert (two.titles, two.type, two.year, two.episodes) == (("Kaze", "風"), "TV", 2026, None)
    assert one.external_ids == {}


def test_titles_of_the_providers(data: Path) -> None:
    """Each as its own search would show them; records of AniDB know type and year, and no ids are anywhere."""
    targets = {target.name: target for target in load_targets(data)}
    (anilist,) = targets["AniList 2026"].candidates
    assert (anilist.titles, anilist.type, anilist.year, anilist.episodes) == (
        ("Kumo", "Cloud", "雲", "KM", "Cloudy"), "TV", 1998, 26,
    )  # fmt: skip
    (kitsu,) = targets["Kitsu 2026"].candidates
    assert (kitsu.external_id, kitsu.titles) == ("31", ("Cloud", "kumo"))
    (planet,) = targets["Anime-Planet 2023"].candidates
    assert (planet.external_id, planet.titles) == ("cloud", ("Cloud",))
    (bare,) = targets["AniDB, titles only"].candidates
    assert (bare.type, bare.year) == (None, None)
    record = targets["AniDB, with records"].records["41"]
    assert (record.titles, record.type, record.year) == (("Kumo",), "TV", 1998)
    assert all(not one.external_ids for target in targets.values() for one in target.candidates)


def test_the_tables_are_the_truth(data: Path) -> None:
    """Copies are one voice; two that do not copy each other make a title sure."""
    truth = load_truth(data, ("anidb", "anilist", "kitsu"))
    assert truth["anidb"].by_mal["1"] == {"41": frozenset({"offline-database", "bangumi-data"})}
    assert truth["anidb"].is_sure("1")
    assert truth["anilist"].by_mal["1"]["21"] == frozenset({"arm", "offline-database", "anilist"})
    assert not truth["kitsu"].is_sure("1")
    assert truth["kitsu"].by_id["31"] == frozenset({"1"})
    assert truth["anidb"].get_id("7") is None


def test_a_file_that_is_not_there_is_named(data: Path) -> None:
    """Whoever has another folder is told what is missing in it."""
    (data / "id-mapping/arm/arm.json.gz").unlink()
    with pytest.raises(InvalidInputError, match=r"arm\.json\.gz is not there"):
        load_tables(data)


def test_the_model_links_real_titles() -> None:
    """The parameters that come with us keep their precision on 600 real titles of Kitsu's."""
    folder = Path(os.environ.get("AVS_SHARED_DATA", _DEFAULT_DATA))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; AVS_SHARED_DATA names it")
    subjects = load_subjects(folder)
    target = next(one for one in load_targets(folder) if one.provider == "kitsu")
    truth = load_truth(folder, ["kitsu"])["kitsu"]
    titles = choose_titles(subjects, target, truth, limit=600)
    report = Judge(subjects, [load_model()]).judge(target, truth, TitleIndex(target.candidates), titles)
    assert report.precision >= 0.99
    assert report.measure_recall() >= 0.92
