"""Records of the anime-offline-database schema (and our extension of it) -> fields of a document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.identity import provider_id_from_url

_SECONDS_PER_MINUTE = 60
# Fields that mean the same and have the same form on both sides.
_SAME = (
    "title", "synonyms", "title_english", "title_japanese", "synopsis", "background", "genres", "themes",
    "demographics", "broadcast", "licensors", "popularity", "members", "favorites", "scored_by", "rank", "tags",
    "studios", "producers",
)  # fmt: skip
_UNKNOWN = {"Unknown", "unknown", "None", ""}


def is_offline_database_record(record: dict[str, Any]) -> bool:
    """True for a record of this schema: page addresses in `sources`, `animeSeason` for the season."""
    return isinstance(record.get("sources"), list) and "animeSeason" in record


def translate_offline_database(record: dict[str, Any]) -> dict[str, Any]:
    """The fields of an AnimeDocument, not validated yet."""
    season = record.get("animeSeason") or {}
    score = record.get("score") or {}
    fields: dict[str, Any] = {name: record[name] for name in _SAME if record.get(name) not in (None, *_UNKNOWN)}
    fields |= {
        "type": record.get("type") or "UNKNOWN",
        "status": record.get("status") or "UNKNOWN",
        # 0 episodes means that nobody knows yet.
        "episodes": record.get("episodes") or None,
        "duration": _minutes(record.get("duration")),
        "season": season.get("season") if season.get("season") != "UNDEFINED" else None,
        "year": season.get("year"),
        "score": round(score["arithmeticMean"], 4) if score.get("arithmeticMean") else None,
        "rating": parse_age_rating(record.get("age_rating")),
        "source": parse_source_material(record.get("source_material")),
        "images": {"picture": record.get("picture"), "thumbnail": record.get("thumbnail")},
        "external_ids": collect_external_ids(record["sources"]),
        "related_anime": _collect_related(record.get("relatedAnime") or []),
    }
    return fields


def collect_external_ids(urls: Iterable[str]) -> dict[str, int | str]:
    """{'mal': 16498, 'anime-planet': 'attack-on-titan'}; the smallest id where a provider has several pages."""
    found: dict[str, list[int | str]] = {}
    for url in urls:
        if key := provider_id_from_url(url):
            found.setdefault(key[0], []).append(_number_or_text(key[1]))
    return {provider: min(ids, key=lambda value: (isinstance(value, str), value)) for provider, ids in found.items()}


def parse_age_rating(value: str | None) -> str | None:
    """'PG-13 - Teens 13 or older' -> 'PG-13'; None for anything that is not one of the six ratings."""
    rating = (value or "").split(" - ")[0].strip()
    return rating if rating in {"G", "PG", "PG-13", "R", "R+", "Rx"} else None


def parse_source_material(value: str | None) -> str | None:
    """Lower case; None for 'Unknown'."""
    return value.lower() if value and value not in _UNKNOWN else None


def _minutes(duration: dict[str, Any] | None) -> float | None:
    if not duration or not duration.get("value"):
        return None
    value = float(duration["value"])
    return round(value / _SECONDS_PER_MINUTE, 2) if duration.get("unit", "SECONDS") == "SECONDS" else value


def _collect_related(urls: Iterable[str]) -> list[dict[str, Any]]:
    """One entry an address: the base does not say which of them are the same title; names are joined later."""
    keys = (provider_id_from_url(url) for url in urls)
    return [{"external_ids": {key[0]: _number_or_text(key[1])}} for key in keys if key]


def _number_or_text(external_id: str) -> int | str:
    return int(external_id) if external_id.isdigit() else external_id
