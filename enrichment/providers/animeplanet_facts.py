"""What a page of Anime-Planet says, in the document's words: its JSON-LD, and what stands only in the page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from lxml import html

from enrichment.providers.base import Fault
from enrichment.providers.html_reader import find_class, read_line
from enrichment.providers.json_reader import JsonReader
from enrichment.providers.vocabulary import (
    RELATION_WORDS,
    SEASONS,
    TYPES,
    sort_labels,
    translate,
    translate_staff_role,
)

# "TV (64 eps)", "Movie (1 ep x 107 min)", "TV (4+ eps)".
KIND: Final = re.compile(
    r"(?P<type>[^()]+?)\s*(?:\((?P<episodes>\d{1,5})(?P<open>\+)? eps?(?: x (?P<minutes>\d{1,4}) min)?\))?", re.ASCII
)
# "2009", "2009 - 2010", "2024 - ?", "TBA".
YEARS: Final = re.compile(r"(?P<first>\d{4})(?: - (?P<last>\d{4}|\?))?", re.ASCII)
_SEASON: Final = re.compile(r"/anime/seasons/(?P<season>[a-z]+)-\d{4}", re.ASCII)
ANIME: Final = re.compile(r"/anime/(?P<route>[a-z0-9][a-z0-9-]*)", re.ASCII)
_COUNT: Final = re.compile(r"[\d,]{1,15}", re.ASCII)
_BEST_SCORE: Final = 10
# Cloudflare takes names with an @ for addresses and hides them. What it hides is left hidden.
_HIDDEN: Final = "__cf_email__"


@dataclass(frozen=True, slots=True)
class Page:
    """One title's page: its tree, its JSON-LD (an empty object if it has none), and the faults met so far."""

    tree: html.HtmlElement
    data: JsonReader
    faults: list[Fault]

    @property
    def bar(self) -> html.HtmlElement:
        """The line below the title: type, studios, years, votes, rank. The whole page if it is not there."""
        return next(iter(find_class(self.tree, "entryBar")), self.tree)

    def note(self, where: str, problem: str) -> None:
        """A part of the page that is not as we know it."""
        self.faults.append(Fault(where, problem, "shape"))


def build_metadata(page: Page, *, today: date) -> dict[str, Any]:
    """Fields of the stage `metadata`, unchecked."""
    kind, years = _match(page, "type", KIND), _match(page, "iconYear", YEARS)
    studios = page.bar.xpath(".//a[starts-with(@href, '/anime/studios/')]")
    raw = {
        "title": page.data.get("name").text() or find_title(page),
        "synonyms": find_alternates(page),
        "synopsis": page.data.get("description").text(),
        "type": translate(TYPES, kind["type"]) if kind else None,
        # "4+ eps" have aired so far; how many there will be is not said.
        "episodes": kind["episodes"] if kind and not kind["open"] else None,
        "duration": kind["minutes"] if kind else None,
        "season": _find_season(page),
        "year": years["first"] if years else None,
        "aired": {
            "start": page.data.get("startDate").text() or page.data.get("datePublished").text(),
            "end": page.data.get("endDate").text(),
        },
        **_build_labels(page),
        "studios": [name for link in studios if (name := read_line(link))],
        "images": {"picture": _find_picture(page)},
        "external_ids": {"anime-planet": find_route(page.tree)},
    }
    return {**raw, "status": _find_status(page, raw, last=years["last"] if years else None, today=today)}


def build_statistics(page: Page) -> dict[str, Any]:
    """Fields of the stage `statistics`: the score is out of five, as the page itself says."""
    rating = page.data.get("aggregateRating")
    value, best = rating.get("ratingValue").number(), rating.get("bestRating").number()
    facts = {
        "score": round(value * _BEST_SCORE / best, 3) if value and best else None,
        "scored_by": rating.get("ratingCount").integer(),
        "rank": _find_count(page.bar, "Rank #"),
        "members": next((_find_count(stats, "") for stats in page.tree.xpath("//*[@id='entryStats']")), None),
    }
    own = {name: number for name, number in facts.items() if number}
    return {**facts, "statistics": {"anime-planet": own} if own else None}


def build_relations(page: Page) -> dict[str, Any]:
    """Fields of the stage `relations`: anime only."""
    related = []
    for entry in page.tree.xpath("//*[@id='tabs--relations--anime']//a[@href]"):
        route = ANIME.fullmatch(entry.get("href"))
        if route is None:
            continue
        name = next(iter(find_class(entry, "RelatedEntry__name")), None)
        words = read_line(next(iter(find_class(entry, "RelatedEntry__subtitle")), None))
        related.append(
            {
                "title": _read_name(name),
                "relation": translate(RELATION_WORDS, words),
                "external_ids": {"anime-planet": route["route"]},
            }
        )
    return {"related_anime": related}


def build_characters(page: Page) -> dict[str, Any]:
    """Fields of the stage `characters`: those on the title's own page, which says nothing of their roles."""
    return {
        "characters": [
            {
                "name": _to_name(_read_name(next(iter(find_class(card, "CharacterCard__title")), None))),
                "image": _find_background(card),
                "voice_actors": [_to_name(read_line(voice)) for voice in find_class(card, "flagJP")],
            }
            for card in _find_cards(page, "/characters/")
        ]
    }


def build_staff(page: Page) -> dict[str, Any]:
    """Fields of the stage `staff`: one entry a person and role."""
    staff = []
    for card in _find_cards(page, "/people/"):
        name = _to_name(_read_name(next(iter(find_class(card, "CharacterCard__title")), None)))
        roles = read_line(next(iter(find_class(card, "CharacterCard__body")), None)) or ""
        staff += [{"name": name, "role": translate_staff_role(role)} for role in roles.split(" & ")]
    return {"staff": staff}


def find_route(tree: html.HtmlElement) -> str | None:
    """The last part of the address that the page calls its own."""
    for address in tree.xpath("//link[@rel='canonical']/@href"):
        if found := ANIME.search(str(address)):
            return found["route"]
    return None


def _match(page: Page, name: str, pattern: re.Pattern[str]) -> re.Match[str] | None:
    text = read_line(next(iter(find_class(page.bar, name)), None))
    if text is None:
        page.note(f".entryBar .{name}", "is not there")
        return None
    found = pattern.fullmatch(text)
    if found is None and text != "TBA":
        page.note(f".entryBar .{name}", f"{text[:60]!r} has not the form that we know")
    return found


def find_title(page: Page) -> str | None:
    """Where there is no JSON-LD: as the page shows itself to others, else its heading."""
    for title in page.tree.xpath("//meta[@property='og:title']/@content"):
        return str(title)
    return _read_name(next(iter(page.tree.xpath("//h1")), None))


def find_alternates(page: Page) -> list[str]:
    """The page joins them by commas; a name that is hidden is known only where the JSON-LD has it, too."""
    names = [name for reader in page.data.get("alternateName").items() if (name := reader.text())]
    for heading in find_class(page.tree, "aka"):
        label, _, text = (read_line(heading) or "").partition(": ")
        if not find_class(heading, _HIDDEN):
            names += text.split(", ") if label == "Alt titles" else [text]
        elif not names:
            page.faults.append(Fault("synonyms", "a name is hidden as if it were an address of electronic mail"))
    return names


def _find_status(page: Page, raw: Mapping[str, Any], *, last: str | None, today: date) -> str | None:
    """A page gives years and days, no status. A year that is over says nothing of a title that never had a day."""
    now, year = today.isoformat(), raw["year"]
    start, end = raw["aired"]["start"], raw["aired"]["end"]
    if year is None:
        return "UPCOMING" if _says_tba(page) else None
    if last == "?":
        return "ONGOING"
    if (start and start > now) or int(year) > today.year:
        return "UPCOMING"
    if end:
        return "FINISHED" if end <= now else "ONGOING"
    return "FINISHED" if (start or raw["episodes"]) and int(last or year) < today.year else None


def _says_tba(page: Page) -> bool:
    return read_line(next(iter(find_class(page.bar, "iconYear")), None)) == "TBA"


def _find_season(page: Page) -> str | None:
    for address in page.bar.xpath(".//a/@href"):
        if found := _SEASON.fullmatch(str(address)):
            return translate(SEASONS, found["season"])
    return None


def _build_labels(page: Page) -> dict[str, Any]:
    """Tags and content warnings, which stand in lists with commas."""
    links = [
        link
        for block in find_class(page.tree, "tags")
        for link in block.xpath(".//a[starts-with(@href, '/anime/tags/')]")
    ]
    labels = sort_labels(name.rstrip(", ") for link in links if (name := read_line(link)))
    return {
        "genres": labels.genres,
        "themes": labels.themes,
        "demographics": labels.demographics,
        "tags": labels.others,
    }


def _find_picture(page: Page) -> str | None:
    """The JSON-LD has the site's address twice before it."""
    address = page.data.get("image").text()
    return address[address.rfind("https://") :] if address and "https://" in address else address


def _find_count(element: html.HtmlElement, before: str) -> int | None:
    """The number after these words, or the first one of the element's text."""
    text = read_line(element) or ""
    found = _COUNT.search(text, text.find(before) + len(before)) if before in text else None
    digits = found[0].replace(",", "") if found else ""
    return int(digits) if digits else None


def _find_cards(page: Page, path: str) -> list[html.HtmlElement]:
    cards = find_class(page.tree, "CharacterCard", tag="a")
    return [card for card in cards if (card.get("href") or "").startswith(path)]


def _find_background(card: html.HtmlElement) -> str | None:
    for style in card.xpath(".//aside/@style"):
        if found := re.search(r"url\((https://[^()\s]+)\)", str(style)):
            return found[1]
    return None


def _read_name(element: html.HtmlElement | None) -> str | None:
    """A name that is not hidden."""
    return None if element is None or find_class(element, _HIDDEN) else read_line(element)


def _to_name(name: str | None) -> str | None:
    """'Alphonse ELRIC' -> 'Alphonse Elric'; a name that is all in capitals is meant so."""
    if name is None or name.upper() == name:
        return name
    return " ".join(
        word.title() if word.isupper() and len(word) > 1 and "." not in word else word for word in name.split()
    )
