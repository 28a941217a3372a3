"""Fields of one value: who wins, why, and what is told of the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from enrichment.merging import MergeModel, SourceClaims, learn_labelled, merge_title
from enrichment.merging.counting import LabelledField
from enrichment.merging.model import FieldModel, SourceQuality
from tests.unit.enrichment.merging.claims import BLANK, merge, say


def trust(field: str, **accuracy: float) -> MergeModel:
    """A model that knows how often these sources are right."""
    sources = {name: SourceQuality(accuracy=value) for name, value in accuracy.items()}
    return MergeModel({field: replace(BLANK.get_field(field), sources=sources)})


def test_two_against_one_win() -> None:
    """Three equally good sources: the majority, with the loser and its share told."""
    found = merge("episodes", say("jikan", episodes=12), say("anilist", episodes=12), say("kitsu", episodes=13))
    assert found.value == 12
    assert found.sources == ("anilist", "jikan")
    assert found.conflict
    assert found.method == "most probable"
    assert [(one.value, one.sources) for one in found.others] == [(13, ("kitsu",))]
    assert found.confidence > 0.9 > 0.1 > found.others[0].confidence


def test_one_reliable_source_beats_two_poor_ones() -> None:
    """What learning found counts more than heads."""
    model = trust("episodes", jikan=0.99, kitsu=0.6, anilist=0.6)
    found = merge(
        "episodes", say("jikan", episodes=12), say("kitsu", episodes=24), say("anilist", episodes=24), model=model
    )
    assert found.value == 12


def test_copies_do_not_outvote_an_independent_source() -> None:
    """The catalogue is made of the provider that it agrees with: together they are hardly more than that one."""
    both = [say("catalogue", type="TV"), say("jikan", type="TV")]
    together = merge("type", *both, say("anilist", type="ONA")).others[0].confidence
    independent = merge("type", say("kitsu", type="TV"), both[1], say("anilist", type="ONA")).others[0].confidence
    assert together > 2 * independent


def test_a_single_source_is_believed_as_far_as_it_is_reliable() -> None:
    """Its accuracy is the confidence of what it alone says."""
    found = merge("episodes", say("jikan", episodes=12), model=trust("episodes", jikan=0.9))
    assert found.confidence == pytest.approx(0.9)
    assert not found.conflict


def test_a_fresh_word_wins_while_a_title_is_airing() -> None:
    """A status of a year ago is overtaken; of two equal sources the new one is right."""
    found = merge("status", say("jikan", status="ONGOING", days_ago=365), say("kitsu", status="FINISHED"))
    assert found.value == "FINISHED"


def test_an_early_word_on_a_title_that_is_over_now_yields() -> None:
    """What was said before the last day was only announced: the word of afterwards wins."""
    early = say("jikan", episodes=12, days_ago=1_000, aired={"start": "2024-10-01"})
    found = merge("episodes", early, say("kitsu", episodes=13, status="FINISHED"))
    assert found.value == 13
    at_once = say("jikan", episodes=12, days_ago=460, aired={"start": "2024-10-01"})
    model = trust("episodes", jikan=0.95, kitsu=0.85)
    assert merge("episodes", at_once, say("kitsu", episodes=13, status="FINISHED"), model=model).value == 12


def test_facts_of_a_finished_title_do_not_grow_old() -> None:
    """Of a title that was over then, an old word is as good as a new one: only reliability decides."""
    model = trust("episodes", jikan=0.95, kitsu=0.9)
    old = say("jikan", episodes=26, days_ago=3_000, aired={"end": "1999-04-24"}, status="FINISHED")
    assert merge("episodes", old, say("kitsu", episodes=25), model=model).value == 26


def test_the_exact_day_wins_over_the_month() -> None:
    """The first of a month is how a site says that it knows the month only; it contradicts no day of it."""
    found = merge(
        "aired",
        say("jikan", aired={"start": "2012-04-07"}),
        say("kitsu", aired={"start": "2012-04-01"}),
    )
    assert found.value == {"start": "2012-04-07"}
    assert not found.conflict
    assert found.parts["start"].sources == ("jikan",)


def test_first_and_last_day_are_decided_apart() -> None:
    """Each may come from another source, and the field is as sure as the less sure of them."""
    found = merge("aired", say("jikan", aired={"start": "2012-04-07"}), say("kitsu", aired={"end": "2012-06-23"}))
    assert found.value == {"start": "2012-04-07", "end": "2012-06-23"}
    assert found.sources == ("jikan", "kitsu")


def test_a_first_day_supports_a_season_but_says_none() -> None:
    """What is implied helps a season that somebody says outright, and never comes out by itself."""
    spring, winter = say("jikan", season="SPRING"), say("kitsu", season="WINTER")
    found = merge("season", spring, winter, say("anidb", aired={"start": "2012-04-07"}))
    assert found.value == "SPRING"
    assert found.sources == ("anidb:aired", "jikan")
    assert merge("season", winter, say("anidb", aired={"start": "2012-04-07"})).value == "WINTER"


def test_spellings_of_a_name_support_each_other() -> None:
    """Case and punctuation are no conflict; the form that most trust is in is shown."""
    found = merge(
        "title_english",
        say("jikan", title_english="Attack on Titan"),
        say("anilist", title_english="ATTACK ON TITAN!"),
        say("kitsu", title_english="Attack on Titan"),
    )
    assert found.value == "Attack on Titan"
    assert not found.conflict
    assert len(found.sources) == 3


def test_what_a_source_mistakes_for_what_is_learned_by_label() -> None:
    """A source that calls every ONA a TV title is not believed when it says TV, and is when it says MOVIE."""
    taught = [
        LabelledField([say("kitsu", type=said), say("jikan", type=true)], "type", true)
        for said, true in [("TV", "ONA"), ("TV", "TV"), ("MOVIE", "MOVIE"), ("ONA", "ONA")] * 100
    ] + [LabelledField([say("kitsu", type="TV"), say("jikan", type="MOVIE")], "type", "TV")] * 40
    model = learn_labelled(taught)
    assert merge("type", say("kitsu", type="TV"), say("jikan", type="ONA"), model=model).value == "ONA"
    assert merge("type", say("kitsu", type="TV"), say("jikan", type="MOVIE"), model=model).value == "TV"


def test_statistics_come_from_one_source() -> None:
    """Score, voters and ranks are figures of one site: of the one with most voters; the next fills the gaps."""
    claims = (
        say("jikan", score=8.5, scored_by=1_000_000, rank=40),
        say("anilist", score=8.9, scored_by=2_000, favorites=77),
    )
    assert merge("score", *claims).value == 8.5
    assert merge("rank", *claims).sources == ("jikan",)
    assert merge("favorites", *claims).value == 77
    assert [one.value for one in merge("score", *claims).others] == [8.9]


def test_statistics_are_taken_fresh() -> None:
    """Figures of five years ago yield to those of today, though their voters were more."""
    old = say("jikan", score=8.0, scored_by=1_000, status="FINISHED", days_ago=5 * 365)
    assert merge("score", old, say("anilist", score=7.0, scored_by=500)).value == 7.0


def test_one_text_is_taken_whole() -> None:
    """The long, ended one without leftovers; nearly equal ones are one text of two sources; texts never conflict."""
    whole = "A story that is told from its start to its end, with people and places in it. " * 6
    cut = "A story that is told to..."
    found = merge(
        "synopsis",
        say("anilist", synopsis=cut),
        say("jikan", synopsis=whole),
        say("kitsu", synopsis=whole + "It ends."),
    )
    assert found.value in {whole, whole + "It ends."}
    assert set(found.sources) == {"jikan", "kitsu"}
    assert not found.conflict
    assert [one.value for one in found.others] == [cut]


def test_a_written_summary_yields_to_a_site_s_own_text() -> None:
    """What a language model wrote is trusted least."""
    text = "A text of a site that is as long as it has to be, and ends. " * 10
    found = merge("synopsis", say("synthesis", synopsis=text.replace("site", "model")), say("jikan", synopsis=text))
    assert found.value == text


def test_a_provider_knows_its_own_id() -> None:
    """Others may be wrong about it, and then that is told as a conflict."""
    found = merge(
        "external_ids",
        say("anilist", external_ids={"anilist": 3, "mal": 1}),
        say("catalogue", external_ids={"anilist": 2, "mal": 1}),
        say("kitsu", external_ids={"anilist": "2"}),
    )
    assert found.value == {"anilist": 3, "mal": 1}
    assert found.parts["anilist"].method == "its own id"
    assert found.conflict


def test_pictures_come_from_the_preferred_source() -> None:
    """Every site has its own, so that they differ is no conflict."""
    found = merge(
        "images",
        say("jikan", images={"picture": "a"}),
        say("kitsu", images={"picture": "b", "banner": "c"}),
        model=MergeModel(
            {"images": FieldModel(change=0, change_airing=0, sources={"kitsu": SourceQuality(accuracy=0.99)})}
        ),
    )
    assert found.value == {"picture": "b", "banner": "c"}
    assert not found.conflict


@pytest.mark.parametrize("status", ["FINISHED", "ONGOING"])
def test_time_does_not_choose_between_equal_sources(status: str) -> None:
    """Whoever is asked last brings neither another picture nor another score: with each round it would be another."""
    rounds = [(0, 40, 90), (90, 0, 40), (40, 90, 0), (0.2, 0, 0.1)]
    for name in ("images", "score"):
        chosen = set()
        for days in rounds:
            facts = [{"images": {"picture": site}, "score": score} for site, score in (("a", 7.5), ("b", 8), ("c", 7))]
            claims = [
                say(source, status=status, days_ago=ago, **one)
                for source, ago, one in zip(("jikan", "anilist", "kitsu"), days, facts, strict=True)
            ]
            chosen.add(repr(merge(name, *claims).value))
        assert len(chosen) == 1, (name, chosen)


def test_of_equal_pictures_the_one_that_is_there_stays() -> None:
    """The document's, else the catalogue's, else the first by name; one that nobody has any more is not kept."""
    claims = (
        say("jikan", images={"picture": "a"}),
        say("anilist", images={"picture": "b"}),
        say("catalogue", images={"picture": "c"}),
    )

    def choose(current: str | None, *given: SourceClaims) -> str:
        document = {"images": {"picture": current}} if current else {}
        merged = merge_title(given, BLANK, current=document).fields["images"].value
        return str(merged["picture"])

    assert [choose(current, *claims) for current in ("a", "b", "gone", None)] == ["a", "b", "c", "c"]
    assert choose(None, *claims[:2]) == "b"


def test_figures_stay_those_of_a_site_until_another_is_much_larger() -> None:
    """Voters go up and down; only twice as many take the score over. The catalogue's copy is never preferred."""
    small = {"score": 8.0, "scored_by": 900}
    claims = (say("jikan", score=7.5, scored_by=1_000), say("kitsu", **small))

    def choose(*given: SourceClaims, **document: Any) -> float:
        return float(merge_title(given, BLANK, current=document).fields["score"].value)

    shown = {**small, "statistics": {"jikan": {"score": 7.4, "scored_by": 800}, "kitsu": small}}
    assert choose(*claims) == 7.5
    assert choose(*claims, **shown) == 8.0
    assert choose(say("jikan", score=7.5, scored_by=2_000), claims[1], **shown) == 7.5
    assert choose(say("catalogue", score=9.0, scored_by=1_500), *claims) == 7.5
    assert choose(say("catalogue", score=9.0, scored_by=2_500), *claims) == 9.0
