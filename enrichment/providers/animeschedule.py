"""AnimeSchedule v3: when titles air, for how long, and where (https://animeschedule.net/api/v3/documentation).

Titles are known by routes, the last part of their pages' addresses. The week's timetable is one answer for all titles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote, urlencode

from core.enrichment import ID_SPACES, EnrichStage
from core.providers import PROVIDER_LIMITS
from enrichment.providers.animeschedule_facts import (
    build_candidate,
    build_episodes,
    build_metadata,
    build_statistics,
)
from enrichment.providers.base import (
    Answer,
    Candidate,
    Fault,
    Parsed,
    ProviderInfo,
    Request,
    ShapeChangedError,
    cut_search,
)
from enrichment.providers.json_reader import JsonReader, load_json
from enrichment.validation import build_facts, get_today

_NAME: Final = "animeschedule"
# A search that finds nothing is answered as if the server had failed, in words.
_NOTHING_FOUND: Final = frozenset({404, 500})
_FAILED: Final = b"something went wrong"
_TIMETABLE: Final = Request(key="timetables/raw", path="/timetables/raw")
# As aired in Japan; the others are of subtitles and dubs.
_JAPANESE: Final = "raw"


class AnimeScheduleProvider:
    """AnimeSchedule's titles by their routes. The token is sent by whoever asks."""

    @property
    def info(self) -> ProviderInfo:
        """What AnimeSchedule declares of itself: 120 requests a minute; ours are half of it."""
        return ProviderInfo(
            name=_NAME,
            id_space=ID_SPACES[_NAME],
            stages=frozenset({EnrichStage.METADATA, EnrichStage.EPISODES, EnrichStage.STATISTICS}),
            limits=PROVIDER_LIMITS[_NAME],
            can_search=True,
            licence="API terms: with a token, and naming AnimeSchedule where it is shown",
            terms_url="https://animeschedule.net/api/v3/documentation",
        )

    def plan(self, stage: EnrichStage, external_id: str) -> tuple[Request, ...]:
        """The title's record, and the week's timetable where it matters."""
        record = Request(key=_build_key(external_id), path=f"/anime/{quote(external_id, safe='')}")
        return {
            EnrichStage.METADATA: (record, _TIMETABLE),
            EnrichStage.EPISODES: (_TIMETABLE,),
        }.get(stage, (record,))

    def parse(self, stage: EnrichStage, external_id: str, answers: Mapping[str, Answer]) -> Parsed:
        """Facts of one stage. Without its record, a title is known by its entry in the timetable."""
        faults: list[Fault] = []
        entries = _find_entries(external_id, answers.get(_TIMETABLE.key), faults)
        today = get_today(answers)
        if stage is EnrichStage.EPISODES:
            raw = build_episodes(entry for entry in entries if entry.get("airType").text() == _JAPANESE)
        else:
            record = _load_record(external_id, answers.get(_build_key(external_id)), faults) or next(
                iter(entries), None
            )
            if record is None:
                return Parsed({}, tuple(faults))
            airing = next((entry for entry in entries if entry.get("airType").text() == _JAPANESE), None)
            now = max(answer.fetched_at for answer in answers.values())
            is_metadata = stage is EnrichStage.METADATA
            raw = build_metadata(record, airing, now=now) if is_metadata else build_statistics(record)
        facts, refused = build_facts(stage, raw, today=today)
        return Parsed(facts, (*faults, *refused))

    def plan_search(self, title: str) -> Request | None:
        """A search by words; what it finds names its ids at MyAnimeList, AniList, …"""
        title = cut_search(title)
        return _build_search(f"search/{title}", {"q": title})

    def plan_lookup(self, id_space: str, external_id: str) -> Request | None:
        """A search by the id at another provider, read by `parse_search`; None for those that it does not know."""
        parameter = {"mal": "mal-ids", "anilist": "anilist-ids", "anidb": "anidb-ids"}.get(id_space)
        if parameter is None:
            return None
        return _build_search(f"lookup/{id_space}/{external_id}", {parameter: external_id})

    def parse_search(self, answer: Answer) -> Sequence[Candidate]:
        """The titles found, the best first."""
        if answer.is_absent or answer.body[: len(_FAILED)].lower() == _FAILED:
            return ()
        page = load_json(_NAME, answer)
        if not isinstance(page, dict):
            raise ShapeChangedError(_NAME, "$", "is no object")
        records = JsonReader(page).get("anime").items()
        return [candidate for record in records if (candidate := build_candidate(record)) is not None]


def _build_key(external_id: str) -> str:
    return f"anime/{external_id}"


def _build_search(key: str, query: Mapping[str, str]) -> Request:
    return Request(key=key, path=f"/anime?{urlencode(query)}", absent=_NOTHING_FOUND)


def _load_record(external_id: str, answer: Answer | None, faults: list[Fault]) -> JsonReader | None:
    if answer is None or answer.is_absent:
        return None
    value = load_json(_NAME, answer)
    if not isinstance(value, dict) or "route" not in value:
        raise ShapeChangedError(_NAME, "$.route", "is not there")
    if value["route"] != external_id:
        raise ShapeChangedError(_NAME, "$.route", f"is {str(value['route'])[:100]!r}, not {external_id!r}")
    return JsonReader(value, faults=faults)


def _find_entries(external_id: str, answer: Answer | None, faults: list[Fault]) -> list[JsonReader]:
    """Entries of one title. What is wrong with the others is none of its faults."""
    if answer is None or answer.is_absent:
        return []
    week = load_json(_NAME, answer)
    if not isinstance(week, list):
        raise ShapeChangedError(_NAME, "$", "is no list of episodes")
    return [
        JsonReader(entry, f"$[{index}]", faults)
        for index, entry in enumerate(week)
        if isinstance(entry, dict) and entry.get("route") == external_id
    ]
