"""AniDB: its HTTP API, for registered clients, a page in two seconds at most, never for bulk download.

One answer serves all six stages. There is no search: titles are found in the daily dump (`anidb_titles`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from lxml import etree

from core.enrichment import ID_SPACES, EnrichStage
from core.errors import ConfigurationError
from core.providers import PROVIDER_LIMITS
from enrichment.providers.anidb_lists import (
    build_characters,
    build_episodes,
    build_relations,
    build_staff,
    build_statistics,
)
from enrichment.providers.anidb_metadata import build_metadata
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
from enrichment.providers.xml_reader import load_xml
from enrichment.validation import build_facts, get_today

_NAME: Final = "anidb"
_PROTOCOL: Final = "1"
# What pages say that stand in the place of an answer where AniDB takes us for a robot.
_BLOCK_MARKS: Final = (b"anti-leech", b"antileech", b"403 forbidden", b"banned", b"captcha", b"just a moment")
_PAGE_STARTS: Final = (b"<!doctype html", b"<html")
_PAGE_TITLE: Final = re.compile(rb"<title>([^<]{1,100})</title>")
# What every answer has had so far: if it is gone, AniDB has changed, and nobody has deleted a title's name.
_NEEDED: Final[Mapping[EnrichStage, tuple[str, ...]]] = {
    EnrichStage.METADATA: ("titles/title[@type='main']", "type", "episodecount"),
    EnrichStage.EPISODES: ("episodes",),
    EnrichStage.RELATIONS: (),
    EnrichStage.STATISTICS: ("ratings",),
    EnrichStage.CHARACTERS: (),
    EnrichStage.STAFF: (),
}


class AnidbProvider:
    """AniDB's anime by their numbers, asked as the client that AniDB knows."""

    def __init__(self, *, client: str, client_version: int) -> None:
        self._client = client
        self._client_version = client_version

    @property
    def info(self) -> ProviderInfo:
        """What AniDB declares of itself."""
        return ProviderInfo(
            name=_NAME,
            id_space=ID_SPACES[_NAME],
            stages=frozenset(EnrichStage),
            limits=PROVIDER_LIMITS[_NAME],
            can_search=False,
            licence="personal and non-commercial clients; texts CC BY-NC-SA 4.0",
            terms_url="https://wiki.anidb.net/HTTP_API_Definition",
        )

    def plan(self, stage: EnrichStage, external_id: str) -> tuple[Request, ...]:
        """One request, whatever the stage: AniDB asks to be asked once for all of it."""
        del stage
        query = {
            "request": "anime",
            "client": self._client,
            "clientver": str(self._client_version),
            "protover": _PROTOCOL,
            "aid": external_id,
        }
        path = f"/httpapi?{urlencode(query)}"
        return (Request(key=_build_key(external_id), path=path, accept="application/xml, text/xml"),)

    def parse(self, stage: EnrichStage, external_id: str, answers: Mapping[str, Answer]) -> Parsed:
        """Facts of one stage. Raises BlockedError for a ban, and ConfigurationError for a client that is not known."""
        answer = answers[_build_key(external_id)]
        if answer.is_absent or (anime := _load_anime(answer.body)) is None:
            return Parsed({})
        if anime.get("id") != external_id:
            raise ShapeChangedError(_NAME, "/anime/@id", f"is {anime.get('id')!r}, not {external_id!r}")
        build: dict[EnrichStage, Any] = {
            EnrichStage.EPISODES: build_episodes,
            EnrichStage.RELATIONS: build_relations,
            EnrichStage.STATISTICS: build_statistics,
            EnrichStage.CHARACTERS: build_characters,
            EnrichStage.STAFF: build_staff,
        }
        today = get_today(answers)
        raw = build_metadata(anime, today=today) if stage is EnrichStage.METADATA else build[stage](anime)
        facts, faults = build_facts(stage, raw, today=today)
        missing = (
            Fault(f"/anime/{path}", "is not there", "shape") for path in _NEEDED[stage] if anime.find(path) is None
        )
        return Parsed(facts, (*missing, *faults))

    def plan_search(self, title: str) -> Request | None:
        """None: the API has no search."""
        del title
        return None

    def parse_search(self, answer: Answer) -> Sequence[Candidate]:
        """None are ever asked for."""
        del answer
        return ()


def _build_key(external_id: str) -> str:
    return f"anime/{external_id}"


def _load_anime(body: bytes) -> etree._Element | None:
    """The anime of an answer; None where AniDB says that it has none of this number."""
    start = body[:2_000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(_PAGE_STARTS):
        mark = next((mark for mark in _BLOCK_MARKS if mark in start), None)
        if mark is not None:
            raise BlockedError(f"{_NAME}: a page with {mark.decode()!r} in the place of an answer")
        title = _PAGE_TITLE.search(start)
        called = f" ({title[1].decode('utf-8', 'replace').strip()})" if title else ""
        raise ShapeChangedError(_NAME, "/", f"is a page{called}, not XML")
    root = load_xml(_NAME, body)
    if root.tag == "error":
        _check_error("".join(map(str, root.itertext())).strip())
        return None
    if root.tag != "anime":
        raise ShapeChangedError(_NAME, f"/{root.tag}", "is not <anime>")
    return root


def _check_error(message: str) -> None:
    """An anime that is not there is an answer; raises what any other error means."""
    folded = message.casefold()
    if "banned" in folded:
        raise BlockedError(f"{_NAME}: {message[:200]}")
    if "client" in folded:
        raise ConfigurationError(f"AniDB: {message[:200]}. Set ANIDB_CLIENT and ANIDB_CLIENT_VERSION as registered.")
    if "not found" in folded or "aid missing or invalid" in folded:
        return
    raise ShapeChangedError(_NAME, "/error", message[:200])
