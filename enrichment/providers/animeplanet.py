"""Anime-Planet: pages made for people, off unless somebody sets its address; robots.txt is obeyed.

Whoever keeps robots out is left alone: a challenge is BlockedError, and names that Cloudflare hides stay hidden.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

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
from enrichment.providers.base import (
    Answer,
    BlockedError,
    Candidate,
    Fault,
    Parsed,
    ProviderInfo,
    Request,
    ShapeChangedError,
)
from enrichment.providers.html_reader import find_class, iterate_json_ld, load_page, read_line
from enrichment.providers.json_reader import JsonReader
from enrichment.validation import build_facts, get_today

_NAME: Final = "anime-planet"
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
    """Anime-Planet's titles by their routes. One page serves all stages; it has no search that robots may use."""

    @property
    def info(self) -> ProviderInfo:
        """What Anime-Planet declares of itself: there is no API and no licence, so only facts are taken, and slowly."""
        return ProviderInfo(
            name=_NAME,
            id_space=ID_SPACES[_NAME],
            stages=frozenset({EnrichStage.METADATA, *_BUILDERS}),
            limits=PROVIDER_LIMITS[_NAME],
            can_search=False,
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
            return Parsed({}, (Fault("link[canonical]", f"is the page of {route!r}, not of {external_id!r}"),))
        today = get_today(answers)
        if stage in _NEEDS_DATA and not page.data.value:
            page.note("script[ld+json]", "is not there")
        raw = build_metadata(page, today=today) if stage is EnrichStage.METADATA else _BUILDERS[stage](page)
        facts, faults = build_facts(stage, raw, today=today)
        return Parsed(facts, (*page.faults, *faults))

    def plan_search(self, title: str) -> Request | None:
        """None: titles are linked by tables."""
        del title
        return None

    def parse_search(self, answer: Answer) -> Sequence[Candidate]:
        """None are ever asked for."""
        del answer
        return ()


def _build_key(external_id: str) -> str:
    return f"anime/{external_id}"


def _load_title(body: bytes) -> Page | None:
    """A title's page; None where the site has no such title."""
    tree = load_page(_NAME, body)
    heading = (read_line(next(iter(tree.xpath("//title")), None)) or "").casefold()
    if heading.startswith(_BLOCK_TITLES):
        raise BlockedError(f"{_NAME}: a page called {heading[:60]!r} in the place of the title's")
    if heading.startswith(_SEARCH_TITLE):
        return None
    faults: list[Fault] = []
    data = next((item for item in iterate_json_ld(tree, faults) if item.get("@type") in _TYPES), None)
    has_bar = bool(find_class(tree, "entryBar"))
    if data is None and not has_bar:
        raise ShapeChangedError(_NAME, ".entryBar", "is not there, and no JSON-LD either")
    return Page(tree, JsonReader(data or {}, "$", faults), faults)
