"""The sample catalogue and its queries say what data/README.md promises, checked without any other package of ours."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parents[3] / "data"
CATALOGUE = DATA / "sample-catalogue.jsonl"
QUERIES = DATA / "sample-queries.jsonl"

ALLOWED = {
    "type": {"TV", "MOVIE", "OVA", "ONA", "SPECIAL", "MUSIC", "UNKNOWN"},
    "status": {"FINISHED", "ONGOING", "UPCOMING", "UNKNOWN"},
    "season": {"WINTER", "SPRING", "SUMMER", "FALL"},
    "rating": {"G", "PG", "PG-13", "R", "R+"},
}
RELATIONS = {
    "sequel", "prequel", "side story", "parent story", "spin-off", "alternative version", "summary", "full story",
    "other",
}  # fmt: skip
TEXT_FIELDS = {
    "title", "title_english", "title_japanese", "synopsis", "background", "type", "status", "season", "broadcast",
    "rating", "franchise", "source",
}  # fmt: skip
COUNT_FIELDS = {"episodes", "year", "scored_by", "rank", "popularity", "members", "favorites"}
NUMBER_FIELDS = {"duration", "score"}
LABEL_FIELDS = {"genres", "themes", "demographics", "tags"}
NAME_FIELDS = {"synonyms", "studios", "producers", "licensors", "awards"}
PART_FIELDS = {
    "staff": {"name", "role"},
    "characters": {"name", "role", "description"},
    "related_anime": {"title", "relation", "external_ids"},
    "reviews": {"summary", "score"},
    "streaming": {"platform", "region"},
    "episode_list": {"number", "title", "synopsis", "aired", "filler", "recap"},
}
OBJECT_FIELDS = {"aired", "external_ids"}
KNOWN_FIELDS = (
    TEXT_FIELDS | COUNT_FIELDS | NUMBER_FIELDS | LABEL_FIELDS | NAME_FIELDS | set(PART_FIELDS) | OBJECT_FIELDS
)
EXPECTED_TITLES = {
    "Shingeki no Kyojin", "Death Note", "Steins;Gate", "Sen to Chihiro no Kamikakushi", "Cowboy Bebop",
    "Fullmetal Alchemist: Brotherhood", "Kimi no Na wa.", "Mushishi", "Haikyuu!!", "Neon Genesis Evangelion",
    "Monster", "Clannad", "Code Geass: Hangyaku no Lelouch", "Violet Evergarden", "Sousou no Frieren",
}  # fmt: skip
SENTENCE_END = re.compile(r"[.!?][\"'”’]?(?=\s|$)")


def load_lines(path: Path) -> list[dict[str, Any]]:
    """One JSON object a line; a bad line is an error that names it."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def documents() -> list[dict[str, Any]]:
    """The sample catalogue."""
    return load_lines(CATALOGUE)


@pytest.fixture(scope="module")
def queries() -> list[dict[str, Any]]:
    """The sample queries."""
    return load_lines(QUERIES)


def test_is_large_enough_and_titles_are_unique(documents: list[dict[str, Any]]) -> None:
    """There are at least 210 titles and no two of them are called the same."""
    titles = Counter(document["title"] for document in documents)
    assert len(documents) >= 210
    assert [title for title, times in titles.items() if times > 1] == []


def test_holds_the_titles_that_the_documentation_names(documents: list[dict[str, Any]]) -> None:
    """The titles used by demo, README and queries are there."""
    assert {document["title"] for document in documents} >= EXPECTED_TITLES


def test_fields_are_known_and_never_empty(documents: list[dict[str, Any]]) -> None:
    """A document has only fields of the schema, and leaves out what it does not know."""
    for document in documents:
        assert set(document) <= KNOWN_FIELDS, document["title"]
        assert all(value not in (None, "", [], {}) for value in document.values()), document["title"]


def test_plain_fields_have_their_type(documents: list[dict[str, Any]]) -> None:
    """Texts are trimmed strings, counts are whole numbers, names are distinct strings and labels are lower case."""
    for document in documents:
        for name in TEXT_FIELDS & set(document):
            assert isinstance(document[name], str), (document["title"], name)
            assert document[name] == document[name].strip(), (document["title"], name)
        for name in COUNT_FIELDS & set(document):
            assert type(document[name]) is int, (document["title"], name)
            assert document[name] > 0, (document["title"], name)
        for name in (LABEL_FIELDS | NAME_FIELDS) & set(document):
            assert len(set(document[name])) == len(document[name]), (document["title"], name)
            assert all(isinstance(value, str) and value for value in document[name]), (document["title"], name)
        for name in LABEL_FIELDS & set(document):
            assert document[name] == [value.lower() for value in document[name]], (document["title"], name)


@pytest.mark.parametrize("field", sorted(ALLOWED))
def test_enumerated_fields_hold_allowed_values(documents: list[dict[str, Any]], field: str) -> None:
    """Type, status, season and age rating come from the documented lists."""
    assert {document[field] for document in documents if field in document} <= ALLOWED[field]


def test_numbers_and_dates_are_in_range(documents: list[dict[str, Any]]) -> None:
    """Scores lie within ten, durations within half a day, and nobody stops airing before the start."""
    for document in documents:
        assert 0 < document["score"] <= 10, document["title"]
        assert 0 < document["duration"] <= 720, document["title"]
        assert 1960 <= document["year"] <= 2030, document["title"]
        days = [date.fromisoformat(day) for day in document["aired"].values()]
        assert list(document["aired"]) in (["start"], ["start", "end"]), document["title"]
        assert days == sorted(days), document["title"]


def test_parts_have_their_shape(documents: list[dict[str, Any]]) -> None:
    """Staff, characters, relations, reviews, platforms and episodes have the documented keys and a name or number."""
    for document in documents:
        for field, keys in PART_FIELDS.items():
            for part in document.get(field, []):
                assert set(part) <= keys, (document["title"], field)
                assert next(iter(part.values())), (document["title"], field)
        assert {part["relation"] for part in document.get("related_anime", [])} <= RELATIONS, document["title"]
        numbers = [episode["number"] for episode in document.get("episode_list", [])]
        assert numbers == sorted(set(numbers)), document["title"]
        assert all(1 <= number <= document["episodes"] for number in numbers), document["title"]


def test_synopses_are_two_to_four_sentences_of_their_own(documents: list[dict[str, Any]]) -> None:
    """Every synopsis says enough to be found by meaning, no two are equal, and none carries a source note or markup."""
    synopses = [document["synopsis"] for document in documents]
    assert len(set(synopses)) == len(synopses)
    for synopsis in synopses:
        assert 2 <= len(SENTENCE_END.findall(synopsis)) <= 4, synopsis
        assert 40 <= len(synopsis.split()) <= 95, synopsis
        assert not re.search(r"https?:|[<>\[\]]|source:|written by", synopsis, re.IGNORECASE), synopsis


def test_external_ids_are_unique_and_typed(documents: list[dict[str, Any]]) -> None:
    """An id belongs to one title; ids are numbers except the slugs of anime-planet; every title has some."""
    owners = Counter(item for document in documents for item in document["external_ids"].items())
    assert [item for item, times in owners.items() if times > 1] == []
    for provider, value in owners:
        assert isinstance(value, str if provider == "anime-planet" else int), (provider, value)


def test_relations_agree_where_both_ends_are_here(documents: list[dict[str, Any]]) -> None:
    """A related title that is in the catalogue is named as there and points back."""
    by_mal = {document["external_ids"]["mal"]: document for document in documents}
    for document in documents:
        for related in document.get("related_anime", []):
            other = by_mal.get(related["external_ids"]["mal"])
            if other is None:
                continue
            backwards = [part["external_ids"]["mal"] for part in other.get("related_anime", [])]
            assert related["title"] == other["title"]
            assert document["external_ids"]["mal"] in backwards, (document["title"], other["title"])


def test_every_text_vector_has_something_to_hold(documents: list[dict[str, Any]]) -> None:
    """Each optional field that a vector is made from is filled for at least a dozen titles."""
    fields = ("characters", "staff", "awards", "reviews", "streaming", "franchise", "related_anime", "episode_list")
    counts = {field: sum(field in document for document in documents) for field in fields}
    assert min(counts.values()) >= 12, counts


def test_catalogue_is_varied(documents: list[dict[str, Any]]) -> None:
    """Seven decades, the formats, the audiences and more than forty studios are represented."""
    assert {document["year"] // 10 * 10 for document in documents} >= set(range(1960, 2030, 10))
    assert {document["type"] for document in documents} >= {"TV", "MOVIE", "OVA", "ONA", "SPECIAL"}
    assert len({studio for document in documents for studio in document["studios"]}) > 40
    audiences = {audience for document in documents for audience in document.get("demographics", [])}
    assert audiences == {"shounen", "shoujo", "seinen", "josei", "kids"}


def test_no_adult_title(documents: list[dict[str, Any]]) -> None:
    """Nothing in the sample needs include_adult."""
    for document in documents:
        assert document["rating"] != "Rx"
        assert "hentai" not in document["genres"] + document["tags"]


def test_queries_expect_titles_of_the_catalogue(documents: list[dict[str, Any]], queries: list[dict[str, Any]]) -> None:
    """Each query is asked once, has a known kind, and names only titles that exist."""
    titles = {document["title"] for document in documents}
    texts = [query["query"] for query in queries]
    assert len(texts) >= 60
    assert len(set(texts)) == len(texts)
    for query in queries:
        assert set(query) == {"query", "expect", "kind"}
        assert query["kind"] in {"description", "title", "synonym", "attribute"}
        assert query["expect"], query["query"]
        assert set(query["expect"]) <= titles, query["query"]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("giant humanoids besiege the last walled city of humanity", "Shingeki no Kyojin"),
        ("a notebook that kills whoever's name is written in it", "Death Note"),
    ],
)
def test_demo_searches_are_among_the_queries(queries: list[dict[str, Any]], text: str, title: str) -> None:
    """The two searches that the demo shows are recorded with their answer."""
    assert [query["expect"] for query in queries if query["query"] == text] == [[title]]
