"""What each vector is made from: no content, no passage; and when a passage counts as changed."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.recipe import EmbeddingRecipe, RecipeSet
from core.vectors import LEXICAL_VECTOR, METADATA_VECTOR, TEXT_VECTORS
from indexing.passages import (
    EPISODES_PER_CHUNK,
    NAME_WEIGHT,
    SYNONYMS_IN_TITLE,
    build_lexical_text,
    build_passages,
    hash_passage,
)
from indexing.payload import build_computed_fields, build_payload
from indexing.pictures.titles import PictureGroup
from indexing.points import build_point, build_updates
from indexing.preparation import PreparedTitle, collect_related_keys, prepare_title
from inference.base import build_sparse
from storage.database.ledger import LedgerEntry
from storage.database.titles import StoredTitle

_FULL: dict[str, Any] = {
    "title": "Shingeki no Kyojin",
    "title_english": "Attack on Titan",
    "title_japanese": "進撃の巨人",
    "synonyms": ["AoT", "SnK"],
    "synopsis": "Humanity hides behind walls.",
    "background": "Won awards.",
    "genres": ["action"],
    "themes": ["military"],
    "demographics": ["shounen"],
    "tags": ["gore"],
    "studios": ["Wit Studio"],
    "producers": ["Production I.G"],
    "licensors": ["Funimation"],
    "staff": [{"name": "Tetsurou Araki", "role": "Director"}],
    "characters": [
        {"name": "Eren Yeager", "role": "Main", "description": "A soldier.", "voice_actors": ["Yuuki Kaji"]},
        {"name": "Mikasa"},
    ],
    "awards": ["Tokyo Anime Award 2014"],
    "reviews": [{"summary": "Gripping from the start.", "score": 9.0}],
    "season": "SPRING",
    "year": 2013,
    "aired": {"start": "2013-04-07", "end": "2013-09-29"},
    "broadcast": "Sundays at 01:58 (JST)",
    "streaming": [{"platform": "Crunchyroll", "region": "US"}, {"platform": "Netflix"}],
    "related_anime": [
        {"title": "Kuinaki Sentaku", "relation": "prequel"},
        {"external_ids": {"mal": 25777}},
        {"external_ids": {"mal": 404}},
    ],
    "franchise": "Attack on Titan",
    "source": "manga",
    "episode_list": [{"number": 1, "title": "To You", "synopsis": "The wall falls."}],
    "external_ids": {"mal": 16498},
}
_RECIPES = RecipeSet(
    text=EmbeddingRecipe("fake", "1", 8, 1),
    lexical=EmbeddingRecipe("bm25", "1", 0, 1),
    metadata=EmbeddingRecipe("rules", "1", 0, 1),
)


def _stored(document: dict[str, Any], *, excluded: bool = False) -> StoredTitle:
    return StoredTitle("attack", document, "hash", adult=False, excluded=excluded)


def _prepare(document: dict[str, Any], known: LedgerEntry | None = None, **options: Any) -> PreparedTitle:
    given_options = {"recipes": _RECIPES, "related_titles": {}, "with_sparse": True, **options}
    return prepare_title(_stored(document), known=known, **given_options)


def test_every_vector_says_its_part() -> None:
    """Each of the ten text vectors is made from the fields that the product's table names."""
    assert build_passages(_FULL, related_titles={"mal:25777": "Season 2"}) == {
        "title_vector": [
            "Humanity hides behind walls. Shingeki no Kyojin / Attack on Titan / 進撃の巨人. "
            "Also known as: AoT, SnK. Won awards."
        ],
        "character_vector": ["Eren Yeager (Main): A soldier. Mikasa."],
        "genre_vector": ["Genres: action. Themes: military. Audience: shounen. Tags: gore."],
        "review_vector": ["Awards: Tokyo Anime Award 2014. Gripping from the start."],
        "staff_vector": [
            "Staff: Tetsurou Araki (Director). Studios: Wit Studio. Producers: Production I.G. "
            "Voice actors: Yuuki Kaji."
        ],
        "temporal_vector": [
            "Premiered: spring 2013, the 2010s. Aired: 2013-04-07 to 2013-09-29. Broadcast: Sundays at 01:58 (JST)."
        ],
        "streaming_vector": ["Streaming on: Crunchyroll US, Netflix. Licensed by: Funimation."],
        "related_vector": ["Prequel: Kuinaki Sentaku. Related: Season 2."],
        "franchise_vector": ["Franchise: Attack on Titan. Source material: manga."],
        "episode_vector": ["Episode 1: To You. The wall falls."],
    }


def test_no_content_means_no_passage() -> None:
    """A title of which only the name is known has one passage; related titles without a name have none."""
    assert set(build_passages({"title": "Monster"})) == {"title_vector"}
    assert set(build_passages({"title": "Monster", "related_anime": [{"external_ids": {"mal": 1}}]})) == {
        "title_vector"
    }
    assert set(build_passages({"title": "Monster", "episode_list": [{"number": 1}]})) == {"title_vector"}


@pytest.mark.parametrize("field", [name for name in _FULL if name not in {"title", "external_ids", "source"}])
def test_no_field_is_without_effect_and_none_leaves_an_empty_text(field: str) -> None:
    """Taking a field away changes a passage, and what remains of each passage still says something."""
    without = {name: value for name, value in _FULL.items() if name != field}
    passages = build_passages(without)
    assert passages != build_passages(_FULL)
    assert all(text.strip() and "None" not in text for texts in passages.values() for text in texts)


def test_only_the_first_synonyms_stand_in_the_title_passage() -> None:
    """A long list of names would drown the story; the lexical text has them all."""
    names = [f"Name{number}" for number in range(30)]
    title = build_passages({"title": "A", "synonyms": names})["title_vector"][0]
    assert f"Name{SYNONYMS_IN_TITLE - 1}" in title and f"Name{SYNONYMS_IN_TITLE}" not in title
    assert build_lexical_text({"title": "A", "synonyms": names}).count("Name") == 30


def test_many_episodes_become_several_texts() -> None:
    """Episodes are chunked, each chunk a text of its own; those without words are left out."""
    episodes = [{"number": number, "title": f"Part {number}"} for number in range(1, 2 * EPISODES_PER_CHUNK + 2)]
    texts = build_passages({"title": "A", "episode_list": [*episodes, {"number": 99}]})["episode_vector"]
    assert [text.count("Episode") for text in texts] == [EPISODES_PER_CHUNK, EPISODES_PER_CHUNK, 1]


def test_the_lexical_text_has_the_words_people_search_by() -> None:
    """Names in every language, labels, people and the synopsis; the title's own names count more than once."""
    text = build_lexical_text(_FULL)
    for word in ("進撃の巨人", "AoT", "military", "Wit Studio", "Araki", "Mikasa", "walls"):
        assert word in text
    lines = text.split("\n")
    names = {"Shingeki no Kyojin", "Attack on Titan", "進撃の巨人"}
    assert {line for line in lines if lines.count(line) > 1} == names
    assert {lines.count(name) for name in names} == {NAME_WEIGHT}


def test_hashes_change_exactly_with_text_and_recipe() -> None:
    """The same texts by the same recipe are the same vector; moving a word over a boundary is a change."""
    base = hash_passage(["ab", "c"], "recipe")
    assert base == hash_passage(iter(["ab", "c"]), "recipe") and len(base) == 24
    others = [hash_passage(["a", "bc"], "recipe"), hash_passage(["abc"], "recipe"), hash_passage(["ab", "c"], "r2")]
    assert len({base, *others}) == 4


@given(
    st.lists(st.text(alphabet="ab", max_size=3), max_size=3), st.lists(st.text(alphabet="ab", max_size=3), max_size=3)
)
def test_equal_hashes_mean_equal_texts(first: list[str], second: list[str]) -> None:
    """No two lists of passages share a hash."""
    assert (hash_passage(first, "r") == hash_passage(second, "r")) == (first == second)


def test_a_new_title_is_made_in_full() -> None:
    """Without a ledger entry every vector that has content is made."""
    prepared = _prepare(_FULL)
    assert prepared.is_new and set(prepared.texts) == set(TEXT_VECTORS)
    assert prepared.lexical_text and prepared.features
    assert prepared.vectors == {*TEXT_VECTORS, LEXICAL_VECTOR, METADATA_VECTOR}
    assert prepared.removed == ()


def test_an_unchanged_title_needs_no_vector() -> None:
    """With a matching ledger entry nothing is encoded."""
    known = _prepare(_FULL).entry
    again = _prepare(_FULL, known)
    assert not again.is_new and again.texts == {} and again.lexical_text is None and again.features is None
    assert again.entry == known


def test_only_changed_vectors_are_made() -> None:
    """A new studio touches staff, the lexical text and the features; a new member count touches no vector."""
    known = _prepare(_FULL).entry
    changed = _prepare({**_FULL, "studios": ["MAPPA"]}, known)
    assert set(changed.texts) == {"staff_vector"} and changed.lexical_text and changed.features
    counted = _prepare({**_FULL, "scored_by": 12}, known)
    assert counted.texts == {} and counted.lexical_text is None and counted.features is None


def test_vectors_that_lost_their_content_are_named() -> None:
    """A title that no longer has reviews loses the vector made of them."""
    known = _prepare(_FULL).entry
    without = {name: value for name, value in _FULL.items() if name not in {"awards", "reviews", "franchise"}}
    assert _prepare(without, known).removed == ("franchise_vector", "review_vector")


def test_image_vectors_follow_the_pictures() -> None:
    """Made when the pictures are new or others, removed when there are none; the ledger keeps which they were."""
    group = PictureGroup((uuid.UUID(int=1),), "hash-1")
    first = _prepare(_FULL, pictures={"image_vector": group})
    assert first.pictures == {"image_vector": group.points} and "image_vector" in first.vectors
    known = LedgerEntry("attack", "hash", first.entry.passages, "before")
    again = _prepare(_FULL, known, pictures={"image_vector": group})
    assert again.pictures == {} and again.touched == frozenset()
    other = _prepare(_FULL, known, pictures={"image_vector": PictureGroup(group.points, "hash-2")})
    assert set(other.pictures) == {"image_vector"} and other.texts == {}
    assert _prepare(_FULL, known).removed == ("image_vector",)
    stored = replace(_stored(_FULL), pictures_hash="now")
    prepared = prepare_title(stored, recipes=_RECIPES, known=known, related_titles={}, with_sparse=True)
    assert prepared.entry.pictures_hash == "now"


def test_sparse_vectors_can_be_left_out() -> None:
    """With sparse vectors turned off none is made, and those that were there are taken away."""
    prepared = _prepare(_FULL, with_sparse=False)
    assert prepared.lexical_text is None and prepared.features is None and LEXICAL_VECTOR not in prepared.vectors
    after = _prepare(_FULL, _prepare(_FULL).entry, with_sparse=False)
    assert after.removed == (LEXICAL_VECTOR, METADATA_VECTOR)


def test_another_recipe_makes_everything_anew() -> None:
    """Entries of another encoder's recipe never count as up to date."""
    known = _prepare(_FULL).entry
    other = RecipeSet(EmbeddingRecipe("other", "1", 8, 1), _RECIPES.lexical, _RECIPES.metadata)
    changed = _prepare(_FULL, known, recipes=other)
    assert set(changed.texts) == set(TEXT_VECTORS) and changed.lexical_text is None


def test_an_excluded_title_makes_nothing() -> None:
    """Its point is removed, so no vector is wanted."""
    known = _prepare(_FULL).entry
    prepared = prepare_title(
        _stored(_FULL, excluded=True), recipes=_RECIPES, known=known, related_titles={}, with_sparse=True
    )
    assert prepared.texts == {} and prepared.vectors == frozenset() and not prepared.is_new


def test_names_are_looked_up_only_for_nameless_relations() -> None:
    """Ids of related titles are collected where the document has no name for them."""
    assert collect_related_keys(_FULL) == {("mal", "25777"), ("mal", "404")}


def test_a_new_name_of_a_related_title_is_a_change() -> None:
    """When a related title becomes known, the vector of relations is made anew."""
    known = _prepare(_FULL).entry
    assert set(_prepare(_FULL, known, related_titles={"mal:404": "Found"}).texts) == {"related_vector"}


def test_the_payload_shows_the_document_and_carries_keys() -> None:
    """Filters find folded names and `provider:id`; the document itself keeps its spelling."""
    payload = build_payload("attack", _FULL, adult=False, vectors=frozenset(TEXT_VECTORS))
    assert payload["id"] == "attack" and payload["adult"] is False and payload["studios"] == ["Wit Studio"]
    assert payload["keys"]["studios"] == ["wit studio"] and payload["external_keys"] == ["mal:16498"]
    assert payload["character_count"] == 2 and payload["content_richness_score"] == 1.0


@pytest.mark.parametrize("members", [0, 1, 4_000_000, 2_000_000_000])
def test_computed_fields_stay_in_their_bounds(members: int) -> None:
    """Popularity and richness lie in 0..1, the boost between 0.9 and 1.3."""
    computed = build_computed_fields({"members": members, "score": 10.0}, vectors=frozenset())
    assert 0 <= computed["popularity_score"] <= 1 and 0 <= computed["content_richness_score"] <= 1
    assert 0.9 <= computed["search_boost_factor"] <= 1.3


def test_a_new_title_is_written_whole_and_a_known_one_in_parts() -> None:
    """A point replaces everything; updates name the new vectors, those that are gone, and the payload."""
    dense, sparse = np.asarray([0.6, 0.8], dtype=np.float32), build_sparse({3: 1.0, 1: 2.0})
    point = build_point(_prepare(_FULL), {"title_vector": dense, LEXICAL_VECTOR: sparse})
    assert point.vector["title_vector"] == pytest.approx([0.6, 0.8])
    assert point.vector[LEXICAL_VECTOR].indices == [1, 3] and point.vector[LEXICAL_VECTOR].values == [2.0, 1.0]
    known = _prepare(_FULL).entry
    without = {name: value for name, value in _FULL.items() if name != "franchise"}
    updates = build_updates(_prepare(without, known), {"title_vector": dense})
    assert [type(update).__name__ for update in updates] == [
        "UpdateVectorsOperation",
        "DeleteVectorsOperation",
        "OverwritePayloadOperation",
    ]
    assert updates[1].delete_vectors.vector == ["franchise_vector"]
    assert [type(update).__name__ for update in build_updates(_prepare(_FULL, known), {})] == [
        "OverwritePayloadOperation"
    ]
