"""What speaks for and against a candidate, as named numbers between -1 and 1 or so. Pure; the weights are `model.json`.

What is not known on one side is a feature of its own: it speaks neither for nor against.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rapidfuzz import fuzz

from enrichment.linking.forms import TitleForm, read_title
from enrichment.providers.base import Candidate

# Of a document's other titles so many are compared.
_SYNONYMS: Final = 40
_TITLES: Final = 80
# Types that sources take for each other: a special of one is an OVA of the next.
_NEAR_TYPES: Final = frozenset({"OVA", "ONA", "SPECIAL"})
_SIDE_TYPES: Final = frozenset({"SPECIAL", "MUSIC", "OVA", "ONA"})
_NEAR: Final = 0.9
_LONG_CORE: Final = 24
# Shorter forms than this are found in many titles by chance.
_SHORT_CORE: Final = 6


_SAME_TITLE: Final = ("title_exact", "title_folded", "title_core")
_CROSSED: Final = (
    "year_same", "year_near", "year_differs", "year_unknown", "type_same", "type_near", "type_differs", "type_unknown",
    "episodes_same", "episodes_differ", "episodes_unknown", "by_synonym", "script_conflict", "mean_likeness",
    "main_share", "same_titles", "kind_missing", "kind_added", "season_differs",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A title that is looked for. `main`: how many of its titles are its own names, the rest are synonyms."""

    titles: tuple[str, ...]
    main: int
    type: str | None = None
    year: int | None = None
    episodes: int | None = None
    external_ids: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two titles compared: one of the subject, one of the candidate."""

    ours: TitleForm
    theirs: TitleForm
    is_main: bool
    likeness: float
    marks: frozenset[str]

    @property
    def strength(self) -> float:
        """The pair that says most decides; marks that differ cost as much as a fifth of the letters."""
        return (
            self.likeness - 0.2 * len(self.marks) + 0.02 * (self.ours.exact == self.theirs.exact) + 0.01 * self.is_main
        )


def build_subject(document: Mapping[str, Any], external_ids: Mapping[str, str] | None = None) -> Subject:
    """What a stored document says of itself. `external_ids` only those that nobody guessed."""
    named = [document.get(name) for name in ("title", "title_english", "title_japanese")]
    main = list(dict.fromkeys(str(name) for name in named if name))
    synonyms = [name for name in document.get("synonyms", ()) if name not in main]
    kind = document.get("type")
    return Subject(
        titles=(*main, *synonyms[:_SYNONYMS]),
        main=len(main),
        type=None if kind in (None, "UNKNOWN") else str(kind),
        year=document.get("year") or _get_year(document.get("aired")),
        episodes=document.get("episodes"),
        external_ids=dict(external_ids or {}),
    )


def measure(subject: Subject, candidate: Candidate) -> dict[str, float]:
    """Features of one candidate by itself, by name; those that are 0 are left out."""
    ours = [(read_title(title), place < subject.main) for place, title in enumerate(subject.titles) if title.strip()]
    theirs = [read_title(title) for title in dict.fromkeys(candidate.titles[:_TITLES]) if title.strip()]
    pairs = _compare(ours, theirs)
    features = {
        **_measure_best(pairs),
        **_measure_all(ours, theirs, pairs),
        **_measure_title_year(subject, theirs),
        **_measure_facts(subject, candidate),
        **_measure_ids(subject.external_ids, candidate.external_ids),
    }
    known = {name: value for name, value in features.items() if value}
    return known | _cross(known)


def describe(features: Mapping[str, float]) -> list[str]:
    """What a person who decides wants to know, in words."""
    return [text for name, text in _WORDS.items() if features.get(name)]


_WORDS: Final = {
    "title_exact": "a title is the same",
    "title_folded": "a title is the same but for signs",
    "title_core": "a title is the same but for spelling",
    "season_differs": "another season by its title",
    "series_season_differs": "another season by its titles",
    "part_differs": "another part by its title",
    "kinds_differ": "says that it is something else (movie, OVA, …)",
    "numbers_differ": "other numbers in the title",
    "title_year_differs": "another year in the title",
    "script_conflict": "the titles in one script are different",
    "type_same": "same type",
    "type_differs": "another type",
    "year_same": "same year",
    "year_near": "a year apart",
    "year_differs": "another year",
    "episodes_same": "same number of episodes",
    "episodes_differ": "another number of episodes",
    "ids_same": "names the same id elsewhere",
    "ids_differ": "names another id elsewhere",
}


def _cross(features: Mapping[str, float]) -> dict[str, float]:
    """Facts once more, apart for titles that are the same and for those only alike: there they must tell more."""
    is_same = any(features.get(name) for name in _SAME_TITLE)
    crossed = {f"{name}|{'same' if is_same else 'alike'}": features[name] for name in _CROSSED if name in features}
    has_type = "type_same" in features or "type_near" in features
    return crossed | ({"year_and_type_same": 1.0} if has_type and "year_same" in features else {})


def _get_year(aired: Any) -> int | None:
    start = aired.get("start") if isinstance(aired, Mapping) else None
    return int(str(start)[:4]) if start else None


def _compare(ours: Sequence[tuple[TitleForm, bool]], theirs: Sequence[TitleForm]) -> list[_Pair]:
    """The best counterpart of each of our titles in its own script."""
    pairs = []
    for form, is_main in ours:
        found = [
            _Pair(form, other, is_main, fuzz.ratio(form.core, other.core) / 100, _list_differences(form, other))
            for other in theirs
            if other.is_cjk == form.is_cjk
        ]
        if found:
            pairs.append(max(found, key=lambda pair: pair.strength))
    return pairs


def _list_differences(ours: TitleForm, theirs: TitleForm) -> frozenset[str]:
    differences = {
        "season_differs": (ours.season or 1) != (theirs.season or 1),
        "part_differs": (ours.part or 1) != (theirs.part or 1),
        "kinds_differ": (ours.kinds ^ theirs.kinds) - {"tv"},
        "numbers_differ": ours.numbers != theirs.numbers,
        "title_year_differs": ours.year is not None and theirs.year is not None and ours.year != theirs.year,
        "title_year_missing": (ours.year is None) != (theirs.year is None),
    }
    return frozenset(name for name, differs in differences.items() if differs)


def _measure_best(pairs: Sequence[_Pair]) -> dict[str, float]:
    if not pairs:
        return {"no_title": 1.0}
    best = max(pairs, key=lambda pair: pair.strength)
    is_exact, is_folded = best.ours.exact == best.theirs.exact, best.ours.folded == best.theirs.folded
    is_core = best.likeness == 1 and not best.marks
    length = min(len(best.ours.core), _LONG_CORE) / _LONG_CORE
    shorter, longer = sorted((best.ours.core, best.theirs.core), key=len)
    is_same = is_exact or is_folded or is_core
    return {
        "title_exact": float(is_exact),
        "title_folded": float(is_folded and not is_exact),
        "title_core": float(is_core and not is_folded),
        "likeness": 0.0 if is_same else best.likeness,
        "likeness_above_80": 0.0 if is_same else max(0.0, best.likeness - 0.8) * 5,
        "likeness_above_90": 0.0 if is_same else max(0.0, best.likeness - 0.9) * 10,
        "begins_with": float(not is_same and shorter != longer and longer.startswith(shorter)),
        "length_same": length if is_same else 0.0,
        "length_other": 0.0 if is_same else length,
        "is_short": float(len(best.ours.core) < _SHORT_CORE),
        "by_synonym": float(not best.is_main),
        "marked": float(bool(best.marks)),
        **dict.fromkeys(best.marks, 1.0),
    }


def _measure_all(
    ours: Sequence[tuple[TitleForm, bool]], theirs: Sequence[TitleForm], pairs: Sequence[_Pair]
) -> dict[str, float]:
    same = {pair.ours.folded for pair in pairs if pair.ours.folded == pair.theirs.folded}
    main = [pair for pair in pairs if pair.is_main]
    return {
        "same_titles": math.log1p(len(same)) / 2,
        "both_scripts": float(_is_near(pairs, is_cjk=True) and _is_near(pairs, is_cjk=False)),
        "script_conflict": max((_measure_conflict(main, is_cjk=is_cjk) for is_cjk in (True, False)), default=0.0),
        "main_share": sum(pair.likeness >= _NEAR and not pair.marks for pair in main) / len(main) if main else 0.0,
        "mean_likeness": sum(pair.likeness for pair in pairs) / len(pairs) if pairs else 0.0,
        "series_season_differs": float(_get_season(form for form, is_main in ours if is_main) != _get_season(theirs)),
        **_measure_kinds(ours, theirs),
        "series_part_differs": float(_get_part(form for form, is_main in ours if is_main) != _get_part(theirs)),
    }


def _measure_kinds(ours: Sequence[tuple[TitleForm, bool]], theirs: Sequence[TitleForm]) -> dict[str, float]:
    """A word such as `Specials` in one of our own names, and in none of theirs, or the other way round."""
    named = frozenset[str]().union(*(form.kinds for form, is_main in ours if is_main))
    known = frozenset[str]().union(*(form.kinds for form, _ in ours))
    other = frozenset[str]().union(*(form.kinds for form in theirs))
    return {
        "kind_missing": float(bool(named - other - {"tv"})),
        "kind_added": float(bool(other - known - {"tv"})),
        "tv_missing": float("tv" in named - other),
    }


def _measure_title_year(subject: Subject, theirs: Sequence[TitleForm]) -> dict[str, float]:
    """Sites put the year behind the name where names are the same: it speaks against titles of other years."""
    years = {form.year for form in theirs if form.year is not None}
    if not years or subject.year is None:
        return {}
    apart = min(abs(subject.year - year) for year in years)
    return {"year_named": float(apart == 0), "year_named_otherwise": float(apart > 1)}


def _is_near(pairs: Iterable[_Pair], *, is_cjk: bool) -> bool:
    return any(pair.likeness >= _NEAR and not pair.marks for pair in pairs if pair.ours.is_cjk == is_cjk)


def _measure_conflict(pairs: Iterable[_Pair], *, is_cjk: bool) -> float:
    """How far the own names in one script are from all of the other side's in it; 0 where one side has none."""
    found = [pair.likeness for pair in pairs if pair.ours.is_cjk == is_cjk]
    return max(0.0, _NEAR - max(found)) if found else 0.0


def _get_season(forms: Iterable[TitleForm]) -> int:
    return max((form.season or 1 for form in forms), default=1)


def _get_part(forms: Iterable[TitleForm]) -> int:
    return max((form.part or 1 for form in forms), default=1)


def _measure_facts(subject: Subject, candidate: Candidate) -> dict[str, float]:
    return {
        **_measure_type(subject.type, candidate.type),
        **_measure_year(subject.year, candidate.year),
        **_measure_episodes(subject.episodes, candidate.episodes),
    }


def _measure_type(ours: str | None, theirs: str | None) -> dict[str, float]:
    if ours is None or theirs in (None, "UNKNOWN"):
        # What is no series is named like the series that it belongs to.
        return {"type_unknown": 1.0, "type_unknown_special": float(ours in _SIDE_TYPES)}
    if ours == theirs:
        return {"type_same": 1.0}
    return {"type_near": 1.0} if {ours, theirs} <= _NEAR_TYPES else {"type_differs": 1.0}


def _measure_year(ours: int | None, theirs: int | None) -> dict[str, float]:
    if ours is None or theirs is None:
        return {"year_unknown": 1.0}
    apart = abs(ours - theirs)
    return {
        "year_same": float(apart == 0),
        "year_near": float(apart == 1),
        "year_differs": min(apart, 6) / 6 * (apart > 1),
    }


def _measure_episodes(ours: int | None, theirs: int | None) -> dict[str, float]:
    if not ours or not theirs:
        return {"episodes_unknown": 1.0}
    if ours == theirs:
        # One episode is what most movies and specials have.
        return {"episodes_same": 1.0 if ours > 1 else 0.5}
    return {"episodes_differ": 1.0 - min(ours, theirs) / max(ours, theirs)}


def _measure_ids(ours: Mapping[str, str], theirs: Mapping[str, str]) -> dict[str, float]:
    shared = [ours[space] == theirs[space] for space in ours.keys() & theirs.keys()]
    return {"ids_same": float(any(shared)), "ids_differ": float(bool(shared) and not all(shared))}
