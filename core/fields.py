"""The fields that a filter or a sort may name: one table for the index's schema, the payload and the search.

Names of people and companies are compared without regard to case, so the payload carries folded copies of them
under `keys`; what is shown keeps its spelling.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class FieldKind(StrEnum):
    """How Qdrant indexes a field."""

    KEYWORD = "keyword"
    INTEGER = "integer"
    FLOAT = "float"
    DATETIME = "datetime"
    BOOL = "bool"


class Folding(StrEnum):
    """What happens to a keyword before it is compared."""

    NONE = "none"
    LOWER = "lower"
    UPPER = "upper"


@dataclass(frozen=True, slots=True)
class IndexedField:
    """A field by the name that callers use, its path in the payload, and how it is compared."""

    name: str
    path: str
    kind: FieldKind
    folding: Folding = Folding.NONE

    def fold(self, value: str) -> str:
        """The value as the index holds it."""
        if self.folding is Folding.LOWER:
            return value.casefold()
        return value.upper() if self.folding is Folding.UPPER else value


_ENUMS = ("type", "status", "season")
_LABELS = ("genres", "themes", "demographics", "tags")
_FOLDED = ("studios", "producers", "licensors", "awards", "staff", "characters", "streaming", "franchise", "source")
_INTEGERS = (
    "year", "episodes", "scored_by", "rank", "popularity", "members", "favorites", "character_count",
)  # fmt: skip
_FLOATS = ("duration", "score", "popularity_score", "content_richness_score", "search_boost_factor")


def _build_fields() -> tuple[IndexedField, ...]:
    keyword = FieldKind.KEYWORD
    return (
        IndexedField("id", "id", keyword),
        IndexedField("rating", "rating", keyword),
        IndexedField("external_ids", "external_keys", keyword),
        *(IndexedField(name, name, keyword, Folding.UPPER) for name in _ENUMS),
        *(IndexedField(name, name, keyword, Folding.LOWER) for name in _LABELS),
        *(IndexedField(name, f"keys.{name}", keyword, Folding.LOWER) for name in _FOLDED),
        *(IndexedField(name, name, FieldKind.INTEGER) for name in _INTEGERS),
        *(IndexedField(name, name, FieldKind.FLOAT) for name in _FLOATS),
        IndexedField("aired_start", "aired.start", FieldKind.DATETIME),
        IndexedField("aired_end", "aired.end", FieldKind.DATETIME),
        IndexedField("adult", "adult", FieldKind.BOOL),
    )


INDEXED_FIELDS: tuple[IndexedField, ...] = _build_fields()
FIELD_BY_NAME: dict[str, IndexedField] = {field.name: field for field in INDEXED_FIELDS}

# Payload entries that exist for filters only and are never shown.
HIDDEN_PAYLOAD = ("keys", "external_keys")


def build_keys(document: dict[str, Any]) -> dict[str, list[str]]:
    """The folded copies of a stored document's names: {'studios': ['wit studio'], ...}; empty ones left out."""
    names: dict[str, list[str]] = {
        "studios": document.get("studios", []),
        "producers": document.get("producers", []),
        "licensors": document.get("licensors", []),
        "awards": document.get("awards", []),
        "staff": [person["name"] for person in document.get("staff", [])],
        "characters": [character["name"] for character in document.get("characters", [])],
        "streaming": [offer["platform"] for offer in document.get("streaming", [])],
        "franchise": [document["franchise"]] if document.get("franchise") else [],
        "source": [document["source"]] if document.get("source") else [],
    }
    folded = {name: sorted({value.casefold() for value in values}) for name, values in names.items()}
    return {name: values for name, values in folded.items() if values}
