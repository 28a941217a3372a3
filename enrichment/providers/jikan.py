"""Jikan v4: what MyAnimeList says, as JSON. Its public instance has ended; any compatible one is asked.

https://docs.api.jikan.moe
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

from core.enrichment import ID_SPACES, EnrichStage
from core.providers import PROVIDER_LIMITS
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
from enrichment.providers.jikan_facts import (
    build_candidate,
    build_characters,
    build_episodes,
    build_metadata,
    build_relations,
    build_staff,
    build_statistics,
)
from enrichment.providers.json_reader import JsonReader, load_json
from enrichment.validation import build_facts, get_today

_NAME: Final = "jikan"
_SEARCH_SIZE: Final = 15
_EPISODES_A_PAGE: Final = 100
# 5,000 episodes: a list that goes on is cut, and says so.
_MAX_PAGES: Final = 50
_RETRY_AFTER_S: Final = 60.0
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
_NOT_FOUND: Final = 404


class JikanProvider:
    """MyAnimeList's titles by their numbers. One answer serves metadata, relations and half of the statistics."""

    @property
    def info(self) -> ProviderInfo:
        """What Jikan declares of itself."""
        return ProviderInfo(
            name=_NAME,
            id_space=ID_SPACES[_NAME],
            stages=frozenset(EnrichStage),
            limits=PROVIDER_LIMITS[_NAME],
            can_search=True,
            licence="Jikan's code is MIT; the data are MyAnimeList's, and the texts their writers'",
            terms_url="https://jikan.moe/terms",
        )

    def plan(self, stage: EnrichStage, external_id: str) -> tuple[Request, ...]:
        """The title in full, or the list that a stage is about."""
        if stage in (EnrichStage.METADATA, EnrichStage.RELATIONS):
            return (_ask(external_id, "full"),)
        if stage is EnrichStage.STATISTICS:
            return _ask(external_id, "full"), _ask(external_id, "statistics")
        return (_ask_episodes(external_id, 1),) if stage is EnrichStage.EPISODES else (_ask(external_id, stage.value),)

    def parse(self, stage: EnrichStage, external_id: str, answers: Mapping[str, Answer]) -> Parsed:
        """Facts of one stage. Raises ShapeChangedError where an answer has not the form of Jikan v4."""
        faults: list[Fault] = []
        if stage is EnrichStage.EPISODES:
            raw, more = _parse_episodes(external_id, answers, faults)
            if more:
                return Parsed({}, more=more)
        else:
            raw = _parse_single(stage, external_id, answers, faults)
        facts, refused = build_facts(stage, raw, today=get_today(answers))
        return Parsed(facts, (*faults, *refused))

    def plan_search(self, title: str) -> Request | None:
        """The first page of a search; adult titles are found, too: who may see them is decided elsewhere."""
        title = cut_search(title)
        return Request(key=f"search/{title}", path=f"/anime?{urlencode({'q': title, 'limit': _SEARCH_SIZE})}")

    def parse_search(self, answer: Answer) -> Sequence[Candidate]:
        """The titles found, the best first."""
        data = load_data(answer, [])
        found = (build_candidate(item) for item in data.items()) if data else ()
        return [candidate for candidate in found if candidate is not None]


def load_data(answer: Answer, faults: list[Fault], *, kind: type = list) -> JsonReader | None:
    """The member `data` of an answer, an object or a list; None where the provider has nothing.

    Raises ShapeChangedError for any other form, and ProviderUnavailableError where an error came with a good status.
    """
    root = _load_root(answer, faults)
    if root is None:
        return None
    data = root.get("data")
    if not isinstance(data.value, kind):
        raise ShapeChangedError(
            _NAME, f"{answer.key}: data", "is not there" if data.value is None else "is no such thing"
        )
    return data


def _load_root(answer: Answer, faults: list[Fault]) -> JsonReader | None:
    if answer.is_absent:
        return None
    value = load_json(_NAME, answer)
    if not isinstance(value, dict):
        raise ShapeChangedError(_NAME, answer.key, "is no object")
    return None if "data" not in value and _is_absence(value) else JsonReader(value, answer.key, faults)


def _is_absence(value: Mapping[str, Any]) -> bool:
    """True for Jikan's 'not found' in the body of an answer whose status says that all is well."""
    status = JsonReader(value.get("status")).integer()
    if status is None:
        return False
    if status == _TOO_MANY or status >= _SERVER_ERROR:
        raise ProviderUnavailableError(_NAME, f"answered {status}", retry_after_s=_RETRY_AFTER_S)
    return status == _NOT_FOUND


def _parse_single(
    stage: EnrichStage, external_id: str, answers: Mapping[str, Answer], faults: list[Fault]
) -> dict[str, Any]:
    """Fields of a stage whose answers come in one piece."""
    if stage in (EnrichStage.CHARACTERS, EnrichStage.STAFF):
        entries = load_data(answers[_ask(external_id, stage.value).key], faults)
        if entries is None:
            return {}
        return build_characters(entries) if stage is EnrichStage.CHARACTERS else build_staff(entries)
    title = load_data(answers[_ask(external_id, "full").key], faults, kind=dict)
    if title is None:
        return {}
    _require_id(title, external_id)
    if stage is EnrichStage.STATISTICS:
        return build_statistics(title, load_data(answers[_ask(external_id, "statistics").key], faults, kind=dict))
    return build_metadata(title) if stage is EnrichStage.METADATA else build_relations(title)


def _parse_episodes(
    external_id: str, answers: Mapping[str, Answer], faults: list[Fault]
) -> tuple[dict[str, Any], tuple[Request, ...]]:
    """Fields of the stage, and the page that is still to be asked."""
    episodes: list[JsonReader] = []
    for page in range(1, _MAX_PAGES + 1):
        request = _ask_episodes(external_id, page)
        if request.key not in answers:
            return {}, (request,)
        entries = load_data(answers[request.key], faults)
        if entries is None:
            break
        items = entries.items()
        episodes.extend(items)
        if not _has_more(answers[request.key], page, len(items)):
            break
    else:
        faults.append(Fault("episodes", f"the list goes on after {_MAX_PAGES} pages; the rest is left", "shape"))
    return build_episodes(episodes), ()


def _has_more(answer: Answer, page: int, items: int) -> bool:
    """Whether a further page exists: `has_next_page` alone was seen to be true on the only page of 26 episodes."""
    pagination = JsonReader(load_json(_NAME, answer)).get("pagination")
    if items == 0:
        return False
    is_full = items >= _EPISODES_A_PAGE and pagination.get("has_next_page").flag()
    return is_full or page < (pagination.get("last_visible_page").integer() or 1)


def _require_id(title: JsonReader, external_id: str) -> None:
    """Facts of another title, or of a manga, are worse than none."""
    found, page = title.get("mal_id").text(), title.get("url").text()
    if found != external_id:
        raise ShapeChangedError(_NAME, f"{title.path}.mal_id", f"is {found}, and {external_id} was asked")
    if page is not None and f"/anime/{external_id}" not in page:
        raise ShapeChangedError(_NAME, f"{title.path}.url", "is not the page of this anime")


def _ask(external_id: str, what: str) -> Request:
    return Request(key=f"anime/{external_id}/{what}", path=f"/anime/{quote(external_id, safe='')}/{what}")


def _ask_episodes(external_id: str, page: int) -> Request:
    key = f"anime/{external_id}/episodes/{page}"
    return Request(key=key, path=f"/anime/{quote(external_id, safe='')}/episodes?page={page}")
