"""Recorded answers of the providers, each under the key under which it would have been asked for.

They lie in the shared data and never leave it: facts, counts and names of files are all that is reported.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from core.enrichment import EnrichStage
from core.errors import ConfigurationError, InvalidInputError
from enrichment.providers.base import Answer

# When all of them count as fetched, so that two runs end the same.
FETCHED_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_FOLDER: Final = "providers"
_FOLDERS: Final[Mapping[str, str]] = {
    "jikan": "jikan",
    "anilist": "anilist",
    "kitsu": "kitsu",
    "anidb-xml": "anidb",
    "anidb-html": "anidb",
    "animeschedule": "animeschedule",
    "anime-planet": "anime-planet",
}
_NOTES: Final = frozenset({"README.md", "index.csv", "LICENSE"})
_OK: Final = 200
_GZIP: Final = b"\x1f\x8b"

_JIKAN_TITLE: Final = re.compile(r"/v4/(?:anime/(-?\d+)(?:/full)?|random/anime)")
_JIKAN_PART: Final = re.compile(r"/v4/anime/(\d+)/(episodes|characters|staff|statistics)")
# Names of files of a collection that mostly does not say which address it recorded.
_JIKAN_FILES: Final[Mapping[str, str]] = {
    "getAnimeById": "/v4/anime/{id}/full",
    "getAnimeById_unknowns": "/v4/anime/{id}/full",
    "getRandomAnime": "/v4/random/anime",
    "getAnimeCharacters": "/v4/anime/11757/characters",
    "getAnimeEpisodes": "/v4/anime/11757/episodes",
    "getAnimeStaff": "/v4/anime/11757/staff",
    "getAnimeStatistics": "/v4/anime/11757/statistics",
}
_ANIDB_TITLE: Final = re.compile(rb"\A\W*(?:<\?xml[^>]*>)?\s*<anime\s[^>]*?\bid=\"(\d+)\"")
_PAGE_ADDRESS: Final = re.compile(rb"<link[^>]+rel=\"canonical\"[^>]+href=\"[^\"]*/anime/([a-z0-9-]+)\"")


@dataclass(frozen=True, slots=True)
class Recording:
    """One title in one file.

    external_id  None for a file that is no answer about a title: an error, another endpoint
    stages       what it is an answer for; empty where it is none
    parts        answers by the last part of their key where a stage needs several; `body` is the first one's
    """

    provider: str
    file: str
    status: int
    body: bytes
    external_id: str | None = None
    stages: tuple[EnrichStage, ...] = ()
    parts: Mapping[str, bytes] = field(default_factory=dict)

    def to_answer(self, key: str, body: bytes | None = None) -> Answer:
        """As if it had been asked for under this key."""
        return Answer(
            key=key,
            status=self.status,
            body=self.body if body is None else body,
            media_type=None,
            fetched_at=FETCHED_AT,
        )


_TITLE_STAGES: Final = (EnrichStage.METADATA, EnrichStage.RELATIONS, EnrichStage.STATISTICS)


def load_recordings(data: Path) -> Iterator[Recording]:
    """All of them, file by file; a file that holds many titles gives one each. Raises InvalidInputError."""
    root = data / _FOLDER
    if not root.is_dir():
        raise InvalidInputError("--data", f"{root} is not a folder")
    known = _load_index(root / "index.csv")
    for folder, provider in _FOLDERS.items():
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.name not in _NOTES:
                yield from _read(provider, path, path.relative_to(root).as_posix(), known)


def _load_index(path: Path) -> dict[str, str]:
    """{file: id at the provider} for files about one title."""
    if not path.is_file():
        raise InvalidInputError("--data", f"{path} is not there")
    with path.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["kind"] != "list" and row["provider_id"]]
    return {row["file"].removeprefix(f"{_FOLDER}/"): row["provider_id"] for row in rows}


def _read(provider: str, path: Path, name: str, known: Mapping[str, str]) -> Iterator[Recording]:
    if provider == "jikan":
        yield from _read_jikan(path, name)
    elif provider == "animeschedule":
        yield from _read_week(path, name)
    elif provider == "anidb":
        body = path.read_bytes()
        match = _ANIDB_TITLE.match(body[:2_000])
        yield _whole(provider, name, body, match.group(1).decode() if match else None, tuple(EnrichStage))
    elif provider == "anime-planet":
        body = path.read_bytes()
        match = _PAGE_ADDRESS.search(body)
        slug = match.group(1).decode() if match else known.get(name)
        yield _whole(provider, name, body, slug, tuple(EnrichStage))
    else:
        body = path.read_bytes()
        stages = tuple(EnrichStage) if provider == "anilist" else _TITLE_STAGES
        yield _whole(provider, name, body, _find_id(provider, orjson.loads(body)), stages)


def _whole(
    provider: str, name: str, body: bytes, external_id: str | None, stages: tuple[EnrichStage, ...]
) -> Recording:
    return Recording(provider, name, _OK, body, external_id, stages if external_id else ())


def _find_id(provider: str, value: Any) -> str | None:
    """The id of the title that an answer of AniList or Kitsu is about."""
    found = value.get("data") if isinstance(value, dict) else None
    if provider == "anilist":
        found = (found or {}).get("Media")
    elif isinstance(found, list):
        found = found[0] if found else None
    return str(found["id"]) if isinstance(found, dict) and "id" in found else None


def _read_week(path: Path, name: str) -> Iterator[Recording]:
    """AnimeSchedule's timetable: one answer for all titles in it."""
    body = path.read_bytes()
    stages = (EnrichStage.METADATA, EnrichStage.EPISODES)
    for route in sorted({entry["route"] for entry in orjson.loads(body)}):
        yield Recording("animeschedule", name, _OK, b"", route, stages, {"timetables/raw": body})


def _read_jikan(path: Path, name: str) -> Iterator[Recording]:
    address, status, value = _unwrap_jikan(path)
    body = orjson.dumps(value)
    data = value.get("data") if isinstance(value, dict) else None
    if match := _JIKAN_PART.fullmatch(address):
        part = match.group(2)
        parts = {"full": orjson.dumps({"data": {"mal_id": int(match.group(1))}})} if part == "statistics" else {}
        yield Recording("jikan", name, status, body, match.group(1), (EnrichStage(part),), {**parts, part: body})
    elif _JIKAN_TITLE.fullmatch(address) and isinstance(data, dict):
        yield Recording("jikan", name, status, body, str(data["mal_id"]), _TITLE_STAGES)
    elif titles := [item for item in data or () if isinstance(data, list) and _is_anime(item)]:
        # As lists show titles, they are whole, but for their relations.
        stages = (EnrichStage.METADATA, EnrichStage.STATISTICS)
        for title in titles:
            yield Recording("jikan", name, status, orjson.dumps({"data": title}), str(title["mal_id"]), stages)
    else:
        yield Recording("jikan", name, status, body)


def _is_anime(item: Any) -> bool:
    return isinstance(item, dict) and "episodes" in item and "/anime/" in str(item.get("url")) and "synopsis" in item


def _unwrap_jikan(path: Path) -> tuple[str, int, Any]:
    """Path of the address that was asked, status and body: out of a VCR cassette, its decoded form, or a plain body."""
    if path.suffix == ".yaml":
        exchange = _load_yaml(path)["interactions"][0]
        body = exchange["response"]["body"]["string"]
        return _to_path(exchange["request"]["uri"]), exchange["response"]["status"]["code"], _decode(body)
    value = orjson.loads(path.read_bytes())
    if isinstance(value, dict) and {"request", "status", "body"} <= value.keys():
        return _to_path(value["request"]["uri"]), value["status"]["code"], value["body"]
    if path.stem in _JIKAN_FILES:
        return _JIKAN_FILES[path.stem].format(id=0), _OK, value
    return _to_path(value.get("test:source", "") if isinstance(value, dict) else ""), _OK, value


def _load_yaml(path: Path) -> Any:
    try:
        import yaml
    except ImportError as error:
        message = "PyYAML is not installed: pip install 'anime-vector-service[evaluation]'"
        raise ConfigurationError(message) from error
    with path.open("rb") as file:
        return yaml.load(file, Loader=yaml.CSafeLoader)


def _decode(body: bytes | str) -> Any:
    raw = body.encode() if isinstance(body, str) else body
    # Not every answer was compressed.
    raw = gzip.decompress(raw) if raw.startswith(_GZIP) else raw
    return orjson.loads(raw)


def _to_path(address: str) -> str:
    return urlsplit(address).path
