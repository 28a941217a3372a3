"""Probabilities of candidates."""

from __future__ import annotations

from dataclasses import replace

import pytest

from enrichment.linking.features import Subject, build_subject, measure
from enrichment.linking.scoring import LinkModel, load_model, score_candidates
from enrichment.providers.base import Candidate
from storage.database.enrichment_models import LinkState

SUBJECT = Subject(
    titles=("Kumo no Uta: Hajimari", "Song of the Clouds", "雲の歌 はじまり"), main=3, type="TV", year=2012, episodes=12
)
SAME = Candidate(
    external_id="1", titles=("Kumo no Uta: Hajimari", "雲の歌 はじまり"), type="TV", year=2012, episodes=12
)


def score(subject: Subject, *candidates: Candidate) -> dict[str, float]:
    """Probabilities by id."""
    return {one.candidate.external_id: one.probability for one in score_candidates(subject, candidates, load_model())}


def judge(subject: Subject, *candidates: Candidate) -> LinkState:
    """What becomes of the best."""
    return score_candidates(subject, candidates, load_model())[0].state


def test_the_same_title_is_linked() -> None:
    """Titles in two scripts, type, year and episodes that agree make a link."""
    assert judge(SUBJECT, SAME) is LinkState.LINKED


@pytest.mark.parametrize(
    "other",
    [
        replace(SAME, titles=("Kumo no Uta: Hajimari 2nd Season", "雲の歌 はじまり 第2期"), year=2014),
        replace(SAME, titles=("Kumo no Uta: Hajimari OVA",), type="OVA", year=2013, episodes=1),
        replace(SAME, titles=("Gekijouban Kumo no Uta: Hajimari",), type="MOVIE", year=2014, episodes=1),
        replace(SAME, titles=("Kaze no Uta: Owari", "風の歌 終わり")),
        replace(SAME, type="MOVIE", year=1998, episodes=1),
    ],
)
def test_another_title_is_not_linked(other: Candidate) -> None:
    """Another season, an OVA, a movie, another name, and the same name of another time are not accepted."""
    assert judge(SUBJECT, other) is not LinkState.LINKED


def test_the_right_season_comes_first() -> None:
    """Among the seasons of a series the one that is meant is the most probable."""
    second = replace(SAME, external_id="2", titles=("Kumo no Uta: Hajimari 2nd Season",), year=2014, episodes=12)
    wanted = Subject(titles=("Kumo no Uta: Hajimari Season 2",), main=1, type="TV", year=2014, episodes=12)
    found = score(wanted, SAME, second)
    assert found["2"] > found["1"]


def test_a_near_rival_costs_certainty() -> None:
    """Two entries that fit equally well are each less sure than one alone."""
    rival = replace(SAME, external_id="2")
    assert score(SUBJECT, SAME, rival)["1"] < score(SUBJECT, SAME)["1"]


def test_an_id_elsewhere_decides() -> None:
    """A provider that names our id is believed, and one that names another is asked about at best."""
    subject = replace(SUBJECT, external_ids={"mal": "7"})
    bare = Candidate(external_id="1", titles=("Quite another name",))
    assert judge(subject, replace(bare, external_ids={"mal": "7"})) is LinkState.LINKED
    assert judge(subject, replace(SAME, external_ids={"mal": "8"})) is not LinkState.LINKED


def test_a_short_common_title_alone_is_not_enough() -> None:
    """One short word that is the same, and nothing else known, links nothing."""
    assert judge(Subject(titles=("Ai",), main=1), Candidate(external_id="1", titles=("Ai",))) is not LinkState.LINKED


def test_order_does_not_depend_on_the_candidates_order() -> None:
    """The same candidates in another order give the same list."""
    others = [replace(SAME, external_id=str(number), year=2010 + number) for number in range(5)]
    forth = score_candidates(SUBJECT, others, load_model())
    back = score_candidates(SUBJECT, list(reversed(others)), load_model())
    assert [(one.candidate.external_id, one.probability) for one in forth] == [
        (one.candidate.external_id, one.probability) for one in back
    ]


def test_reasons_are_words() -> None:
    """What speaks for and against a candidate is told to the person who decides."""
    (one,) = score_candidates(SUBJECT, [replace(SAME, year=2014, type="MOVIE")], load_model())
    assert {"a title is the same", "another year", "another type"} <= set(one.why)


def test_a_candidate_without_titles_is_nothing() -> None:
    """A candidate that shows no title is never linked, and no error."""
    assert judge(SUBJECT, Candidate(external_id="1", titles=())) is not LinkState.LINKED


def test_calibration_is_monotonous() -> None:
    """A higher score is never a lower probability, and all are between 0 and 1."""
    for certainty in (load_model().known, load_model().bare):
        found = [certainty.calibrate(score / 4) for score in range(-80, 80)]
        assert found == sorted(found)
        assert 0 <= found[0] <= found[-1] <= 1


def test_titles_alone_have_to_be_surer() -> None:
    """Where nothing but titles is known a link needs at least as high a probability, never below four in five."""
    model = load_model()
    assert 0.8 <= model.known.accept <= model.bare.accept


def test_parameters_survive_json() -> None:
    """What is stored is what is loaded."""
    assert LinkModel.from_json(load_model().to_json()) == load_model()


def test_a_stored_document_is_a_subject() -> None:
    """Own names come first, then synonyms; unknown facts are none."""
    document = {
        "title": "A",
        "title_japanese": "雲",
        "synonyms": ["B", "A"],
        "type": "UNKNOWN",
        "aired": {"start": "2011-04-01"},
    }
    subject = build_subject(document)
    assert (subject.titles, subject.main, subject.type, subject.year) == (("A", "雲", "B"), 2, None, 2011)


def test_what_is_unknown_is_no_difference() -> None:
    """A candidate of a dump, of which only titles are known, differs in nothing else."""
    features = measure(SUBJECT, replace(SAME, type=None, year=None, episodes=None))
    assert {"type_unknown", "year_unknown", "episodes_unknown"} <= set(features)
    assert not {"type_differs", "year_differs", "episodes_differ"} & set(features)
