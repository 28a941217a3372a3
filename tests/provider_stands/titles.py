"""The titles that the stands know: the facts of our sample catalogue, and more made up beside them.

Everything follows from the catalogue and a title's number: every run of every process shows the same.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

SAMPLE = Path(__file__).parents[2] / "data" / "sample-catalogue.jsonl"
# Ids of made-up titles, characters and people begin here: no id of the sample is as large.
FIRST_MADE_UP = 700_000
_GIVEN = ("Akira", "Haruka", "Kenta", "Mio", "Ren", "Sora", "Tsubasa", "Yui", "Nagisa", "Itsuki", "Kaede", "Shun")
_FAMILY = ("Aoki", "Fujita", "Hayashi", "Kuroda", "Minami", "Nishino", "Okabe", "Sakai", "Tachibana", "Ueda", "Yabe")
_JOBS = ("Director", "Series Composition", "Music", "Character Design", "Original Creator", "Producer")
_ROLES = ("Main", "Main", "Supporting", "Supporting", "Supporting")
_WORD = re.compile(r"\w+")
_DAYS_A_WEEK = 7
# So many episodes of a very long title are listed.
_MOST_EPISODES = 250


@dataclass(frozen=True)
class Person:
    """Somebody, or a character; `number` is the id at every provider."""

    number: int
    given: str
    family: str

    @property
    def name(self) -> str:
        """As AniList and Kitsu write it."""
        return f"{self.given} {self.family}"

    @property
    def reversed_name(self) -> str:
        """As MyAnimeList writes it."""
        return f"{self.family}, {self.given}"


@dataclass(frozen=True)
class Role:
    """A character with its voice, or a person with a job."""

    person: Person
    role: str
    voice: Person | None = None


@dataclass(frozen=True)
class EpisodeFacts:
    """One episode."""

    number: int
    title: str
    title_japanese: str
    aired: date


@dataclass(frozen=True)
class StandTitle:
    """One title. `facts` is a document as in our catalogue; `ids` are its ids by provider, as text."""

    facts: Mapping[str, Any]
    ids: Mapping[str, str]
    characters: Sequence[Role]
    staff: Sequence[Role]
    episodes: Sequence[EpisodeFacts]
    # (kind, title) of those that it names; kinds as in our documents: sequel, prequel, ...
    related: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        """The main title."""
        return str(self.facts["title"])

    @property
    def first_day(self) -> date:
        """First day of airing."""
        return date.fromisoformat(self.facts["aired"]["start"])

    @property
    def last_day(self) -> date | None:
        """Last day of airing, None if it goes on. A film's is its first."""
        if end := self.facts["aired"].get("end"):
            return date.fromisoformat(end)
        return self.episodes[-1].aired if self.facts["status"] == "FINISHED" else None

    def vary(self, provider: str) -> random.Random:
        """Numbers of this title at one provider: where sources differ, they always differ in the same way."""
        return random.Random(f"{provider}:{self.ids['mal']}")


@cache
def load_titles(count: int = 300) -> tuple[StandTitle, ...]:
    """The first `count` of the sample's titles with ids everywhere; beyond these, made-up ones of their kind."""
    records = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    whole = [record for record in records if {"mal", "anilist", "kitsu", "anidb"} <= record["external_ids"].keys()]
    facts = [whole[number] if number < len(whole) else _make_up(whole, number) for number in range(count)]
    titles = [_build(record, number) for number, record in enumerate(facts)]
    return tuple(_relate(titles))


def search_titles(titles: Iterable[StandTitle], text: str) -> list[StandTitle]:
    """Those with a word of the text in one of their names; the most words first, then the shortest name."""
    words = set(_WORD.findall(text.casefold()))
    scored = [(len(words & _list_words(title)), title) for title in titles]
    found = sorted((pair for pair in scored if pair[0]), key=lambda pair: (-pair[0], len(pair[1].title)))
    return [title for _, title in found]


def _list_words(title: StandTitle) -> set[str]:
    facts = title.facts
    names = [title.title, facts.get("title_english") or "", facts["title_japanese"], *facts.get("synonyms", [])]
    return set(_WORD.findall(" ".join(names).casefold()))


def build_catalogue(titles: Sequence[StandTitle], *, keep: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    """Documents to import: name, ids, type and year of each, and the fields in `keep`; the rest is for enrichment.

    No id of AnimeSchedule's is among them, unless `keep` has 'animeschedule': it is found by its search.
    """
    fields = {"title", "type", "year", "external_ids"} | keep
    lines = [{name: value for name, value in title.facts.items() if name in fields} for title in titles]
    if "animeschedule" in keep:
        for line, title in zip(lines, titles, strict=True):
            line["external_ids"] = {**line["external_ids"], "animeschedule": title.ids["animeschedule"]}
    return lines


def _make_up(sample: Sequence[Mapping[str, Any]], number: int) -> dict[str, Any]:
    model = sample[number % len(sample)]
    ids = dict.fromkeys(("mal", "anilist", "kitsu", "anidb"), FIRST_MADE_UP + number)
    left_out = ("related_anime", "franchise", "external_ids", "episode_list", "characters", "staff", "reviews")
    return {
        **{name: value for name, value in model.items() if name not in left_out},
        "title": f"{model['title']} {number}",
        "title_english": f"{model.get('title_english') or model['title']} {number}",
        "title_japanese": f"{model['title_japanese']}{number}",
        "synonyms": [f"Made-up {number}"],
        "episodes": 12 + number % 15,
        "external_ids": {**ids, "anime-planet": f"made-up-{number}"},
    }


def _build(facts: Mapping[str, Any], number: int) -> StandTitle:
    ids = {name: str(value) for name, value in facts["external_ids"].items()}
    ids["animeschedule"] = ids["anime-planet"]
    random_numbers = random.Random(f"title:{number}")
    people = [_draw_person(random_numbers, FIRST_MADE_UP + 20 * number + place) for place in range(16)]
    return StandTitle(
        facts=facts,
        ids=ids,
        characters=[
            Role(person, role, voice) for person, role, voice in zip(people[:5], _ROLES, people[5:10], strict=True)
        ],
        staff=[Role(person, job) for person, job in zip(people[10:], _JOBS, strict=True)],
        episodes=_list_episodes(facts),
    )


def _draw_person(numbers: random.Random, number: int) -> Person:
    return Person(number, numbers.choice(_GIVEN), f"{numbers.choice(_FAMILY)}{number % 97}")


def _list_episodes(facts: Mapping[str, Any]) -> list[EpisodeFacts]:
    first = date.fromisoformat(facts["aired"]["start"])
    count = min(facts.get("episodes") or 12, _MOST_EPISODES)
    return [
        EpisodeFacts(
            number, f"The Tale of Day {number}", f"第{number}話", first + timedelta(_DAYS_A_WEEK * (number - 1))
        )
        for number in range(1, count + 1)
    ]


def _relate(titles: Sequence[StandTitle]) -> list[StandTitle]:
    """Every fifth title is the sequel of the one before it."""
    related: dict[int, tuple[tuple[str, str], ...]] = {}
    for number, (one, other) in enumerate(pairwise(titles)):
        if number % 5 == 0:
            related[number] = (("sequel", other.ids["mal"]),)
            related[number + 1] = (("prequel", one.ids["mal"]),)
    return [
        StandTitle(one.facts, one.ids, one.characters, one.staff, one.episodes, related.get(number, ()))
        for number, one in enumerate(titles)
    ]
