"""Anime-Planet: pages made for people, off unless somebody sets its address; robots.txt is obeyed.

Whoever keeps robots out is left alone: a challenge is BlockedError, and names that Cloudflare hides stay hidden.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

from lxml import html

from core.enrichment import ID_SPACES, EnrichStage
from core.providers import PROVIDER_LIMITS
from enrichment.providers.animeplanet_facts import (
    Page,
    build_characters,
    build_metadata,
    build_relations,
    build_staff,
    build_statistics,
    find_route,
)
from enrichment.providers.animeplanet_search import build_candidates
from enrichment.providers.base import (
    Answer,
    BlockedError,
    Candidate,
    Fault,
    Parsed,
    ProviderInfo,
    Request,
    ShapeChangedError,
    cut_search,
)
from enrichment.providers.html_reader import find_class, iterate_json_ld, load_page, read_line
from enrichment.providers.json_reader import JsonReader
from enrichment.validation import build_facts, get_today

_NAME: Final = "anime-planet"
# A page is whole if it ends; what follows the end is short.
_END_BYTES: Final = 4_000
_BLOCK_TITLES: Final = ("just a moment", "attention required", "access denied", "ddos-guard", "403 forbidden")
# Where a title is gone, the site searches for its name instead.
_SEARCH_TITLE: Final = "search results for"
_TYPES: Final = ("TVSeries", "Movie")
_BUILDERS: Final[Mapping[EnrichStage, Any]] = {
    EnrichStage.STATISTICS: build_statistics,
    EnrichStage.RELATIONS: build_relations,
    EnrichStage.CHARACTERS: build_characters,
    EnrichStage.STAFF: build_staff,
}
# Stages that read the JSON-LD.
_NEEDS_DATA: Final = frozenset({EnrichStage.METADATA, EnrichStage.STATISTICS})


class AnimePlanetProvider:
    """Anime-Planet's titles by their routes. One page serves all stages."""

    @property
    def info(self) -> ProviderInfo:
        """What Anime-Planet declares of itself: there is no API and no licence, so only facts are taken, and slowly."""
        return ProviderInfo(
            name=_NAME,
            id_space=ID_SPACES[_NAME],
            stages=frozenset({EnrichStage.METADATA, *_BUILDERS}),
            limits=PROVIDER_LIMITS[_NAME],
            can_search=True,
            licence="none: pages of the site; facts only, for your own use, where its terms let you",
            terms_url="https://www.anime-planet.com/termsofuse",
            obeys_robots=True,
        )

    def plan(self, stage: EnrichStage, external_id: str) -> tuple[Request, ...]:
        """The title's page, whatever the stage."""
        del stage
        path = f"/anime/{quote(external_id, safe='')}"
        return (Request(key=_build_key(external_id), path=path, accept="text/html"),)

    def parse(self, stage: EnrichStage, external_id: str, answers: Mapping[str, Answer]) -> Parsed:
        """Facts of one stage. Raises BlockedError for a page that keeps robots out."""
        answer = answers[_build_key(external_id)]
        if answer.is_absent or (page := _load_title(answer.body)) is None:
            return Parsed({})
        if (route := find_route(page.tree)) != external_id:
            raise ShapeChangedError(_NAME, "link[canonical]", f"is the page of {route!r}, not of {external_id!r}")
        today = get_today(answers)
        if stage in _NEEDS_DATA and not page.data.value:
            page.note("script[ld+json]", "is not there")
        raw = build_metadata(page, today=today) if stage is EnrichStage.METADATA else _BUILDERS[stage](page)
        facts, faults = build_facts(stage, raw, today=today)
        return Parsed(facts, (*page.faults, *faults))

    def plan_search(self, title: str) -> Request | None:
        """A search by name; robots.txt decides whether it is asked."""
        title = cut_search(title)
        return Request(key=f"search/{title}", path=f"/anime/all?{urlencode({'name': title})}", accept="text/html")

    def parse_search(self, answer: Answer) -> Sequence[Candidate]:
        """The titles found, the best first. Raises BlockedError for a page that keeps robots out."""
        if answer.is_absent:
            return ()
        tree = _load_tree(answer.body)
        return build_candidates(_build_page(tree), answer)


def _build_key(external_id: str) -> str:
    return f"anime/{external_id}"


def _load_tree(body: bytes) -> html.HtmlElement:
    if b"</html" not in body[-_END_BYTES:].lower():
        raise ShapeChangedError(_NAME, "html", "does not end: a part of the page is missing")
    tree = load_page(_NAME, body)
    heading = _read_heading(tree)
    if heading.startswith(_BLOCK_TITLES):
        raise BlockedError(f"{_NAME}: a page called {heading[:60]!r} in the place of ours")
    return tree


def _read_heading(tree: html.HtmlElement) -> str:
    return (read_line(next(iter(tree.xpath("//title")), None)) or "").casefold()


def _build_page(tree: html.HtmlElement) -> Page:
    faults: list[Fault] = []
    data = next((item for item in iterate_json_ld(tree, faults) if item.get("@type") in _TYPES), {})
    return Page(tree, JsonReader(data, "$", faults), faults)


def _load_title(body: bytes) -> Page | None:
    """A title's page; None where the site has no such title."""
    tree = _load_tree(body)
    if _read_heading(tree).startswith(_SEARCH_TITLE):
        return None
    page = _build_page(tree)
    if not page.data.value and not find_class(tree, "entryBar", tag="section"):
        raise ShapeChangedError(_NAME, ".entryBar", "is not there, and no JSON-LD either")
    return page
