"""Searches in an index of titles, and looks at records."""

from __future__ import annotations

from dataclasses import replace

import pytest

from enrichment.linking.features import Subject
from enrichment.linking.index import TitleIndex
from enrichment.linking.scoring import load_model
from enrichment.linking.searching import find_candidates
from enrichment.providers.base import Candidate, ProviderUnavailableError
from storage.database.enrichment_models import LinkState

CLOUDS = Candidate(external_id="1", titles=("Kumo no Uta: Hajimari", "雲の歌 はじまり", "Song of the Clouds"))
SECOND = Candidate(external_id="2", titles=("Kumo no Uta: Hajimari 2nd Season", "雲の歌 はじまり 第2期"))
WIND = Candidate(external_id="3", titles=("Kaze no Tani", "風の谷"))
SUBJECT = Subject(titles=("Kumo no Uta: Hajimari", "雲の歌 はじまり"), main=2, type="TV", year=2012, episodes=12)


def test_the_index_finds_titles_in_all_languages() -> None:
    """A title is found by any of its names, the same one first."""
    index = TitleIndex([CLOUDS, SECOND, WIND])
    assert [one.external_id for one in index.search("Song of the Clouds")][:1] == ["1"]
    assert [one.external_id for one in index.search("雲の歌 はじまり 第2期")][:1] == ["2"]


@pytest.mark.parametrize("text", ["Kumo no Uta Hajimri", "kumonouta hajimari", "Kumo no Utaa: Hajimari!"])
def test_the_index_bears_other_spellings(text: str) -> None:
    """Letters that are missing or added do not hide a title."""
    assert TitleIndex([WIND, CLOUDS]).search(text)[0].external_id == "1"


def test_the_index_finds_nothing_in_nothing() -> None:
    """An empty index and a text of other letters have no candidates."""
    assert TitleIndex([]).search("Kumo") == []
    assert TitleIndex([WIND]).search("xqxq") == []


def test_the_next_name_is_asked_for_only_in_doubt() -> None:
    """A first search that finds the title is the only one."""
    asked: list[str] = []

    def search(title: str) -> list[Candidate]:
        asked.append(title)
        return [replace(CLOUDS, type="TV", year=2012, episodes=12)]

    assert find_candidates(SUBJECT, search, None, load_model())[0].candidate.external_id == "1"
    assert asked == ["Kumo no Uta: Hajimari"]


def test_all_names_are_asked_for_where_nothing_is_found() -> None:
    """Own names are searched for one after the other."""
    asked: list[str] = []

    def search(title: str) -> list[Candidate]:
        asked.append(title)
        return []

    assert find_candidates(SUBJECT, search, None, load_model()) == []
    assert asked == list(SUBJECT.titles)


def test_a_record_tells_what_a_dump_does_not() -> None:
    """The record of the best candidate gives type, year and episodes, and with them more certainty."""
    index = TitleIndex([CLOUDS, SECOND, WIND])
    records = {"1": replace(CLOUDS, type="TV", year=2012, episodes=12)}
    bare = find_candidates(SUBJECT, index.search, None, load_model())
    verified = find_candidates(SUBJECT, index.search, records.get, load_model())
    assert bare[0].candidate.external_id == verified[0].candidate.external_id == "1"
    assert verified[0].probability > bare[0].probability
    assert verified[0].candidate.year == 2012


def test_a_record_of_something_else_unmakes_the_candidate() -> None:
    """A record with another type and year leaves no link."""
    index = TitleIndex([CLOUDS])
    records = {"1": replace(CLOUDS, type="MOVIE", year=1985, episodes=1)}
    found = find_candidates(SUBJECT, index.search, records.get, load_model())
    assert found[0].state is not LinkState.LINKED


def test_a_record_that_is_gone_takes_its_candidate_along() -> None:
    """What the provider does not know any more is no candidate."""
    found = find_candidates(SUBJECT, TitleIndex([CLOUDS, WIND]).search, lambda _: None, load_model())
    assert "1" not in [one.candidate.external_id for one in found]


def test_at_most_two_records_are_looked_at() -> None:
    """However many candidates are alike, two requests are made."""
    many = [replace(CLOUDS, external_id=str(number)) for number in range(6)]
    looked_at: list[str] = []

    def verify(external_id: str) -> Candidate:
        looked_at.append(external_id)
        return replace(CLOUDS, external_id=external_id, type="MOVIE", year=1980, episodes=1)

    find_candidates(SUBJECT, TitleIndex(many).search, verify, load_model())
    assert len(looked_at) <= 2


def test_a_provider_that_is_away_is_said() -> None:
    """What a search raises is raised, not taken for nothing found."""

    def search(title: str) -> list[Candidate]:
        raise ProviderUnavailableError("anilist", "away", retry_after_s=1.0)

    with pytest.raises(ProviderUnavailableError):
        find_candidates(SUBJECT, search, None, load_model())
