"""Attribute queries: facts in words ("mecha from the 90s by Sunrise"). Right is each title that has them all."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import reduce

from evaluation.catalogue import Catalogue, Title
from evaluation.gold import GoldQuery, sample_titles, split_count, take_queries

GROUP = "attributes"
# One title is a riddle rather than a query, and of many titles any ten would do.
_RIGHT_MIN, _RIGHT_MAX = 2, 60
_TYPE_WORDS = {"TV": "TV series", "MOVIE": "movie", "OVA": "OVA", "ONA": "ONA", "SPECIAL": "special"}

# A fact of a title: (what is asked, its value).
Fact = tuple[str, str | int]


def get_facts(title: Title) -> set[Fact]:
    """Everything about a title that a query may name."""
    facts: set[Fact] = {("genre", genre) for genre in title.genres}
    facts |= {("demographic", label) for label in title.demographics}
    facts |= {("studio", studio) for studio in title.studios}
    if title.document.get("type") in _TYPE_WORDS:
        facts.add(("type", title.document["type"]))
    if year := title.year:
        facts |= {("year", year), ("decade", year // 10 * 10)}
        if season := title.document.get("season"):
            facts.add(("season", f"{season.lower()} {year}"))
    return facts


def build_attribute_queries(catalogue: Catalogue, *, count: int, seed: int) -> tuple[GoldQuery, ...]:
    """`count` queries, as many of each form as of the others; each is true of the title that it was made from."""
    bearers = _index_facts(catalogue.titles)
    made: list[GoldQuery] = []
    for (form, say), share in zip(_FORMS.items(), split_count(count, len(_FORMS)), strict=True):
        build = _build_of_form(bearers, form, say, seed)
        made += take_queries(sample_titles(catalogue, f"{seed}:{form}"), build, count=share)
    return tuple(made)


def _index_facts(titles: Iterable[Title]) -> Mapping[Fact, set[str]]:
    bearers: dict[Fact, set[str]] = defaultdict(set)
    for title in titles:
        for fact in get_facts(title):
            bearers[fact].add(title.slug)
    return bearers


def _build_of_form(
    bearers: Mapping[Fact, set[str]], form: str, say: Callable[[Mapping[str, str | int]], str], seed: int
) -> Callable[[Title], GoldQuery | None]:
    def build(title: Title) -> GoldQuery | None:
        chosen = _choose_facts(get_facts(title), form.split("+"), random.Random(f"{seed}:{form}:{title.slug}"))
        if chosen is None:
            return None
        right = reduce(set.intersection, (bearers[fact] for fact in chosen))
        if not _RIGHT_MIN <= len(right) <= _RIGHT_MAX:
            return None
        return GoldQuery(f"{form}:{title.slug}", GROUP, form, say(dict(chosen)), dict.fromkeys(sorted(right), 1))

    return build


def _choose_facts(facts: set[Fact], wanted: list[str], rng: random.Random) -> list[Fact] | None:
    """One fact of each wanted sort, None if the title lacks one."""
    options = [sorted(fact for fact in facts if fact[0] == sort) for sort in wanted]
    return [rng.choice(group) for group in options] if all(options) else None


def _say_decade(decade: str | int) -> str:
    return f"the {int(decade) % 100}s" if int(decade) < 2000 else f"the {decade}s"


def _say_studio(studio: str | int) -> str:
    return str(studio).title()


_FORMS: dict[str, Callable[[Mapping[str, str | int]], str]] = {
    "genre+decade+studio": lambda f: f"{f['genre']} from {_say_decade(f['decade'])} by {_say_studio(f['studio'])}",
    "genre+type+year": lambda f: f"{f['genre']} {_TYPE_WORDS[str(f['type'])]} from {f['year']}",
    "genre+season": lambda f: f"{f['genre']} anime of {f['season']}",
    "demographic+genre+year": lambda f: f"{f['demographic']} {f['genre']} from {f['year']}",
    "studio+type": lambda f: f"{_TYPE_WORDS[str(f['type'])]} by {_say_studio(f['studio'])}",
}
