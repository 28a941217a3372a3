"""The stages of enrichment and the fields of a document that each of them is about."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class EnrichStage(StrEnum):
    """The six stages, in the order in which a title passes them unless the workflow says otherwise."""

    METADATA = "metadata"
    EPISODES = "episodes"
    RELATIONS = "relations"
    STATISTICS = "statistics"
    CHARACTERS = "characters"
    STAFF = "staff"


STAGE_FIELDS: Final[Mapping[EnrichStage, tuple[str, ...]]] = {
    EnrichStage.METADATA: (
        "title", "title_english", "title_japanese", "synonyms", "synopsis", "background", "type", "status", "episodes",
        "duration", "season", "year", "aired", "broadcast", "rating", "genres", "themes", "demographics", "tags",
        "studios", "producers", "licensors", "source", "awards", "streaming", "trailers", "images", "external_ids",
    ),
    EnrichStage.EPISODES: ("episode_list",),
    EnrichStage.RELATIONS: ("related_anime", "franchise"),
    EnrichStage.STATISTICS: (
        "score", "scored_by", "rank", "popularity", "members", "favorites", "statistics", "reviews",
    ),
    EnrichStage.CHARACTERS: ("characters",),
    EnrichStage.STAFF: ("staff",),
}  # fmt: skip

# The sources of facts beside the providers: what imports gave, and what a person said.
SOURCE_CATALOGUE: Final = "catalogue"
SOURCE_OVERRIDE: Final = "override"
SOURCE_SYNTHESIS: Final = "synthesis"

# Whose ids a provider's titles have (core.identity.PROVIDERS).
ID_SPACES: Final[Mapping[str, str]] = {
    "jikan": "mal",
    "anilist": "anilist",
    "kitsu": "kitsu",
    "anidb": "anidb",
    "animeschedule": "animeschedule",
    "anime-planet": "anime-planet",
}
