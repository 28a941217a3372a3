"""Counts of values, and titles while somebody types."""

from __future__ import annotations

from client.values.base import Value


class FacetValue(Value):
    """A value of a field, and how many titles have it."""

    value: str | int | float | bool
    count: int


class Facets(Value):
    """Values by field, the most frequent first, and how many titles pass the filters."""

    facets: dict[str, tuple[FacetValue, ...]]
    total: int


class Suggestion(Value):
    """A title that begins like what was typed. `matched` is the name that fits; `kind` says how."""

    id: str
    title: str
    matched: str | None = None
    type: str | None = None
    year: int | None = None
    kind: str | None = None


class SuggestionList(Value):
    """The best first."""

    suggestions: tuple[Suggestion, ...]
