"""Why each field of a title says what it says: the document's values beside the reasons that merging has left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.enrichment import SOURCE_CATALOGUE

# Reasons of a field that nobody but the catalogue has said anything about.
_IMPORTED: dict[str, Any] = {
    "sources": [SOURCE_CATALOGUE],
    "confidence": None,
    "at": None,
    "method": "import",
    "conflict": False,
}


def explain_fields(document: Mapping[str, Any], reasons: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """{field: {value, sources, confidence, at, method, conflict, others, elements, note}} by name.

    `value` is the document's, null for a field that was left out, which `note` or an override explains. A field that
    has come since the last merging, or a title that was never merged, has the catalogue as its only source.
    """
    return {
        name: {
            "value": document.get(name),
            **{key: reasons.get(name, {}).get(key, default) for key, default in _IMPORTED.items()},
            "others": reasons.get(name, {}).get("others", []),
            "elements": reasons.get(name, {}).get("elements", []),
            "note": reasons.get(name, {}).get("note"),
        }
        for name in sorted({*document, *reasons})
    }
