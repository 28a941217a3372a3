"""Recorded answers through the parsers."""

from __future__ import annotations

import gzip
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from core.enrichment import EnrichStage
from core.errors import InvalidInputError
from core.settings import Settings
from enrichment.providers.base import Answer, Parsed, Request
from enrichment.providers.jikan import JikanProvider
from enrichment.providers.registry import build_providers
from evaluation.enrichment.parsing import KnownFact, evaluate_parsing, load_known_facts
from evaluation.enrichment.recordings import Recording, load_recordings

_DEFAULT_DATA = Path(__file__).parents[5] / "shared" / "data"
TITLE = {
    "mal_id": 7, "url": "https://myanimelist.net/anime/7/X", "title": "A Title", "type": "TV", "episodes": 12,
    "synopsis": None, "score": 7.5,
}  # fmt: skip
PROVIDERS = build_providers(Settings())


def write(data: Path, name: str, value: Any) -> None:
    """A recorded file."""
    path = data / "providers" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(value if isinstance(value, bytes) else orjson.dumps(value))


def cassette(uri: str, value: Any, *, status: int = 200, compress: bool = True) -> bytes:
    """A VCR file with one exchange."""
    body = gzip.compress(orjson.dumps(value)) if compress else orjson.dumps(value).decode()
    response = {"body": {"string": body}, "status": {"code": status, "message": ""}}
    exchange = {"request": {"uri": uri, "method": "GET"}, "response": response}
    return yaml.safe_dump({"interactions": [exchange], "version": 1}).encode()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A small folder of recordings, one of each kind."""
    write(tmp_path, "index.csv", b"provider,provider_id,mal_id,title,kind,file\n")
    write(
        tmp_path,
        "jikan/a.yaml",
        cassette("https://api.example.org/v4/anime/7/full", {"data": {**TITLE, "relations": []}}),
    )
    write(tmp_path, "jikan/b.yaml", cassette("https://api.example.org/v4/anime/-1", {"status": 404}, status=404))
    write(
        tmp_path,
        "jikan/c.yaml",
        cassette("https://api.example.org/v4/top/anime", {"data": [TITLE, TITLE]}, compress=False),
    )
    manga = {"data": {**TITLE, "url": "https://myanimelist.net/manga/7/X"}}
    write(tmp_path, "jikan/d.yaml", cassette("https://api.example.org/v4/manga/7", manga))
    episodes = {"data": [{"mal_id": 1, "title": "First", "aired": None}], "pagination": {"has_next_page": False}}
    exchange = {"request": {"uri": "https://api.example.org/v4/anime/7/episodes?page=1"}, "status": {"code": 200}}
    write(tmp_path, "jikan/e.json", {**exchange, "body": episodes})
    write(tmp_path, "jikan/getAnimeStatistics.json", {"data": {"watching": 3, "scores": []}})
    write(tmp_path, "anilist/a.json", {"data": {"Media": {"id": 3, "type": "ANIME", "title": {"romaji": "Third"}}}})
    write(tmp_path, "anilist/README.md", b"no recording")
    write(tmp_path, "kitsu/dead.json", {"data": [], "meta": {"count": 0}})
    write(
        tmp_path, "anidb-xml/a.xml", b'<?xml version="1.0"?>\n<anime id="4" restricted="false"><type>OVA</type></anime>'
    )
    write(tmp_path, "anidb-xml/b.xml", b"<error>Banned</error>")
    write(tmp_path, "animeschedule/week.json", [{"route": "a-title", "title": "A Title", "airType": "raw"}])
    write(tmp_path, "anime-planet/a.html", b"<html><title>Just a moment...</title></html>")
    return tmp_path


def test_every_file_is_read_as_what_it_is(data: Path) -> None:
    """Answers about titles by their id, lists title by title, and everything else as no title's answer."""
    found = {
        (one.provider, Path(one.file).name, one.external_id, one.status, one.stages[:1])
        for one in load_recordings(data)
    }
    metadata, episodes, statistics = EnrichStage.METADATA, EnrichStage.EPISODES, EnrichStage.STATISTICS
    assert found == {
        ("jikan", "a.yaml", "7", 200, (metadata,)), ("jikan", "b.yaml", None, 404, ()),
        ("jikan", "c.yaml", "7", 200, (metadata,)), ("jikan", "d.yaml", None, 200, ()),
        ("jikan", "e.json", "7", 200, (episodes,)),
        ("jikan", "getAnimeStatistics.json", "11757", 200, (statistics,)),
        ("anilist", "a.json", "3", 200, (metadata,)), ("kitsu", "dead.json", None, 200, ()),
        ("anidb", "a.xml", "4", 200, (metadata,)), ("anidb", "b.xml", None, 200, ()),
        ("animeschedule", "week.json", "a-title", 200, (metadata,)),
        ("anime-planet", "a.html", None, 200, ()),
    }  # fmt: skip


def test_what_was_parsed_is_counted_by_provider(data: Path) -> None:
    """Files, titles, what was turned down on purpose, facts by stage, and known facts by value."""
    known = [
        KnownFact("A Title", "jikan", "7", "episodes", 12),
        KnownFact("A Title", "jikan", "7", "episode_list.title", "First"),
        KnownFact("Third", "anilist", "3", "title", "Third"),
    ]
    report = evaluate_parsing(load_recordings(data), PROVIDERS, known)
    assert report.is_good and (report.checked, report.checked_titles) == (3, 2)
    jikan = report.providers["jikan"]
    assert (len(jikan.files), jikan.titles, jikan.parsed, jikan.refused) == (6, 5, 5, 2)
    assert jikan.facts["episodes"] == 1 and jikan.facts["statistics"] > 0
    assert report.providers["anidb"].refused == report.providers["anime-planet"].refused == 1


def test_a_known_fact_that_comes_out_otherwise_is_a_problem(data: Path) -> None:
    """So is one that nothing is said about; the message names title, provider and field."""
    known = [KnownFact("A Title", "jikan", "7", "episodes", 13), KnownFact("A Title", "jikan", "7", "season", "FALL")]
    report = evaluate_parsing(load_recordings(data), PROVIDERS, known)
    assert not report.is_good and len(report.problems) == 2
    assert "A Title: jikan episodes is [12], not 13" in report.problems
    assert "A Title: jikan says nothing about season" in report.problems


class _Clumsy(JikanProvider):
    """A parser with mistakes: it crashes on one title, and takes everything else for another."""

    def plan(self, stage: EnrichStage, external_id: str) -> tuple[Request, ...]:
        return (Request(key="x", path="/x"),)

    def parse(self, stage: EnrichStage, external_id: str, answers: Mapping[str, Answer]) -> Parsed:
        if external_id == "1":
            raise IndexError("list index out of range")
        return Parsed({"title": "x"})


@pytest.mark.parametrize(
    ("recording", "problem"),
    [
        (Recording("jikan", "a.json", 200, b"{}", "1", (EnrichStage.METADATA,)), "a.json: IndexError: list index"),
        (Recording("jikan", "b.json", 200, b'{"data": {"mal_id": 2}}'), "b.json: no title's answer, and facts"),
    ],
)
def test_a_parser_that_crashes_or_takes_anything_is_found_out(recording: Recording, problem: str) -> None:
    """Both are problems, and neither ends the run."""
    report = evaluate_parsing([recording, recording], {"jikan": _Clumsy()}, [])
    assert len(report.problems) == 2 and report.problems[0].startswith(problem)


def test_a_title_that_is_refused_is_a_problem() -> None:
    """An answer about a title has to be understood."""
    recording = Recording("jikan", "a.json", 200, b"[]", "1", (EnrichStage.METADATA,))
    report = evaluate_parsing([recording], PROVIDERS, [])
    assert report.problems == ["a.json: refused, and it is an answer about 1"]


@pytest.mark.parametrize(
    ("make", "message"), [((), "providers is not a folder"), (("providers",), "index.csv is not there")]
)
def test_a_folder_without_recordings_is_named(tmp_path: Path, make: Sequence[str], message: str) -> None:
    """The message says what is missing."""
    for name in make:
        (tmp_path / name).mkdir()
    with pytest.raises(InvalidInputError, match=message):
        list(load_recordings(tmp_path))


def test_the_table_of_known_facts_is_whole() -> None:
    """At least thirty titles, every provider that records titles, paths into fields of a document."""
    facts = load_known_facts()
    assert len({fact.title for fact in facts}) >= 30
    assert {fact.provider for fact in facts} >= {"jikan", "anilist", "kitsu", "anidb", "anime-planet"}
    assert len({(fact.provider, fact.external_id, fact.path) for fact in facts}) == len(facts)


def test_all_recorded_answers_are_understood() -> None:
    """Hundreds of real ones: no crash, nothing misread, and the facts of well-known titles are right."""
    folder = Path(os.environ.get("AVS_SHARED_DATA", _DEFAULT_DATA))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; AVS_SHARED_DATA names it")
    report = evaluate_parsing(load_recordings(folder), PROVIDERS, load_known_facts())
    assert report.problems == []
    titles = {name: one.titles for name, one in report.providers.items()}
    assert titles == {
        "jikan": 360, "anilist": 48, "kitsu": 46, "anidb": 18, "animeschedule": 67, "anime-planet": 55
    }  # fmt: skip
    assert all(one.parsed == one.titles for one in report.providers.values())
