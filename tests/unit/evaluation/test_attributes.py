"""Attribute queries: facts in words, and every title of which they hold."""

from __future__ import annotations

from evaluation.attributes import build_attribute_queries, get_facts
from evaluation.catalogue import Catalogue, Title


def make_title(number: int, **more: object) -> Title:
    """A mecha series by Sunrise unless told otherwise."""
    document = {
        "title": f"Robot {number}",
        "genres": ["mecha"],
        "studios": ["Sunrise Inc."],
        "year": 1995 + number,
        "season": "SPRING",
        "type": "TV",
        "demographics": ["shounen"],
    }
    return Title(f"robot-{number}", document | more)


def test_right_is_every_title_of_which_all_facts_hold() -> None:
    """Other studios and decades are wrong, however near they are."""
    titles = [make_title(0), make_title(1), make_title(2, studios=["Gainax"]), make_title(3, year=2005)]
    queries = build_attribute_queries(Catalogue(titles), count=50, seed=1)
    asked = next(query for query in queries if query.text == "mecha from the 90s by Sunrise")
    assert asked.relevant == {"robot-0": 1, "robot-1": 1}


def test_genres_and_audiences_count_wherever_they_are_stated() -> None:
    """Three titles of four have them among their tags only."""
    facts = get_facts(Title("x", {"title": "X", "tags": ["science fiction", "robot", "seinen"]}))
    assert facts == {("genre", "sci-fi"), ("demographic", "seinen")}


def test_a_single_answer_is_no_attribute_query() -> None:
    """One title is a riddle: its name would be asked for instead."""
    assert build_attribute_queries(Catalogue([make_title(0)]), count=50, seed=1) == ()


def test_facts_that_too_many_share_are_no_query() -> None:
    """Where sixty and more are right, any ten would do."""
    titles = [make_title(number, year=1995) for number in range(61)]
    assert build_attribute_queries(Catalogue(titles), count=50, seed=1) == ()


def test_every_form_is_asked() -> None:
    """Two titles with all facts in common give a query of each form."""
    titles = [make_title(0), make_title(1, year=1995)]
    texts = {query.text for query in build_attribute_queries(Catalogue(titles), count=50, seed=1)}
    assert texts == {
        "mecha from the 90s by Sunrise",
        "mecha TV series from 1995",
        "mecha anime of spring 1995",
        "shounen mecha from 1995",
        "TV series by Sunrise",
    }
