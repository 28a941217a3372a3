"""Checks of single values: each gives the value in the document's own form back, or a fault and None.

They are built from one another, so a list keeps its good items and an object its good members.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from enrichment.cleaning import MAX_RAW_CHARS, clean_html, clean_line
from enrichment.providers.base import Fault

# The first animation that anybody calls anime.
FIRST_YEAR: Final = 1907
# Announcements do not reach further.
YEARS_AHEAD: Final = 6
_MAX_SHOWN: Final = 60
_NUMBER: Final = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d(?:$|[T ])", re.ASCII)
# What was not taken is told up to here; an answer of nothing but faults needs no longer list.
MAX_FAULTS: Final = 100


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands ('episode_list.3.aired'), the day on which it was said, and the faults so far."""

    path: str
    today: date
    faults: list[Fault] = field(default_factory=list)

    def at(self, name: str | int) -> Place:
        """A member or item of this place."""
        return Place(f"{self.path}.{name}", self.today, self.faults)

    def refuse(self, problem: str) -> Any:
        """Notes a fault, and gives the None that the check gives back."""
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(Fault(self.path, problem))
        return None


# The value as the document has it, or None after a fault.
Check = Callable[[Any, Place], Any]


def says_nothing(value: Any) -> bool:
    """None, blank text, and what is empty."""
    return value in (None, [], {}, ()) or (isinstance(value, str) and not value.strip())


def line(max_chars: int) -> Check:
    """A text of one line."""
    return _text(clean_line, max_chars)


def story(max_chars: int) -> Check:
    """A text with line breaks, out of HTML or any other markup."""
    return _text(clean_html, max_chars)


def _text(clean: Callable[[str], str], max_chars: int) -> Check:
    def check(value: Any, place: Place) -> Any:
        if not isinstance(value, str):
            return place.refuse(f"{show(value)} is no text")
        if len(value) > MAX_RAW_CHARS:
            return place.refuse(f"{len(value):,} characters; {max_chars:,} are the most")
        try:
            cleaned = clean(value)
        except ValueError as error:
            return place.refuse(str(error))
        if "\ufffd" in cleaned:
            return place.refuse("holds characters that were lost in a wrong encoding (U+FFFD)")
        if len(cleaned) > max_chars:
            return place.refuse(f"{len(cleaned):,} characters; {max_chars:,} are the most")
        return cleaned or None

    return check


def one_of(words: Collection[str]) -> Check:
    """One of our words. UNKNOWN says nothing."""

    def check(value: Any, place: Place) -> Any:
        if value == "UNKNOWN":
            return None
        if not isinstance(value, str) or value not in words:
            return place.refuse(f"{show(value)} is none of {', '.join(words)}")
        return value

    return check


def number(low: float, high: float, *, unless: Mapping[float, str] | None = None) -> Check:
    """A number within bounds, also one written as text. `unless`: values that stand for something else, and what."""

    def check(value: Any, place: Place) -> Any:
        found = _to_number(value)
        if found is None:
            return place.refuse(f"{show(value)} is no number")
        if unless and found in unless:
            return place.refuse(f"{show(value)} {unless[found]}")
        if not low <= found <= high:
            return place.refuse(f"{show(value)} is not within {low} to {high}")
        return found

    return check


def whole(low: int, high: int, *, unless: Mapping[float, str] | None = None) -> Check:
    """A whole number within bounds."""
    check_number = number(low, high, unless=unless)

    def check(value: Any, place: Place) -> Any:
        found = check_number(value, place)
        if found is not None and found != int(found):
            return place.refuse(f"{show(value)} is no whole number")
        return None if found is None else int(found)

    return check


def year(value: Any, place: Place) -> Any:
    """A year between the first anime and what can be announced."""
    return whole(FIRST_YEAR, place.today.year + YEARS_AHEAD)(value, place)


def day(value: Any, place: Place) -> Any:
    """A day as '2012-07-08', out of a date or of ISO text with or without a time."""
    try:
        found = _to_day(value)
    except ValueError:
        return place.refuse(f"{show(value)} is no date")
    if not FIRST_YEAR <= found.year <= place.today.year + YEARS_AHEAD:
        return place.refuse(f"{found.isoformat()} is not within {FIRST_YEAR} to {place.today.year + YEARS_AHEAD}")
    return found.isoformat()


def address(value: Any, place: Place) -> Any:
    """An address of the web, http or https."""
    text = line(2_000)(value, place)
    if text is None:
        return None
    try:
        parts = urlsplit(text)
        named = bool(parts.hostname)
    except ValueError:
        return place.refuse(f"{show(value)} is no address")
    if parts.scheme not in ("http", "https") or not named or " " in text:
        return place.refuse(f"{show(value)} is no address of the web")
    return text


def flag(value: Any, place: Place) -> Any:
    """True or false."""
    return value if isinstance(value, bool) else place.refuse(f"{show(value)} is neither true nor false")


def each(check_item: Check, max_items: int, *, key: Callable[[Any], object] = repr) -> Check:
    """A list: its good items, each once by its key, the first `max_items` of them."""

    def check(value: Any, place: Place) -> Any:
        if not isinstance(value, list | tuple):
            place.refuse(f"{show(value)} is no list")
            return []
        if len(value) > max_items:
            place.refuse(f"{len(value):,} items; the first {max_items:,} are taken")
        kept: dict[object, Any] = {}
        for index, item in enumerate(value[:max_items]):
            if says_nothing(item):
                continue
            if (found := check_item(item, place.at(index))) is not None:
                kept.setdefault(key(found), found)
        return list(kept.values())

    return check


def record(members: Mapping[str, Check], *, needs: Collection[str] = ()) -> Check:
    """An object of known members: the good ones; nothing if one that it needs is missing or bad."""

    def check(value: Any, place: Place) -> Any:
        if not isinstance(value, Mapping):
            return place.refuse(f"{show(value)} is no object")
        kept: dict[str, Any] = {}
        for name, item in value.items():
            if says_nothing(item):
                continue
            if name not in members:
                place.at(show(name)).refuse("is not known here")
            elif not says_nothing(found := members[name](item, place.at(name))):
                kept[name] = found
        if missing := [name for name in needs if name not in kept]:
            return place.refuse(f"has no {' and no '.join(missing)}, so it is not taken")
        return kept or None

    return check


def show(value: object) -> str:
    """A value as a fault names it: short, and of containers only what they are."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple | set | frozenset):
        return "a list"
    text = repr(value[: _MAX_SHOWN + 1] if isinstance(value, str | bytes) else value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def _to_number(value: Any) -> float | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def _to_day(value: Any) -> date:
    """Raises ValueError."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not _DAY.match(value.strip()):
        raise ValueError("no date")
    return date.fromisoformat(value.strip()[:10])
