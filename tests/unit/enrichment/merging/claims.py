"""Claims for tests of merging."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from enrichment.merging import MergedField, MergeModel, SourceClaims, merge_title

NOW = datetime(2026, 1, 1, tzinfo=UTC)
# Nothing learned: every source is as good as any other.
BLANK = MergeModel()


def say(source: str, *, days_ago: float = 0, **facts: Any) -> SourceClaims:
    """What a source said so many days ago."""
    return SourceClaims(source, NOW - timedelta(days=days_ago), facts)


def merge(field: str, *claims: SourceClaims, model: MergeModel = BLANK) -> MergedField:
    """One field of the merged title."""
    return merge_title(claims, model).fields[field]
