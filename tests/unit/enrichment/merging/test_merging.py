"""A title as a whole: what always holds, whatever sources say."""

from __future__ import annotations

import random
from datetime import timedelta
from time import perf_counter
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from core.document import AnimeDocument
from enrichment.merging import MergeModel, SourceClaims, merge_title
from tests.unit.enrichment.merging.claims import BLANK, NOW, merge, say

SOURCES = ("jikan", "anilist", "kitsu", "anidb", "animeschedule", "anime-planet", "catalogue")
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from(["TV", "ONA", "MOVIE", "UNKNOWN"]),
    "status": st.sampled_from(["FINISHED", "ONGOING"]),
    "episodes": st.integers(1, 4),
    "duration": st.sampled_from([12.0, 23.5, 24.0, 25.0]),
    "season": st.sampled_from(["SPRING", "WINTER"]),
    "year": st.integers(2010, 2012),
    "aired": st.fixed_dictionaries(
        {"start": st.sampled_from(["2012-04-07", "2012-04-01", "2012-01-01", "2011-04-06"])}
    ),
    "title_english": st.sampled_from(["Attack", "ATTACK", "Titan"]),
    "genres": st.lists(st.sampled_from(["action", "drama", "mecha"]), max_size=3, unique=True),
    "studios": st.lists(st.sampled_from(["Sunrise", "sunrise inc.", "Bones"]), max_size=2, unique=True),
    "synopsis": st.sampled_from(["Short.", "A longer text of a story.", "A longer text of a story..."]),
    "score": st.floats(1, 10),
    "members": st.integers(0, 1_000),
    "external_ids": st.dictionaries(st.sampled_from(["mal", "anilist"]), st.integers(1, 2), max_size=2),
}
FACTS = st.fixed_dictionaries({}, optional=VALUES)
CLAIMS = st.lists(
    st.builds(
        lambda source, days, facts: SourceClaims(source, NOW - timedelta(days=days), facts),
        st.sampled_from(SOURCES),
        st.integers(0, 2_000),
        FACTS,
    ),
    max_size=7,
)


def show(claims: list[SourceClaims], model: MergeModel = BLANK) -> bytes:
    """All of a merged title, as bytes."""
    merged = merge_title(claims, model)
    return orjson.dumps([merged.to_document(), {name: one.to_json() for name, one in merged.fields.items()}])


@given(CLAIMS, st.randoms(use_true_random=False))
def test_the_order_of_claims_does_not_matter(claims: list[SourceClaims], chance: random.Random) -> None:
    """Shuffled, the same title comes out, with the same reasons to the last digit."""
    shuffled = list(claims)
    chance.shuffle(shuffled)
    assert show(claims) == show(shuffled)


@given(CLAIMS)
def test_a_source_that_is_heard_twice_counts_once(claims: list[SourceClaims]) -> None:
    """The same claims again change nothing."""
    assert show(claims) == show(claims + claims)


@given(CLAIMS)
def test_nothing_comes_out_that_nobody_said(claims: list[SourceClaims]) -> None:
    """Every value was claimed as it is, and every element and part of one."""
    for name, merged in merge_title(claims, MergeModel.default()).fields.items():
        said = [one.facts[name] for one in claims if name in one.facts]
        if isinstance(merged.value, list):
            assert all(any(value in one for one in said) for value in merged.value)
        elif isinstance(merged.value, dict):
            assert all(any(one.get(key) == value for one in said) for key, value in merged.value.items())
        else:
            assert merged.value in said


@given(CLAIMS)
def test_every_field_that_is_said_is_decided(claims: list[SourceClaims]) -> None:
    """With a confidence between 0 and 1, sources that spoke of it, and a document that is valid."""
    title = merge_title(claims, MergeModel.default())
    said = {name for one in claims for name, value in one.facts.items() if value not in ("UNKNOWN", [], {})}
    assert set(title.fields) == said
    for name, merged in title.fields.items():
        assert 0 <= merged.confidence <= 1
        assert {source.partition(":")[0] for source in merged.sources} <= {one.source for one in claims}
        assert merged.at in {one.fetched_at for one in claims}, name
    AnimeDocument.model_validate({"title": "x", **title.to_document()})


@given(CLAIMS, FACTS)
def test_an_override_always_wins(claims: list[SourceClaims], facts: dict[str, Any]) -> None:
    """As it is, with certainty, whatever else is said, and the others are still told."""
    title = merge_title([*claims, SourceClaims("override", NOW - timedelta(days=4_000), facts)], BLANK)
    for name, value in facts.items():
        assert title.fields[name].value == value
        assert title.fields[name].confidence == 1
        assert title.fields[name].sources == ("override",)


def test_a_person_may_empty_a_field() -> None:
    """Null is a word of its own there: the field is gone, and what sources say stays told."""
    found = merge("episodes", say("jikan", episodes=12), SourceClaims("override", NOW, {"episodes": None}))
    assert found.value is None
    assert found.conflict
    assert [one.value for one in found.others] == [12]
    assert "episodes" not in merge_title([SourceClaims("override", NOW, {"episodes": None})], BLANK).to_document()


def test_snapshots_of_one_source_are_one_source() -> None:
    """Only the newest word of each counts, field by field: five old ones do not outvote two others."""
    old = [say("jikan", episodes=24, rating="R", days_ago=days) for days in range(1, 6)]
    claims = [*old, say("jikan", episodes=12), say("kitsu", episodes=12)]
    assert merge("episodes", *claims).others == ()
    assert merge("rating", *claims).value == "R"


def test_a_title_of_many_words_is_merged_in_no_time() -> None:
    """Six sources with all that they have, a hundred episodes and fifty characters each: well below a second."""
    facts = {
        "type": "TV",
        "episodes": 100,
        "genres": ["action", "drama"],
        "studios": ["Sunrise"],
        "tags": [f"tag {number}" for number in range(60)],
        "episode_list": [{"number": number, "title": f"Episode {number}"} for number in range(1, 101)],
        "characters": [{"name": f"Name {number}", "role": "main"} for number in range(50)],
        "synopsis": "A text. " * 200,
    }
    claims = [SourceClaims(source, NOW, facts) for source in SOURCES[:6]]
    merge_title(claims, MergeModel.default())
    started = perf_counter()
    title = merge_title(claims, MergeModel.default())
    assert len(title.fields) == len(facts)
    assert perf_counter() - started < 2


def test_no_claims_give_no_title() -> None:
    """An empty title is no error."""
    assert merge_title([], MergeModel.default()).fields == {}
