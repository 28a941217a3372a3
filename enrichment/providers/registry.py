"""All providers, built from the settings; which of them may be asked is told by `core.providers`."""

from __future__ import annotations

from core.providers import get_base_url, why_not
from core.settings import Settings
from enrichment.providers.anidb import AnidbProvider
from enrichment.providers.anilist import AnilistProvider
from enrichment.providers.animeplanet import AnimePlanetProvider
from enrichment.providers.animeschedule import AnimeScheduleProvider
from enrichment.providers.base import Provider
from enrichment.providers.jikan import JikanProvider
from enrichment.providers.kitsu import KitsuProvider

__all__ = ["build_providers", "get_base_url", "why_not"]


def build_providers(settings: Settings) -> dict[str, Provider]:
    """The six by name, also those that are not configured: they can read kept answers."""
    providers: tuple[Provider, ...] = (
        JikanProvider(),
        AnilistProvider(),
        KitsuProvider(),
        # Its requests name a client; without one none is ever sent (`why_not`).
        AnidbProvider(client=settings.anidb_client or "", client_version=settings.anidb_client_version),
        AnimeScheduleProvider(),
        AnimePlanetProvider(),
    )
    return {provider.info.name: provider for provider in providers}
