"""What the payload of a picture's point holds, and which of it a filter or a sort may name."""

from __future__ import annotations

from typing import Final

from core.fields import FieldKind, IndexedField
from search.checks import FieldTable

_PAYLOAD: Final = (
    "id", "kind", "title", "slug", "character", "image_id", "sha256", "url", "source", "media_type", "width", "height",
    "phash", "colour", "tags", "metadata", "adult",
)  # fmt: skip
_KEYWORDS: Final = ("kind", "slug", "tags", "sha256", "source")
_INTEGERS: Final = ("width", "height")

PICTURES: Final = FieldTable(
    "a picture",
    frozenset(_PAYLOAD),
    {
        **{name: IndexedField(name, name, FieldKind.KEYWORD) for name in _KEYWORDS},
        **{name: IndexedField(name, name, FieldKind.INTEGER) for name in _INTEGERS},
        "adult": IndexedField("adult", "adult", FieldKind.BOOL),
    },
)
