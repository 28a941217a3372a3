"""What a point carries beside its vectors: the document, folded keys for filters, and computed fields."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from core.fields import build_keys
from core.vectors import TEXT_VECTORS

# The most followed title of the largest catalogue has about four million members.
_MEMBERS_SCALE = math.log10(4_000_000)


def build_payload(slug: str, document: Mapping[str, Any], *, adult: bool, vectors: frozenset[str]) -> dict[str, Any]:
    """The payload of a title's point. `vectors` are the names of the vectors that the title has."""
    return {
        **document,
        "id": slug,
        "adult": adult,
        "external_keys": [f"{provider}:{value}" for provider, value in document.get("external_ids", {}).items()],
        "keys": build_keys(dict(document)),
        **build_computed_fields(document, vectors=vectors),
    }


def build_computed_fields(document: Mapping[str, Any], *, vectors: frozenset[str]) -> dict[str, Any]:
    """popularity_score and content_richness_score in 0..1, search_boost_factor in 0.9..1.3, character_count."""
    popularity = _popularity_score(document)
    richness = len(vectors & set(TEXT_VECTORS)) / len(TEXT_VECTORS)
    score = document.get("score") or 0.0
    # Gentle by design: between equals the better known and better described title wins, never over meaning.
    boost = 0.9 + 0.2 * popularity + 0.1 * richness + 0.1 * (score / 10)
    return {
        "popularity_score": round(popularity, 4),
        "content_richness_score": round(richness, 4),
        "search_boost_factor": round(boost, 4),
        "character_count": len(document.get("characters", [])),
    }


def _popularity_score(document: Mapping[str, Any]) -> float:
    """Members on a log scale; 0 where they are not known."""
    members = document.get("members") or 0
    return min(1.0, math.log10(1 + members) / _MEMBERS_SCALE)
