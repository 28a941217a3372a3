"""What the recorded answers of the providers say of titles, by MyAnimeList's id, read by the providers' own parsers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from core.enrichment import ID_SPACES, EnrichStage
from core.errors import ServiceError
from enrichment.providers.anidb import AnidbProvider
from enrichment.providers.anilist import AnilistProvider
from enrichment.providers.animeplanet import AnimePlanetProvider
from enrichment.providers.base import Provider
from enrichment.providers.jikan import JikanProvider
from enrichment.providers.kitsu import KitsuProvider
from evaluation.enrichment.parsing import parse_recording
from evaluation.enrichment.recordings import load_recordings

_PROVIDERS: Final[tuple[Provider, ...]] = (
    JikanProvider(),
    AnilistProvider(),
    KitsuProvider(),
    AnidbProvider(client="", client_version=1),
    AnimePlanetProvider(),
)


def read_recorded(data: Path, ids: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """(provider, MyAnimeList's id, facts of its metadata) of recordings about one title; `ids` by space and id.

    A recording that is no title's answer, or of a title that the catalogue does not know, is passed over: what parsers
    make of those is measured by `avs eval parsers`.
    """
    providers = {provider.info.name: provider for provider in _PROVIDERS}
    for recording in load_recordings(data):
        provider = providers.get(recording.provider)
        if provider is None or recording.external_id is None or EnrichStage.METADATA not in recording.stages:
            continue
        mal_id = ids[ID_SPACES[recording.provider]].get(recording.external_id)
        if mal_id is None:
            continue
        try:
            facts = parse_recording(provider, recording, EnrichStage.METADATA).facts
        except ServiceError:
            continue
        yield recording.provider, mal_id, dict(facts)
