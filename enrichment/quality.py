"""How good a title's document is: 0 to 100, from five parts that each say something to do.

| part | share | what |
|---|---|---|
| completeness | 40 | the fields that a reader misses first, by weight; a synopsis is whole from 200 characters on |
| agreement | 20 | how sure merging is of those fields that it had sources for |
| freshness | 15 | by stage, how long ago a source last spoke; half as good after a week, if finished half a year |
| depth | 15 | episodes listed of those that there are, characters (10 are enough), staff (8), related titles |
| pictures | 10 | cover, thumbnail, banner |

Pure. Freshness is that of the moment of merging: schedules look at the ages of claims themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

SHARES: Final[Mapping[str, float]] = {
    "completeness": 40.0,
    "agreement": 20.0,
    "freshness": 15.0,
    "depth": 15.0,
    "pictures": 10.0,
}
FIELD_WEIGHTS: Final[Mapping[str, float]] = {
    "synopsis": 5.0,
    "genres": 3.0,
    "type": 2.0,
    "status": 2.0,
    "episodes": 2.0,
    "year": 2.0,
    "aired": 2.0,
    "studios": 2.0,
    "tags": 1.5,
    "season": 1.0,
    "duration": 1.0,
    "source": 1.0,
    "rating": 1.0,
    "score": 1.0,
    "title_english": 1.0,
    "title_japanese": 1.0,
    "synonyms": 0.5,
    "external_ids": 1.0,
}
# What a title that has not begun cannot have yet.
_NOT_YET: Final = frozenset({"episodes", "duration", "score"})
_PICTURES: Final[Mapping[str, float]] = {"picture": 0.6, "thumbnail": 0.2, "banner": 0.2}
_ENOUGH: Final[Mapping[str, int]] = {"characters": 10, "staff": 8, "related_anime": 1}
_LONG_SYNOPSIS_CHARS: Final = 200
_HALF_LIFE: Final[Mapping[bool, timedelta]] = {True: timedelta(days=7), False: timedelta(days=182)}


@dataclass(frozen=True, slots=True)
class Quality:
    """The score, 0 to 100, and its parts, 0 to 1 each."""

    score: float
    parts: Mapping[str, float]


def rate_title(
    document: Mapping[str, Any],
    *,
    confidences: Mapping[str, float | None],
    spoken_at: Mapping[str, datetime],
    now: datetime,
) -> Quality:
    """Rate a document. `confidences` by field (0..1), `spoken_at`: by stage, when a source last spoke."""
    parts = {
        "completeness": _rate_completeness(document),
        "agreement": _rate_agreement(confidences),
        "freshness": _rate_freshness(spoken_at, now=now, is_airing=document.get("status") in ("ONGOING", "UPCOMING")),
        "depth": _rate_depth(document),
        "pictures": sum(share for name, share in _PICTURES.items() if (document.get("images") or {}).get(name)),
    }
    rounded = {name: round(value, 4) for name, value in parts.items()}
    return Quality(round(sum(SHARES[name] * value for name, value in rounded.items()), 2), rounded)


def _rate_completeness(document: Mapping[str, Any]) -> float:
    left_out = _NOT_YET if document.get("status") == "UPCOMING" else frozenset()
    weights = {name: weight for name, weight in FIELD_WEIGHTS.items() if name not in left_out}
    return sum(weight * _rate_field(name, document.get(name)) for name, weight in weights.items()) / sum(
        weights.values()
    )


def _rate_field(name: str, value: Any) -> float:
    if value in (None, "", [], {}, "UNKNOWN"):
        return 0.0
    return min(1.0, len(value) / _LONG_SYNOPSIS_CHARS) if name == "synopsis" else 1.0


def _rate_agreement(confidences: Mapping[str, float | None]) -> float:
    """0 where nothing is known: nobody has looked."""
    known = {name: value for name, value in confidences.items() if name in FIELD_WEIGHTS and value is not None}
    weight = sum(FIELD_WEIGHTS[name] for name in known)
    rated = sum(FIELD_WEIGHTS[name] * min(1.0, max(0.0, value)) for name, value in known.items())
    return rated / weight if weight else 0.0


def _rate_freshness(spoken_at: Mapping[str, datetime], *, now: datetime, is_airing: bool) -> float:
    ages = [max(timedelta(), now - at) / _HALF_LIFE[is_airing] for at in spoken_at.values()]
    return sum(0.5**age for age in ages) / len(ages) if ages else 0.0


def _rate_depth(document: Mapping[str, Any]) -> float:
    listed, expected = len(document.get("episode_list") or ()), document.get("episodes") or 1
    rates = [min(1.0, len(document.get(name) or ()) / enough) for name, enough in _ENOUGH.items()]
    return (min(1.0, listed / expected) + sum(rates)) / (1 + len(rates))
