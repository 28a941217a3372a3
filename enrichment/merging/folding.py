"""Forms for comparing: two values that fold to the same are one claim, however they are written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, Final

import orjson

_QUARTERS: Final = ("WINTER", "SPRING", "SUMMER", "FALL")
_NOT_WORD = re.compile(r"[\W_]+")
_MARKS = re.compile("[\u0300-\u036f]")
_VIDEO = re.compile(r"(?:youtu\.be/|youtube(?:-nocookie)?\.com/(?:watch\?(?:.*&)?v=|embed/|v/|shorts/))([\w-]{11})")
# Legal forms, and what sites write before a studio's name or leave out.
_COMPANY_WORDS: Final = frozenset(
    [
        "inc",
        "co",
        "ltd",
        "llc",
        "corp",
        "corporation",
        "kabushiki",
        "kaisha",
        "kk",
        "gmbh",
        "limited",
        "studio",
        "studios",
    ]
)
# Names of one company that no folding finds; both sides folded.
_COMPANY_NAMES: Final[Mapping[str, str]] = {
    "toeidouga": "toeianimation",
    "orientallightandmagic": "olm",
    "tokyomovieshinsha": "tmsentertainment",
    "tatsunokopro": "tatsunokoproduction",
    "mushipro": "mushiproduction",
    "nipponsunrise": "sunrise",
    "animeinternational": "aic",
    "bnpictures": "bandainamcopictures",
    "eightbit": "8bit",
    "gonzokk": "gonzo",
    "animationseven": "seven",
    "beetrainproductions": "beetrain",
    "radixaceentertainment": "radix",
    "yokohamaanimationlab": "yokohamaanimationlaboratory",
}


@lru_cache(maxsize=100_000)
def fold_name(text: str) -> str:
    """Case, width, Latin accents, punctuation and spaces do not count; what is only punctuation stays as it is."""
    return _NOT_WORD.sub("", _fold_letters(text)) or text


@lru_cache(maxsize=20_000)
def fold_company(text: str) -> str:
    """'Sunrise Inc.', 'SUNRISE' and 'Studio Sunrise' are one; so are 'J.C.STAFF' and 'J.C. Staff'."""
    words = [word for word in _NOT_WORD.split(_fold_letters(text)) if word]
    kept = "".join(word for word in words if word not in _COMPANY_WORDS)
    # Two letters alone name no company.
    return _COMPANY_NAMES.get(kept, kept) if len(kept) > 2 else fold_name(text)


@lru_cache(maxsize=100_000)
def fold_person(text: str) -> str:
    """'Spiegel, Spike' and 'Spike Spiegel' are one: words in the order of the alphabet."""
    words = (fold_name(word) for word in re.split(r"[\s,]+", text))
    return " ".join(sorted(word for word in words if word)) or text


def fold_exact(value: Any) -> Hashable:
    """The value itself; of objects their canonical JSON."""
    return value if isinstance(value, str | int | float | bool) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def fold_number(value: Any) -> Hashable:
    """12 and 12.0 are one."""
    return float(value)


def fold_numbers_near(values: Sequence[Any]) -> list[Hashable]:
    """Minutes of an episode: those within one minute or 5% of their neighbour's group are one."""
    groups: dict[float, float] = {}
    ordered = sorted({float(value) for value in values})
    start = ordered[0] if ordered else 0.0
    for number in ordered:
        if number - start > max(1.0, 0.05 * start):
            start = number
        groups[number] = start
    return [groups[float(value)] for value in values]


def is_near_number(claimed: Hashable, truth: Hashable) -> bool:
    """Off by one: a special counted or not, a year's end."""
    assert isinstance(claimed, float)
    assert isinstance(truth, float)
    return abs(claimed - truth) == 1


def is_near_date(claimed: Hashable, truth: Hashable) -> bool:
    """A day off (the night programme of Japan), or the first day of the right month or year: only that was known."""
    assert isinstance(claimed, str)
    assert isinstance(truth, str)
    said, real = date.fromisoformat(claimed), date.fromisoformat(truth)
    return abs(said - real) <= timedelta(days=1) or is_coarse_date(claimed, truth)


def is_coarse_date(claimed: str, truth: str) -> bool:
    """The first day of the same month or year, as sites write a day of which they know no more."""
    same_year, same_month = claimed[:4] == truth[:4], claimed[:7] == truth[:7]
    return (same_year and claimed.endswith("-01-01")) or (same_month and claimed.endswith("-01"))


def imply_season(aired_start: str) -> tuple[str | None, int | None]:
    """('SPRING', 2012) for a first day in April or May 2012, as far as the day tells.

    March is winter to some sites and spring to others, and so on by quarters; December may belong to the next year.
    """
    day = date.fromisoformat(aired_start)
    season = None if day.month % 3 == 0 else _QUARTERS[day.month // 3]
    return season, None if day.month == 12 else day.year


def fold_ids(entry: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(provider, id) of a title that an entry points to."""
    return sorted((provider, str(value)) for provider, value in (entry.get("external_ids") or {}).items())


def fold_offer(value: Mapping[str, Any]) -> Hashable:
    """A platform in a region, whatever address it has there."""
    return fold_name(str(value.get("platform"))), str(value.get("region") or "").casefold()


def fold_trailer(text: str) -> str:
    """A video at YouTube by its id, however its address is written; any other by its address."""
    match = _VIDEO.search(text)
    return match.group(1) if match else text


def fold_review(value: Mapping[str, Any]) -> str:
    """By its words."""
    return fold_name(str(value.get("summary")))


def _fold_letters(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    if folded.isascii():
        return folded
    return unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFD", folded)))
