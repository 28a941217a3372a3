"""Kitsu: its JSON:API, asked as https://kitsu.docs.apiary.io/ says. Lists come in pages of 20."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote, urlencode

from core.enrichment import ID_SPACES, EnrichStage
from core.providers import PROVIDER_LIMITS
from enrichment.providers.base import Answer, Candidate, Parsed, ProviderInfo, Request, ShapeChangedError, cut_search
from enrichment.providers.kitsu_facts import (
    build_candidate,
    build_characters,
    build_episodes,
    build_metadata,
    build_relations,
    build_staff,
    build_statistics,
)
from enrichment.providers.kitsu_resources import Resources, load_resources
from enrichment.validation import build_facts, get_today

_NAME: Final = "kitsu"
_PAGE_SIZE: Final = 20
# 2,000 episodes: a list that goes on is cut, and says so.
_MAX_PAGES: Final = 100
_MEDIA_TYPE: Final = "application/vnd.api+json"

_INCLUDE: Final = (
    "categories,genres,animeProductions.producer,mediaRelationships.destination,mappings,streamingLinks.streamer"
)
_FIELDS: Final = {"fields[categories]": "title", "fields[genres]": "name", "fields[producers]": "name"}
_OF_TITLE: Final = frozenset({EnrichStage.METADATA, EnrichStage.RELATIONS, EnrichStage.STATISTICS})


class KitsuProvider:
    """Kitsu's titles by their numbers. One answer serves metadata, relations and statistics."""

    @property
    def info(self) -> ProviderInfo:
        """What Kitsu declares of itself: no limit is published, so ours is modest."""
        return ProviderInfo(
            name=_NAME,
            id_space=ID_SPACES[_NAME],
            stages=frozenset(EnrichStage),
            limits=PROVIDER_LIMITS[_NAME],
            can_search=True,
            licence="no licence stated; facts only, texts by their writers",
            terms_url="https://kitsu.app/terms",
        )

    def plan(self, stage: EnrichStage, external_id: str) -> tuple[Request, ...]:
        """The title with what belongs to it, or the first page of a list."""
        return (_build_title_request(external_id),) if stage in _OF_TITLE else (_build_page(stage, external_id, 0),)

    def parse(self, stage: EnrichStage, external_id: str, answers: Mapping[str, Answer]) -> Parsed:
        """Facts of one stage. Raises ShapeChangedError where an answer is no JSON:API document."""
        if stage in _OF_TITLE:
            return self._parse_title(stage, external_id, answers)
        return self._parse_pages(stage, external_id, answers)

    def plan_search(self, title: str) -> Request | None:
        """The first page of a search by words, in all languages that Kitsu has."""
        title = cut_search(title)
        query = {"filter[text]": title, "page[limit]": _PAGE_SIZE, "include": "mappings"}
        return Request(key=f"search/{title}", path=f"/anime?{urlencode(query)}", accept=_MEDIA_TYPE)

    def parse_search(self, answer: Answer) -> Sequence[Candidate]:
        """The titles found, the best first."""
        if answer.is_absent:
            return ()
        resources = load_resources(_NAME, answer)
        found = (build_candidate(resource, resources) for resource in resources.primary)
        return [candidate for candidate in found if candidate is not None]

    def _parse_title(self, stage: EnrichStage, external_id: str, answers: Mapping[str, Answer]) -> Parsed:
        answer = answers[_build_title_request(external_id).key]
        if answer.is_absent:
            return Parsed({})
        resources = load_resources(_NAME, answer)
        if not resources.primary:
            return Parsed({})
        title = next((one for one in resources.primary if one.get("id").text() == external_id), None)
        if title is None:
            raise ShapeChangedError(_NAME, "$.data.id", f"is not {external_id!r}")
        if title.get("attributes").value is None:
            raise ShapeChangedError(_NAME, f"{title.path}.attributes", "is not there")
        build = {
            EnrichStage.METADATA: build_metadata,
            EnrichStage.RELATIONS: build_relations,
            EnrichStage.STATISTICS: build_statistics,
        }[stage]
        facts, faults = build_facts(stage, build(title, resources), today=get_today(answers))
        return Parsed(facts, (*resources.faults, *faults))

    def _parse_pages(self, stage: EnrichStage, external_id: str, answers: Mapping[str, Answer]) -> Parsed:
        pages: list[Resources] = []
        while (request := _build_page(stage, external_id, len(pages))).key in answers:
            answer = answers[request.key]
            if answer.is_absent:
                if pages:
                    pages[-1].root.note(f"{stage.value}[{len(pages) * _PAGE_SIZE}]", "is not there, though announced")
                break
            pages.append(load_resources(_NAME, answer))
            if not pages[-1].has_more:
                break
        else:
            if len(pages) < _MAX_PAGES:
                return Parsed({}, more=(request,))
            pages[-1].root.note(f"{stage.value}[{_MAX_PAGES * _PAGE_SIZE}]", "the list goes on; the rest is left")
        build = {
            EnrichStage.EPISODES: build_episodes,
            EnrichStage.CHARACTERS: build_characters,
            EnrichStage.STAFF: build_staff,
        }[stage]
        facts, faults = build_facts(stage, build(pages), today=get_today(answers))
        return Parsed(facts, (*(fault for page in pages for fault in page.faults), *faults))


def _build_title_request(external_id: str) -> Request:
    query = urlencode({"include": _INCLUDE, **_FIELDS})
    return Request(key=f"anime/{external_id}", path=f"/anime/{quote(external_id, safe='')}?{query}", accept=_MEDIA_TYPE)


def _build_page(stage: EnrichStage, external_id: str, page: int) -> Request:
    """Page by our own counting: a link in an answer may say that there is a next page, but not where we ask."""
    anime = quote(external_id, safe="")
    path, query = {
        EnrichStage.EPISODES: (f"/anime/{anime}/episodes", {"sort": "number"}),
        EnrichStage.CHARACTERS: (
            "/castings",
            {
                "filter[media_type]": "Anime",
                "filter[media_id]": external_id,
                "filter[is_character]": "true",
                "filter[language]": "Japanese",
                "include": "character,person",
                "sort": "-featured",
            },
        ),
        EnrichStage.STAFF: (f"/anime/{anime}/staff", {"include": "person"}),
    }[stage]
    paged = {**query, "page[limit]": str(_PAGE_SIZE), "page[offset]": str(page * _PAGE_SIZE)}
    return Request(
        key=f"anime/{external_id}/{stage.value}/{page + 1}", path=f"{path}?{urlencode(paged)}", accept=_MEDIA_TYPE
    )
