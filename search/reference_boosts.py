"""What titles have in common with the references beside what vectors say: form, time, and that viewers like them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from search.filters import Match, Range
from search.plan import Boost
from search.ranking import GOOD_SCORE_BOOST, SAME_TYPE_BOOST, YEAR_BOOSTS

_UNKNOWN_TYPE = "UNKNOWN"


def build_reference_boosts(documents: Sequence[Mapping[str, Any]]) -> tuple[Boost, ...]:
    """Boosts of a search for titles like these stored documents."""
    return (*_boost_types(documents), *_boost_years(documents), _boost_scores())


def _boost_types(documents: Sequence[Mapping[str, Any]]) -> Iterator[Boost]:
    types = sorted({document.get("type") or _UNKNOWN_TYPE for document in documents} - {_UNKNOWN_TYPE})
    if types:
        yield Boost(Match("type", tuple(types)), SAME_TYPE_BOOST, f"type {' or '.join(types)}")


def _boost_years(documents: Sequence[Mapping[str, Any]]) -> Iterator[Boost]:
    years = [document["year"] for document in documents if document.get("year")]
    if not years:
        return
    for span, weight in YEAR_BOOSTS:
        first, last = min(years) - span, max(years) + span
        yield Boost(Range("year", gte=first, lte=last), weight, f"year {first} to {last}")


def _boost_scores() -> Boost:
    least, weight = GOOD_SCORE_BOOST
    return Boost(Range("score", gte=least), weight, f"score of {least:g} or more")
