"""AniList: its GraphQL API. One answer serves all stages; longer lists of people and episodes go on page by page.

https://docs.anilist.co
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from core.enrichment import ID_SPACES, EnrichStage
from core.errors import InvalidInputError
from core.providers import PROVIDER_LIMITS
from enrichment.providers.anilist_facts import (
    build_candidate,
    build_characters,
    build_episodes,
    build_metadata,
    build_relations,
    build_staff,
    build_statistics,
)
from enrichment.providers.base import (
    Answer,
    Candidate,
    Fault,
    Parsed,
    ProviderInfo,
    ProviderUnavailableError,
    Request,
    ShapeChangedError,
    cut_search,
)
from enrichment.providers.json_reader import JsonReader, load_json
from enrichment.validation import build_facts, get_today

_NAME: Final = "anilist"
_DOCUMENT: Final = files("enrichment.providers").joinpath("anilist.graphql").read_text("utf-8")
_DEFINITION: Final = re.compile(r"^(?:query|fragment) (\w+).*?^}\n", re.MULTILINE | re.DOTALL)
_SPREAD: Final = re.compile(r"\.\.\.(\w+)")
_DEFINITIONS: Final = {match[1]: match[0] for match in _DEFINITION.finditer(_DOCUMENT)}
# 300 people or episodes of one title: at 30 requests a minute more would keep all others waiting.
MAX_PAGES: Final = 12
_RETRY_AFTER_S: Final = 60.0
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
_NOT_FOUND: Final = 404
# Stages whose lists have pages: the connection, the operation, and the list's alias in the website's own query.
_LISTS: Final[Mapping[EnrichStage, tuple[str, str, str]]] = {
    EnrichStage.EPISODES: ("airingSchedule", "AiringPage", "airingSchedule"),
    EnrichStage.CHARACTERS: ("characters", "CharacterPage", "characterPreview"),
    EnrichStage.STAFF: ("staff", "StaffPage", "staffPreview"),
}


class AnilistProvider:
    """AniList's titles by their numbers. A token, where somebody has one, is sent by whoever asks."""

    @property
    def info(self) -> ProviderInfo:
        """What AniList declares of itself."""
        return ProviderInfo(
            name=_NAME,
            id_space=ID_SPACES[_NAME],
            stages=frozenset(EnrichStage),
            limits=PROVIDER_LIMITS[_NAME],
            can_search=True,
            licence="free for non-commercial use by its terms; texts by their writers",
            terms_url="https://docs.anilist.co/guide/terms-of-use",
        )

    def plan(self, stage: EnrichStage, external_id: str) -> tuple[Request, ...]:
        """The title with the first page of every list: the same request for each stage. Raises InvalidInputError."""
        return (_ask(f"media/{external_id}", "Title", {"id": _to_number(external_id)}),)

    def parse(self, stage: EnrichStage, external_id: str, answers: Mapping[str, Answer]) -> Parsed:
        """Facts of one stage. Raises ShapeChangedError and ProviderUnavailableError for answers of no use."""
        faults: list[Fault] = []
        media = load_object(answers[f"media/{external_id}"], "Media", faults)
        if media is None:
            return Parsed({}, tuple(faults))
        _require_title(media, external_id)
        if stage in _LISTS:
            items, more = _collect(stage, external_id, media, answers, faults)
            if more:
                return Parsed({}, more=more)
            raw = _build_listed(stage, media, items)
        else:
            raw = _build_plain(stage, media)
        facts, refused = build_facts(stage, raw, today=get_today(answers))
        return Parsed(facts, (*faults, *refused))

    def plan_search(self, title: str) -> Request | None:
        """A search by words, in all languages that AniList has."""
        title = cut_search(title)
        return _ask(f"search/{title}", "Search", {"title": title})

    def parse_search(self, answer: Answer) -> Sequence[Candidate]:
        """The titles found, the best first."""
        page = load_object(answer, "Page", [])
        found = (build_candidate(media) for media in page.get("media").items()) if page else ()
        return [candidate for candidate in found if candidate is not None]


def _collect(
    stage: EnrichStage,
    external_id: str,
    media: JsonReader,
    answers: Mapping[str, Answer],
    faults: list[Fault],
) -> tuple[list[JsonReader], tuple[Request, ...]]:
    """All items of a stage's list, or the request for its next page."""
    name, operation, alias = _LISTS[stage]
    connection = media.get(name) if media.get(name).value is not None else media.get(alias)
    items = _list_items(connection)
    for page in range(2, MAX_PAGES + 1):
        if not connection.get("pageInfo", "hasNextPage").flag():
            return items, ()
        key = f"media/{external_id}/{name}/{page}"
        if key not in answers:
            return [], (_ask(key, operation, {"id": _to_number(external_id), "page": page}),)
        following = load_object(answers[key], "Media", faults)
        if following is None:
            return items, ()
        _require_title(following, external_id)
        connection = following.get(name)
        items.extend(_list_items(connection))
    if connection.get("pageInfo", "hasNextPage").flag():
        faults.append(Fault(name, f"the list goes on after {MAX_PAGES} pages; the rest is left"))
    return items, ()


def _list_items(connection: JsonReader) -> list[JsonReader]:
    edges = connection.get("edges").items()
    return edges or connection.get("nodes").items()


def _ask(key: str, operation: str, variables: Mapping[str, Any]) -> Request:
    return Request(key=key, path="/", body={"query": _write_query(operation), "variables": dict(variables)})


@lru_cache
def _write_query(operation: str) -> str:
    """One operation with the fragments that it spreads: AniList documents no `operationName`."""
    query = _DEFINITIONS[operation]
    return "\n".join((query, *(_DEFINITIONS[name] for name in dict.fromkeys(_SPREAD.findall(query)))))


def load_object(answer: Answer, name: str, faults: list[Fault]) -> JsonReader | None:
    """`data.<name>` of an answer; None where AniList has no such title. Errors beside data are faults.

    Raises ShapeChangedError for any other form, and ProviderUnavailableError where AniList says that it is busy.
    """
    if answer.is_absent:
        return None
    root = JsonReader(load_json(_NAME, answer), answer.key, faults)
    if not isinstance(root.value, dict):
        raise ShapeChangedError(_NAME, answer.key, "is no object")
    found = root.get("data", name)
    errors = [(error.get("status").integer(), error.get("message").text()) for error in root.get("errors").items()]
    if isinstance(found.value, dict):
        for _, message in errors:
            root.note(f"{answer.key}.errors", message or "an error without a message")
        return found
    if found.value is not None:
        raise ShapeChangedError(_NAME, f"{answer.key}: data.{name}", "is no object")
    if not errors and not isinstance(root.get("data").value, dict):
        raise ShapeChangedError(_NAME, f"{answer.key}: data", "is not there")
    _raise_unless_absent(answer.key, errors)
    return None


def _raise_unless_absent(key: str, errors: Sequence[tuple[int | None, str | None]]) -> None:
    for status, message in errors:
        if status is not None and (status == _TOO_MANY or status >= _SERVER_ERROR):
            raise ProviderUnavailableError(_NAME, message or f"error {status}", retry_after_s=_RETRY_AFTER_S)
        if status != _NOT_FOUND:
            raise ShapeChangedError(_NAME, f"{key}: errors", message or "an error without a message")


def _require_title(media: JsonReader, external_id: str) -> None:
    """Facts of another title, or of a manga, are worse than none."""
    found, kind = media.get("id").text(), media.get("type").text()
    if found != external_id:
        raise ShapeChangedError(_NAME, f"{media.path}.id", f"is {found}, and {external_id} was asked")
    if kind not in (None, "ANIME"):
        raise ShapeChangedError(_NAME, f"{media.path}.type", f"is {kind}, and an anime was asked")


def _build_plain(stage: EnrichStage, media: JsonReader) -> dict[str, Any]:
    if stage is EnrichStage.METADATA:
        return build_metadata(media)
    return build_relations(media) if stage is EnrichStage.RELATIONS else build_statistics(media)


def _build_listed(stage: EnrichStage, media: JsonReader, items: Sequence[JsonReader]) -> dict[str, Any]:
    if stage is EnrichStage.EPISODES:
        return build_episodes(media, items)
    return build_characters(items) if stage is EnrichStage.CHARACTERS else build_staff(items)


def _to_number(external_id: str) -> int:
    if not (external_id.isascii() and external_id.isdigit()):
        raise InvalidInputError("external_id", f"{external_id!r} is no id of AniList, which are numbers")
    return int(external_id)
