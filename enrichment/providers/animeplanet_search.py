"""What a search of Anime-Planet shows: cards with a hint of each title, or the page of the only one."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import html

from enrichment.providers.animeplanet_facts import ANIME, KIND, YEARS, Page, build_metadata, find_route
from enrichment.providers.base import Answer, Candidate
from enrichment.providers.html_reader import find_class, load_page, read_line
from enrichment.providers.vocabulary import TYPES, translate


def build_candidates(page: Page, answer: Answer) -> list[Candidate]:
    """The titles of a page of results, in its order. Where nothing is found the site shows popular ones: not those."""
    if find_class(page.tree, "entryBar", tag="section"):
        return [candidate] if (candidate := _build_only(page, answer)) else []
    headings = (read_line(heading) or "" for heading in page.tree.xpath("//h3"))
    if any("couldn't find anything" in heading for heading in headings):
        return []
    return list(_iterate_cards(page.tree))


def _build_only(page: Page, answer: Answer) -> Candidate | None:
    """A search with one result leads to the title itself."""
    raw, route = build_metadata(page, today=answer.fetched_at.date()), find_route(page.tree)
    titles = tuple(dict.fromkeys(name for name in (raw["title"], *raw["synonyms"]) if name))
    if route is None or not titles:
        return None
    return Candidate(
        external_id=route,
        titles=titles,
        type=raw["type"],
        year=int(raw["year"]) if raw["year"] else None,
        episodes=int(raw["episodes"]) if raw["episodes"] else None,
    )


def _iterate_cards(tree: html.HtmlElement) -> Iterator[Candidate]:
    for card in find_class(tree, "card", tag="li"):
        for link in card.xpath("./a[@href]"):
            route = ANIME.fullmatch(link.get("href"))
            name = read_line(next(iter(find_class(link, "cardName")), None))
            if route and name:
                kind, year, episodes = _read_hint(link.get("title") or "")
                yield Candidate(external_id=route["route"], titles=(name,), type=kind, year=year, episodes=episodes)


def _read_hint(hint: str) -> tuple[str | None, int | None, int | None]:
    """Type, first year and number of episodes out of the piece of HTML that is shown beside a card."""
    # As a page: lxml asserts of a fragment that it is none, and pages may hold anything.
    tree = load_page("anime-planet", f"<div>{hint}</div>".encode())
    kind = KIND.fullmatch(read_line(next(iter(find_class(tree, "type")), None)) or "")
    years = YEARS.fullmatch(read_line(next(iter(find_class(tree, "iconYear")), None)) or "")
    episodes = kind["episodes"] if kind and not kind["open"] else None
    return (
        translate(TYPES, kind["type"]) if kind else None,
        int(years["first"]) if years else None,
        int(episodes) if episodes else None,
    )
