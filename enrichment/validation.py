"""Facts, field by field: what is plausible is kept in the document's own form, what is not becomes a fault.

Every parser ends here. A value that cannot be true is never taken, however sure its source sounds; good items of a list
and good members of an object stay where others are bad.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final, get_args

from pydantic import ValidationError

from core.document import AgeRating, AnimeDocument, Season, TitleStatus, TitleType
from core.enrichment import STAGE_FIELDS, EnrichStage
from core.identity import PROVIDERS
from enrichment.checks import (
    Check,
    Place,
    address,
    day,
    each,
    flag,
    line,
    number,
    one_of,
    record,
    says_nothing,
    show,
    story,
    whole,
    year,
)
from enrichment.providers.base import Answer, Fault
from enrichment.providers.vocabulary import CHARACTER_ROLES, RELATIONS, SOURCE_MATERIALS

_NOT_SCORED: Final[Mapping[float, str]] = {0: "means that nobody has scored it"}
_NOT_RANKED: Final[Mapping[float, str]] = {0: "means that it is not ranked"}
_NOT_COUNTED: Final[Mapping[float, str]] = {0: "means that nobody knows", -1: "means that nobody knows"}
_MAX_PEOPLE: Final = 100_000_000
_MAX_RANK: Final = 1_000_000
_MAX_EPISODES: Final = 20_000
_MAX_MINUTES: Final = 1_000
# A statistic: {"mal": {"completed": 3, "scores": {"10": 1}}}, and nothing deeper.
_STATISTICS_DEPTH: Final = 3
_MAX_STATISTICS: Final = 200

_NAME: Final = line(200)
_TITLE: Final = line(1_000)
_TEXT: Final = story(60_000)
_SHORT_TEXT: Final = story(5_000)
_SCORE: Final = number(0.1, 10, unless=_NOT_SCORED)
# In statistics, where 0 may be the lowest of a scale.
_VOTED: Final = number(0, 10)
_PEOPLE: Final = whole(0, _MAX_PEOPLE)
_RANK: Final = whole(1, _MAX_RANK, unless=_NOT_RANKED)


def _casefolded(value: Any) -> object:
    return value.casefold() if isinstance(value, str) else repr(value)


def _names(max_items: int, *, check: Check = _NAME) -> Check:
    return each(check, max_items, key=_casefolded)


def _check_aired(value: Any, place: Place) -> Any:
    """First and last day; neither of them if they cannot both be true."""
    found = record({"start": day, "end": day})(value, place)
    if found and found.get("start", "") > found.get("end", "9999"):
        return place.refuse(f"ends on {found['end']}, before it starts on {found['start']}")
    return found


def _check_external_ids(value: Any, place: Place) -> Any:
    """Ids at known providers; those of digits as numbers, as everywhere in the catalogue."""
    if not isinstance(value, Mapping):
        return place.refuse(f"{show(value)} is no object")
    found: dict[str, int | str] = {}
    for name, given in value.items():
        if says_nothing(given):
            continue
        if name not in PROVIDERS:
            place.at(show(name)).refuse("is no provider that we know")
            continue
        is_number = not isinstance(given, str) or (given.strip().isascii() and given.strip().isdigit())
        check = whole(1, 2**53) if is_number else _NAME
        if (external_id := check(given, place.at(name))) is not None:
            found[name] = external_id
    return found or None


def _check_statistics(value: Any, place: Place) -> Any:
    """{provider: {name: number, or the same again}}; a number that cannot be true is left out."""
    if not isinstance(value, Mapping):
        return place.refuse(f"{show(value)} is no object")
    found = {}
    for name, given in value.items():
        if name not in PROVIDERS:
            place.at(show(name)).refuse("is no provider that we know")
        elif kept := _check_numbers(given, place.at(name), depth=_STATISTICS_DEPTH - 1):
            found[name] = kept
    return found or None


def _check_numbers(value: Any, place: Place, *, depth: int) -> Any:
    if not isinstance(value, Mapping) or depth == 0:
        return place.refuse(f"{show(value)} is no object of numbers")
    if len(value) > _MAX_STATISTICS:
        return place.refuse(f"{len(value):,} numbers; {_MAX_STATISTICS} are the most")
    found: dict[str, Any] = {}
    for name, given in value.items():
        if says_nothing(given):
            continue
        label = line(64)(name, place)
        below = place.at(show(name) if label is None else label)
        nested = isinstance(given, Mapping)
        if nested:
            kept = _check_numbers(given, below, depth=depth - 1)
        else:
            kept = _check_statistic(label, given, below, is_votes=place.path.endswith(".scores"))
        if label is not None and kept is not None:
            found[label] = kept
    return found or None


def _check_statistic(label: str | None, value: Any, place: Place, *, is_votes: bool) -> Any:
    """A score, rank or number of people by its name; how many gave a score (`is_votes`) stands under the score."""
    if is_votes and _VOTED(label, place) is None:
        return None
    if label is not None and label.endswith("score"):
        return _VOTED(value, place)
    if label in ("rank", "popularity"):
        return _RANK(value, place)
    return number(0, _MAX_PEOPLE)(value, place)


def _episode_number(episode: Mapping[str, Any]) -> object:
    return episode["number"]


def _related_key(related: Mapping[str, Any]) -> object:
    return (related.get("relation"), tuple(sorted(related.get("external_ids", {}).items())) or related.get("title"))


_CHECKS: Final[Mapping[str, Check]] = {
    "title": _TITLE,
    "title_english": _TITLE,
    "title_japanese": _TITLE,
    "synonyms": _names(200, check=_TITLE),
    "synopsis": _TEXT,
    "background": _TEXT,
    "type": one_of(get_args(TitleType)),
    "status": one_of(get_args(TitleStatus)),
    "episodes": whole(1, _MAX_EPISODES, unless=_NOT_COUNTED),
    "duration": number(0.05, _MAX_MINUTES, unless=_NOT_COUNTED),
    "season": one_of(get_args(Season)),
    "year": year,
    "aired": _check_aired,
    "broadcast": _NAME,
    "rating": one_of(get_args(AgeRating)),
    "genres": _names(100),
    "themes": _names(100),
    "demographics": _names(20),
    "tags": _names(500),
    "studios": _names(100),
    "producers": _names(200),
    "licensors": _names(100),
    "source": one_of(SOURCE_MATERIALS),
    "awards": _names(200),
    "streaming": each(record({"platform": _NAME, "region": _NAME, "url": address}, needs=("platform",)), 200),
    "trailers": each(address, 50),
    "images": record({"picture": address, "thumbnail": address, "banner": address}),
    "external_ids": _check_external_ids,
    "episode_list": each(
        record(
            {
                "number": whole(0, _MAX_EPISODES),
                "title": _TITLE,
                "synopsis": _SHORT_TEXT,
                "aired": day,
                "filler": flag,
                "recap": flag,
            },
            needs=("number",),
        ),
        _MAX_EPISODES,
        key=_episode_number,
    ),
    "related_anime": each(
        record(
            {"title": _TITLE, "relation": one_of(RELATIONS), "external_ids": _check_external_ids},
            needs=("external_ids",),
        ),
        500,
        key=_related_key,
    ),
    "franchise": _TITLE,
    "score": _SCORE,
    "scored_by": _PEOPLE,
    "rank": _RANK,
    "popularity": _RANK,
    "members": _PEOPLE,
    "favorites": _PEOPLE,
    "statistics": _check_statistics,
    "reviews": each(record({"summary": _SHORT_TEXT, "score": _SCORE}, needs=("summary",)), 50),
    "characters": each(
        record(
            {
                "name": _NAME,
                "role": one_of(CHARACTER_ROLES),
                "description": _SHORT_TEXT,
                "image": address,
                "voice_actors": _names(50),
            },
            needs=("name",),
        ),
        1_000,
    ),
    "staff": each(record({"name": _NAME, "role": _NAME}, needs=("name",)), 2_000),
}


def build_facts(stage: EnrichStage, raw: Mapping[str, Any], *, today: date) -> tuple[dict[str, Any], list[Fault]]:
    """Valid fields of a stage as JSON values, and a fault for each that is not. None and blank say nothing.

    today  the day of the answer (`get_today`), against which years and dates are plausible
    """
    facts: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, value in raw.items():
        if name not in STAGE_FIELDS[stage]:
            raise KeyError(f"{name} is no field of the stage {stage}")
        if says_nothing(value):
            continue
        checked = _CHECKS[name](value, Place(name, today, faults))
        if not says_nothing(checked):
            facts |= _normalise(name, checked, faults)
    return facts, faults


def get_today(answers: Mapping[str, Answer]) -> date:
    """The day on which the newest of these answers came: the clock of a parser, so that parsing again ends the same."""
    return max(answer.fetched_at for answer in answers.values()).date()


def _normalise(name: str, value: Any, faults: list[Fault]) -> dict[str, Any]:
    """The value as the document stores it; the document's own rules have the last word."""
    try:
        document = AnimeDocument.model_validate({"title": "x", name: value})
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            faults.append(Fault(".".join(str(part) for part in detail["loc"]), str(detail["msg"])))
        return {}
    # What a source did not say is no claim of it, so members keep no defaults (an episode that is "no filler").
    dumped = document.model_dump(mode="json", include={name}, exclude_none=True, exclude_unset=True)
    return {} if says_nothing(dumped.get(name)) else dumped
