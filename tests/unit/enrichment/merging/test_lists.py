"""Fields of many values: each element by itself, objects field by field."""

from __future__ import annotations

from dataclasses import replace

from enrichment.merging import MergeModel
from enrichment.merging.model import SourceQuality
from tests.unit.enrichment.merging.claims import BLANK, merge, say


def test_an_element_that_nobody_else_has_is_dropped() -> None:
    """Two complete sources leave it out: it is told among the others, and that there is a conflict."""
    quality = {name: SourceQuality(accuracy=0.9, left_out=0.05, added=0.3) for name in ("jikan", "anilist", "kitsu")}
    model = MergeModel({"studios": replace(BLANK.get_field("studios"), sources=quality)})
    claims = [say(name, studios=["Sunrise"]) for name in ("jikan", "anilist")]
    found = merge("studios", *claims, say("kitsu", studios=["SUNRISE Inc.", "Bones"]), model=model)
    assert found.value == ["Sunrise"]
    assert [one.value for one in found.others] == ["Bones"]
    assert found.conflict
    assert found.elements[0].sources == ("anilist", "jikan", "kitsu")


def test_silence_counts_only_where_lists_are_complete() -> None:
    """Nobody has all synonyms: those of one source stay, whoever leaves them out."""
    found = merge("synonyms", *(say(name, synonyms=[name]) for name in ("jikan", "anilist", "kitsu", "anidb")))
    assert sorted(found.value) == ["anidb", "anilist", "jikan", "kitsu"]
    assert not found.conflict


def test_a_source_that_lists_nothing_is_not_silent() -> None:
    """An absent list says nothing of its elements."""
    alone = merge("genres", say("jikan", genres=["action"]))
    assert alone.value == ["action"]
    assert merge("genres", say("jikan", genres=["action"]), say("kitsu", genres=[])).confidence == alone.confidence


def test_labels_that_a_site_does_not_have_are_no_evidence() -> None:
    """A site that never says 'award winning' does not speak against it, and one that always would does."""
    never = SourceQuality(accuracy=0.9, left_out=0.1, added=0.2, label_left_out={"awardwinning": 0.99})
    model = MergeModel({"genres": replace(BLANK.get_field("genres"), sources={"kitsu": never})})
    found = merge(
        "genres", say("jikan", genres=["award winning", "drama"]), say("kitsu", genres=["action"]), model=model
    )
    sure = {one.value: one.confidence for one in (*found.elements, *found.others)}
    assert sure["award winning"] > sure["drama"] + 0.2


def test_something_is_kept_where_all_say_that_there_is_something() -> None:
    """The likeliest element, though none is more probable than not."""
    poor = {name: SourceQuality(accuracy=0.1, left_out=0.05, added=0.9) for name in ("jikan", "kitsu", "anilist")}
    model = MergeModel({"studios": replace(BLANK.get_field("studios"), truth=0.3, sources=poor)})
    found = merge("studios", *(say(name, studios=[name * 2]) for name in poor), model=model)
    assert len(found.value) == 1
    assert found.confidence < 0.5


def test_studios_are_shown_as_they_write_themselves() -> None:
    """A form with capitals is preferred to the catalogue's lower case."""
    assert merge("studios", say("catalogue", studios=["sunrise inc."]), say("jikan", studios=["Sunrise"])).value == [
        "Sunrise"
    ]


def test_episodes_are_joined_by_number() -> None:
    """Titles of one source go with days of another; a flag is set if anybody sets it; what differs is told."""
    found = merge(
        "episode_list",
        say("jikan", episode_list=[{"number": 2, "title": "B"}, {"number": 1, "title": "A", "filler": True}]),
        say("kitsu", episode_list=[{"number": 1, "title": "A!", "aired": "2012-04-07", "filler": False}]),
        say("anidb", episode_list=[{"number": 1, "title": "Z"}, {"number": 2, "aired": "2012-04-14"}]),
    )
    assert found.value == [
        {"number": 1, "title": "A", "aired": "2012-04-07", "filler": True},
        {"number": 2, "title": "B", "aired": "2012-04-14"},
    ]
    assert {"number": 1, "title": "Z"} in [one.value for one in found.others]
    assert found.conflict


def test_characters_are_joined_by_name() -> None:
    """Whichever way round; the longer description, all voices, the role that most say."""
    found = merge(
        "characters",
        say("jikan", characters=[{"name": "Spiegel, Spike", "role": "main", "voice_actors": ["Yamadera, Kouichi"]}]),
        say(
            "anilist",
            characters=[
                {
                    "name": "Spike Spiegel",
                    "role": "main",
                    "description": "A hunter.",
                    "voice_actors": ["Kouichi Yamadera"],
                },
                {"name": "Ein", "role": "supporting"},
            ],
        ),
    )
    spike = next(one for one in found.value if "Spike" in one["name"])
    assert len(found.value) == 2
    assert spike["description"] == "A hunter."
    assert len(spike["voice_actors"]) == 1


def test_staff_is_joined_by_name_and_role() -> None:
    """One person in two roles is two entries; without a role the same person is no third one."""
    found = merge(
        "staff",
        say("jikan", staff=[{"name": "Watanabe, Shinichirou", "role": "director"}]),
        say("anilist", staff=[{"name": "Shinichirou Watanabe", "role": "script"}]),
        say("kitsu", staff=[{"name": "Shinichirou Watanabe"}, {"name": "Yoko Kanno"}]),
    )
    assert sorted((one["name"].split()[-1], one.get("role")) for one in found.value) == [
        ("Kanno", None),
        ("Shinichirou", "director"),
        ("Watanabe", "script"),
    ]


def test_related_titles_are_joined_by_any_id() -> None:
    """Two entries that share one id are one title, with the ids of both."""
    found = merge(
        "related_anime",
        say("jikan", related_anime=[{"title": "Next", "relation": "sequel", "external_ids": {"mal": 5}}]),
        say("kitsu", related_anime=[{"relation": "sequel", "external_ids": {"kitsu": 9, "mal": "5"}}]),
        say("anidb", related_anime=[{"title": "next!", "external_ids": {"anidb": 7}}]),
    )
    first = next(one for one in found.value if "mal" in one["external_ids"])
    assert first["external_ids"].keys() == {"mal", "kitsu"}
    assert first["relation"] == "sequel"
