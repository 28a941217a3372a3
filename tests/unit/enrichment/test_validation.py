"""What of a provider's values is taken."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.document import AnimeDocument
from core.enrichment import STAGE_FIELDS, EnrichStage
from enrichment.checks import MAX_FAULTS
from enrichment.providers.base import Answer
from enrichment.validation import build_facts, get_today

TODAY = date(2026, 11, 21)
META, STATS = EnrichStage.METADATA, EnrichStage.STATISTICS
STAGE_OF = {name: stage for stage, names in STAGE_FIELDS.items() for name in names}

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=40)
    | st.sampled_from(["TV", "FINISHED", "2012-07-08", "https://example.org/a.jpg", "12", "-1", "1e9", "main", "mal"])
)
_KEYS = st.text(max_size=8) | st.sampled_from(
    ["name", "role", "title", "number", "aired", "start", "end", "mal", "anilist", "url", "platform", "external_ids",
     "relation", "summary", "score", "voice_actors", "picture", "scores"]
)  # fmt: skip
ANY_JSON = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_KEYS, inner, max_size=5), max_leaves=20
)


def check(name: str, value: Any, *, today: date = TODAY) -> tuple[Any, list[str]]:
    """What is taken of one field, and the faults as 'field: problem'."""
    facts, faults = build_facts(STAGE_OF[name], {name: value}, today=today)
    assert set(facts) <= {name}
    return facts.get(name), [f"{fault.field}: {fault.problem}" for fault in faults]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("year", 0), ("year", 1906), ("year", 2033), ("year", "soon"), ("year", True), ("year", 2012.5),
        ("episodes", 0), ("episodes", -1), ("episodes", 20_001), ("episodes", [12]), ("episodes", "12 eps"),
        ("duration", 0), ("duration", -24), ("duration", 1_001), ("duration", float("nan")), ("duration", float("inf")),
        ("score", 0), ("score", 100), ("score", -1), ("score", 10.01), ("score", "8/10"),
        ("scored_by", -1), ("members", -5), ("members", 10**12), ("favorites", 1.5),
        ("rank", 0), ("popularity", -3), ("rank", 10**9),
        ("type", "HOLOGRAM"), ("type", 3), ("status", "Airing soon"), ("season", "MONSOON"), ("rating", "NC-17"),
        ("source", "tweet"), ("title", 5), ("title", ["x"]), ("title", "x" * 1_001), ("synopsis", "y" * 60_001),
        ("synopsis", "z" * 1_000_000), ("title", "broken \ufffd title"), ("title", "\ud800"), ("synopsis", {"a": 1}),
        ("aired", {"start": "1812-01-01"}), ("aired", {"end": "2033-01-01"}), ("aired", {"start": "yesterday"}),
        ("aired", {"start": "2012-02-30"}), ("aired", "2012-07-08"), ("aired", {"start": 20120708}),
        ("aired", {"start": "2012-07-08", "end": "2012-07-07"}), ("broadcast", 12),
        ("genres", "Action"), ("images", "https://example.org/a.jpg"), ("images", {"picture": "javascript:alert(1)"}),
        ("images", {"picture": "ftp://example.org/a"}), ("images", {"picture": "https://[::1"}),
        ("trailers", ["not an address"]), ("external_ids", {"mal": 0.5}), ("external_ids", {"nowhere": 1}),
        ("external_ids", [1]), ("statistics", {"mal": 5}), ("statistics", {"mal": {"a": {"b": {"c": 1}}}}),
        ("statistics", {"mal": {"completed": -4}}), ("statistics", {"elsewhere": {"a": 1}}),
        ("episode_list", [{"title": "No number"}]), ("episode_list", [{"number": -1}]),
        ("related_anime", [{"title": "No id"}]), ("characters", [{"role": "main"}]), ("staff", [{"role": "director"}]),
        ("reviews", [{"score": 7}]), ("streaming", [{"url": "https://example.org"}]),
    ],
)  # fmt: skip
def test_absurd_values_are_never_taken(name: str, value: Any) -> None:
    """Each leaves a fault that names its field, and no fact."""
    taken, faults = check(name, value)
    assert taken is None
    assert faults and all(fault.startswith(name) for fault in faults)


@pytest.mark.parametrize("name", sorted(STAGE_OF))
@pytest.mark.parametrize("value", [None, "", "  ", [], {}])
def test_nothing_says_nothing(name: str, value: Any) -> None:
    """Null, blank and empty are neither facts nor faults, in any field."""
    assert check(name, value) == (None, [])


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("year", 1907, 1907), ("year", 2032, 2032), ("year", "2012", 2012), ("year", 2012.0, 2012),
        ("episodes", 1, 1), ("duration", 0.5, 0.5), ("score", 10, 10.0), ("score", "7.25", 7.25),
        ("type", "MUSIC", "MUSIC"), ("title", " Tom &amp; Jerry ", "Tom & Jerry"), ("scored_by", 0, 0),
        ("aired", {"start": "2012-07-08T00:00:00+00:00", "end": None}, {"start": "2012-07-08"}),
        ("aired", {"start": date(2012, 7, 8)}, {"start": "2012-07-08"}),
        ("aired", {"start": datetime(2012, 7, 8, 12, tzinfo=UTC)}, {"start": "2012-07-08"}),
        ("aired", {"start": "2012-07-08", "end": "2012-07-08"}, {"start": "2012-07-08", "end": "2012-07-08"}),
        ("synopsis", "One.<br>Two. (Source: ANN)", "One.\nTwo."),
        ("genres", ["Action", "action", " Sci-Fi "], ["action", "sci-fi"]),
        ("external_ids", {"mal": "5114", "anime-planet": "a-b", "kitsu": None}, {"mal": 5114, "anime-planet": "a-b"}),
        ("statistics", {"mal": {"completed": 3, "scores": {"10": 1}, "left": None}},
         {"mal": {"completed": 3, "scores": {"10": 1}}}),
        ("episode_list", [{"number": 1, "title": "One"}], [{"number": 1, "title": "One"}]),
    ],
)  # fmt: skip
def test_plausible_values_are_taken_in_the_documents_form(name: str, value: Any, taken: Any) -> None:
    """Texts cleaned, labels in lower case, numbers as numbers, days as days; nothing that the source did not say."""
    assert check(name, value) == (taken, [])


@pytest.mark.parametrize("name", ["type", "status"])
def test_unknown_says_nothing(name: str) -> None:
    """UNKNOWN is the document's word for silence, so it is no claim."""
    assert check(name, "UNKNOWN") == (None, [])


def test_good_items_of_a_list_stay() -> None:
    """Each bad one is a fault with its place."""
    taken, faults = check("genres", ["Action", 3, None, {"name": "x"}, "Drama"])
    assert taken == ["action", "drama"]
    assert faults == ["genres.1: 3 is no text", "genres.3: an object is no text"]


def test_good_members_of_an_item_stay() -> None:
    """A bad date costs an episode its date, and a new role a character its role."""
    taken, faults = check("episode_list", [{"number": 1, "title": "One", "aired": "0001-01-01", "mood": 3}])
    assert taken == [{"number": 1, "title": "One"}]
    assert [fault.split(":")[0] for fault in faults] == ["episode_list.0.aired", "episode_list.0.'mood'"]
    taken, faults = check("characters", [{"name": "A", "role": "hologram"}, {"name": "B", "role": "Main"}])
    assert taken == [{"name": "A"}, {"name": "B", "role": "Main"}]
    assert faults[0].startswith("characters.0.role: 'hologram' is none of")


def test_an_item_that_is_listed_twice_is_taken_once() -> None:
    """Episodes by number, related titles by relation and ids, labels without regard to case; the first stays."""
    assert check("episode_list", [{"number": 1, "title": "A"}, {"number": 1, "title": "B"}])[0] == [
        {"number": 1, "title": "A"}
    ]
    related = {"title": "X", "relation": "sequel", "external_ids": {"mal": 2}}
    assert check("related_anime", [related, {**related, "title": "Y"}, {**related, "relation": "prequel"}])[0] == [
        related,
        {**related, "relation": "prequel"},
    ]


def test_a_list_without_end_is_cut() -> None:
    """The first items are taken, and a fault says how many there were."""
    taken, faults = check("characters", [{"name": f"Character {number}"} for number in range(5_000)])
    assert len(taken) == 1_000
    assert faults == ["characters: 5,000 items; the first 1,000 are taken"]


def test_faults_have_an_end() -> None:
    """An answer of nothing but bad values is not answered by as many faults."""
    facts, faults = build_facts(META, {"genres": [1] * 100, "tags": [2] * 500, "themes": [3] * 100}, today=TODAY)
    assert facts == {} and len(faults) == MAX_FAULTS


def test_what_is_plausible_depends_on_the_day_of_the_answer() -> None:
    """An answer of 2010 that speaks of 2026 was wrong when it came."""
    assert check("year", 2026, today=date(2010, 1, 1))[0] is None
    assert check("year", 2016, today=date(2010, 1, 1))[0] == 2016


def test_a_field_of_another_stage_is_a_mistake_of_ours() -> None:
    """A parser that hands in statistics with the metadata is not a provider's fault."""
    with pytest.raises(KeyError, match="score is no field of the stage metadata"):
        build_facts(META, {"score": 7}, today=TODAY)


def test_shown_values_are_short() -> None:
    """A fault does not carry what it complains of in full."""
    _, faults = check("type", "x" * 5_000)
    assert len(faults[0]) < 300


def test_today_is_the_day_of_the_newest_answer() -> None:
    """So that parsing kept answers again ends the same."""
    answers = {
        str(month): Answer(
            key="", status=200, body=b"", media_type=None, fetched_at=datetime(2026, month, 5, tzinfo=UTC)
        )
        for month in (2, 9, 4)
    }
    assert get_today(answers) == date(2026, 9, 5)


@pytest.mark.parametrize("name", sorted(STAGE_OF))
@settings(max_examples=40)
@given(value=ANY_JSON)
def test_any_value_of_any_field_is_taken_or_refused(name: str, value: Any) -> None:
    """Never an exception; what is taken is a valid document, survives JSON, and is taken again unchanged."""
    facts, faults = build_facts(STAGE_OF[name], {name: value}, today=TODAY)
    AnimeDocument.model_validate({"title": "x", **facts})
    assert orjson.loads(orjson.dumps(facts)) == facts
    assert build_facts(STAGE_OF[name], facts, today=TODAY) == (facts, [])
    assert all(fault.field.startswith(name) and fault.kind == "value" for fault in faults)
