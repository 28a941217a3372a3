"""The providers of enrichment by name: their limits, and which of them the settings allow to ask.

It stands in `core` because both those who ask and those who only show how things stand (the API) need it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `amount` requests in `period_s` seconds, in a token bucket that holds `burst` of them."""

    amount: float
    period_s: float
    burst: int = 1


# All limits of a provider hold at once. Where a provider publishes no limit we choose one that nobody would notice.
PROVIDER_LIMITS: Final[Mapping[str, tuple[Limit, ...]]] = MappingProxyType(
    {
        # https://docs.api.jikan.moe/#section/Information/Rate-Limiting
        "jikan": (Limit(3, 1.0), Limit(60, 60.0, burst=3)),
        # 90 by its documentation, 30 by its answers since it is "degraded".
        "anilist": (Limit(30, 60.0),),
        "kitsu": (Limit(2, 1.0), Limit(90, 60.0, burst=5)),
        # https://wiki.anidb.net/HTTP_API_Definition: a page in two seconds at most, and never for bulk download. A few
        # hundred pages a day ban nobody; a large catalogue takes its weeks.
        "anidb": (Limit(1, 2.0), Limit(400, 86_400.0, burst=50)),
        # 120 by its documentation.
        "animeschedule": (Limit(60, 60.0, burst=2),),
        "anime-planet": (Limit(1, 5.0),),
    }
)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a provider's address and what it needs besides stand in the settings."""

    get_url: Callable[[Settings], str | None]
    url_setting: str
    public_urls: tuple[str | None, ...] = ()
    needs: tuple[tuple[str, Callable[[Settings], object]], ...] = ()


def _get_default(field: str) -> str | None:
    default: str | None = Settings.model_fields[field].default
    return default


_PLACES: Final[Mapping[str, _Place]] = {
    "jikan": _Place(lambda settings: settings.jikan_base_url, "JIKAN_BASE_URL", ("https://api.jikan.moe/v4",)),
    "anilist": _Place(
        lambda settings: settings.anilist_base_url, "ANILIST_BASE_URL", (_get_default("anilist_base_url"),)
    ),
    "kitsu": _Place(lambda settings: settings.kitsu_base_url, "KITSU_BASE_URL", (_get_default("kitsu_base_url"),)),
    "anidb": _Place(
        lambda settings: settings.anidb_base_url,
        "ANIDB_BASE_URL",
        (_get_default("anidb_base_url"), _get_default("anidb_titles_url")),
        (("ANIDB_CLIENT", lambda settings: settings.anidb_client),),
    ),
    "animeschedule": _Place(
        lambda settings: settings.animeschedule_base_url,
        "ANIMESCHEDULE_BASE_URL",
        (_get_default("animeschedule_base_url"),),
        (("ANIMESCHEDULE_TOKEN", lambda settings: settings.animeschedule_token),),
    ),
    "anime-planet": _Place(
        lambda settings: settings.animeplanet_base_url, "ANIMEPLANET_BASE_URL", ("https://www.anime-planet.com",)
    ),
}


def get_base_url(settings: Settings, name: str) -> str | None:
    """The address that a provider is asked at, without a slash at its end; None: it is not configured."""
    if why_not(settings, name) is not None:
        return None
    return (_PLACES[name].get_url(settings) or "").rstrip("/")


def get_url_setting(name: str) -> str:
    """The setting that says where a provider is asked."""
    return _PLACES[name].url_setting


def is_public_instance(settings: Settings, name: str) -> bool:
    """True for a provider that is asked where everybody asks it: it has no business in networks of ours."""
    url = get_base_url(settings, name)
    return url is not None and _get_host(url) in {_get_host(public) for public in _PLACES[name].public_urls if public}


def _get_host(url: str) -> str | None:
    return urlsplit(url).hostname


def why_not(settings: Settings, name: str) -> str | None:
    """Which setting keeps a provider from being asked, in a sentence; None: it may be asked."""
    place = _PLACES[name]
    if not place.get_url(settings):
        return f"{place.url_setting} is not set"
    missing = [setting for setting, get in place.needs if not get(settings)]
    return f"{' and '.join(missing)} is not set" if missing else None
