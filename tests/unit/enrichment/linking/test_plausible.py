"""Candidates of searches that cannot be what they say."""

from __future__ import annotations

import pytest

from enrichment.linking.plausible import check_candidates
from enrichment.providers.base import Candidate


@pytest.mark.parametrize(
    ("provider", "external_id"),
    [
        ("jikan", "-5"),
        ("jikan", "0"),
        ("anilist", "1" + "0" * 40),
        ("kitsu", "1\x00/../.."),
        ("kitsu", ""),
        ("animeschedule", "../.."),
        ("anime-planet", "a/b"),
    ],
)
def test_what_is_no_id_of_the_provider_is_left_out(provider: str, external_id: str) -> None:
    """Such a candidate must not be linked, nor get into an address; the others stay."""
    bad = Candidate(external_id=external_id, titles=("A title",))
    good = Candidate(external_id="77", titles=("Another",))
    assert check_candidates(provider, [bad, good]) == [good]


def test_titles_are_texts() -> None:
    """Controls go, what Postgres takes for no text is no title, and a candidate without any is none."""
    found = Candidate(external_id="1", titles=("a\x00b", "x\ud800y", "ab", "  ", "z" * 501))
    assert [one.titles for one in check_candidates("kitsu", [found])] == [("ab",)]
    assert check_candidates("kitsu", [Candidate(external_id="1", titles=("\x00",))]) == []


def test_numbers_that_cannot_be_are_not_known() -> None:
    """Year 0, -3 episodes and an id that is none say nothing; ids of places that we do not ask stay as they are."""
    absurd = Candidate(
        external_id="1", titles=("a",), year=0, episodes=-3, external_ids={"mal": "-7", "anilist": "5", "other": "x"}
    )
    (checked,) = check_candidates("kitsu", [absurd])
    assert (checked.year, checked.episodes) == (None, None)
    assert checked.external_ids == {"anilist": "5", "other": "x"}
    right = Candidate(external_id="1", titles=("a",), type="TV", year=1998, episodes=26)
    assert check_candidates("kitsu", [right]) == [right]
