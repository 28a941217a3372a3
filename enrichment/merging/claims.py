"""What sources say of one title, and what merging makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

SECONDS_A_DAY = 86_400
SECONDS_A_YEAR = 365.25 * SECONDS_A_DAY


@dataclass(frozen=True, slots=True)
class SourceClaims:
    """What a source said at one time: {field of the document: value as in its JSON}. None: it says nothing.

    One source may come several times, by stages or by age: of each field its newest word counts.
    """

    source: str
    fetched_at: datetime
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """One source's newest word on one field. `age_years`: older than the newest word of anybody on the title.

    `announced_years`: said so long before the title's first day, `airing_years`: before its last one; only until then
    do facts change that are said of it.
    """

    source: str
    value: Any
    at: datetime
    age_years: float = 0.0
    announced_years: float = 0.0
    airing_years: float = 0.0


@dataclass(frozen=True, slots=True)
class Weighed:
    """A value (or an element of one), who says so, and how probable it is."""

    value: Any
    sources: tuple[str, ...]
    confidence: float

    def to_json(self) -> dict[str, Any]:
        """For provenance."""
        return {"value": self.value, "sources": list(self.sources), "confidence": round(self.confidence, 4)}


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedField:
    """A field's value with all that explains it.

    sources     whose word it is, the most trusted first
    confidence  how probable it is that the value is right, 0 to 1; of a list: the mean of its elements
    at          when the newest of these sources said so
    method      how it was chosen
    conflict    sources say things that cannot both be right
    others      the values that were not taken
    elements    of a list: its elements, by name
    parts       of a value whose parts are decided apart (first and last day, ids by provider): each of them
    """

    value: Any
    sources: tuple[str, ...]
    confidence: float
    at: datetime
    method: str
    conflict: bool = False
    others: tuple[Weighed, ...] = ()
    elements: tuple[Weighed, ...] = ()
    parts: Mapping[str, MergedField] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """For provenance: all but the value, which stands in the document."""
        shown: dict[str, Any] = {
            "sources": list(self.sources),
            "confidence": round(self.confidence, 4),
            "at": self.at.isoformat(),
            "method": self.method,
            "conflict": self.conflict,
            "others": [other.to_json() for other in self.others],
        }
        if self.elements:
            shown["elements"] = [one.to_json() for one in self.elements]
        if self.parts:
            # What else was said of them stands among the others of the whole.
            shown["parts"] = {
                name: {"sources": list(part.sources), "confidence": round(part.confidence, 4), "method": part.method}
                for name, part in self.parts.items()
            }
        return shown


@dataclass(frozen=True, slots=True)
class MergedTitle:
    """All fields of a title that anybody says something about."""

    fields: Mapping[str, MergedField] = field(default_factory=dict)

    def to_document(self) -> dict[str, Any]:
        """{field: value}, without those that a person emptied."""
        return {name: merged.value for name, merged in self.fields.items() if merged.value is not None}


def collect(claims: Sequence[SourceClaims]) -> dict[str, list[Said]]:
    """Each source's newest word by field, sources by name. The order in which claims are given does not matter."""
    newest: dict[tuple[str, str], tuple[datetime, str, Any]] = {}
    for one in claims:
        for name, value in one.facts.items():
            if is_nothing(value):
                continue
            key = (name, one.source)
            # Of two words of one moment the greater one by its text: any rule will do that does not look at the order.
            word = (one.fetched_at, repr(value), value)
            if key not in newest or newest[key][:2] < word[:2]:
                newest[key] = word
    latest = max((one.fetched_at for one in claims), default=None)
    said: dict[str, list[Said]] = {}
    for (name, source), (at, _, value) in sorted(newest.items(), key=lambda item: item[0]):
        # In whole days: who of several that were asked in one job answered last is no reason to believe him.
        age = (latest - at).days * SECONDS_A_DAY / SECONDS_A_YEAR if latest else 0.0
        said.setdefault(name, []).append(Said(source, value, at, age))
    first, last = find_days(one.facts for one in claims)
    return {
        name: [
            replace(one, announced_years=get_years_until(one.at, first), airing_years=get_years_until(one.at, last))
            for one in words
        ]
        for name, words in said.items()
    }


def find_days(facts: Iterable[Mapping[str, Any]]) -> tuple[str | None, str | None]:
    """First and last day of airing, as '2005-04-06': the latest that anybody names; the first is the last of some."""
    aired = [days for one in facts if (days := one.get("aired"))]
    first, last = (max((str(days[day]) for days in aired if days.get(day)), default=None) for day in ("start", "end"))
    return first, last or first


def get_years_until(at: datetime, day: str | None) -> float:
    """0 where the day is not known, or was before."""
    if day is None:
        return 0.0
    return max((date.fromisoformat(day) - at.date()).days, 0) * SECONDS_A_DAY / SECONDS_A_YEAR


def is_nothing(value: Any) -> bool:
    """A value that says nothing."""
    return value is None or value == "UNKNOWN" or value in ("", [], {})


def newest_of(said: Iterable[Said], sources: Iterable[str]) -> datetime:
    """When the newest of these sources spoke."""
    wanted = set(sources)
    return max(one.at for one in said if one.source in wanted)
