"""Names that never change: slugs of titles, ids at providers, ids of points.

Nothing here draws random numbers or looks at a clock: the same title gets the same names on every machine.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping

from anyascii import anyascii

POINT_NAMESPACE = uuid.UUID("6f4d7c1e-0b57-5d43-9f0a-3c1f0a1f7a10")
SLUG_MAX_CHARS = 96

# Which external id lends its number to a slug that is empty or taken: the first of these that a title has.
_SUFFIX_ORDER = (
    "mal",
    "anilist",
    "kitsu",
    "anidb",
    "anisearch",
    "livechart",
    "simkl",
    "animecountdown",
    "animenewsnetwork",
)

_PROVIDER_BY_URL: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("mal", re.compile(r"myanimelist\.net/anime/(\d+)")),
    ("anilist", re.compile(r"anilist\.co/anime/(\d+)")),
    ("kitsu", re.compile(r"kitsu\.(?:app|io)/anime/(\d+)")),
    ("anidb", re.compile(r"anidb\.net/(?:anime/|a)(\d+)")),
    ("anime-planet", re.compile(r"anime-planet\.com/anime/([a-z0-9-]+)")),
    ("anisearch", re.compile(r"anisearch\.com/anime/(\d+)")),
    ("livechart", re.compile(r"livechart\.me/anime/(\d+)")),
    ("simkl", re.compile(r"simkl\.com/(?:anime/)?(\d+)")),
    ("animecountdown", re.compile(r"animecountdown\.com/(\d+)")),
    ("animenewsnetwork", re.compile(r"animenewsnetwork\.com/encyclopedia/anime\.php\?id=(\d+)")),
)
PROVIDERS = frozenset(name for name, _ in _PROVIDER_BY_URL) | {"tvdb", "tmdb", "imdb", "animeschedule"}


def provider_id_from_url(url: str) -> tuple[str, str] | None:
    """('mal', '16498') for a title's page at a known provider, None for any other address."""
    for provider, pattern in _PROVIDER_BY_URL:
        if match := pattern.search(url):
            return provider, match.group(1)
    return None


def parse_provider_key(key: str) -> tuple[str, str] | None:
    """('mal', '16498') for 'mal:16498'; None when the text is not of that form (so it is a slug)."""
    provider, separator, external_id = key.partition(":")
    if not separator or provider not in PROVIDERS or not external_id:
        return None
    return provider, external_id


def build_slug(title: str) -> str:
    """Transliterated ASCII of a title, lower case, words joined by '-'; empty when nothing is left of it."""
    words = re.findall(r"[a-z0-9]+", anyascii(title).lower())
    return "-".join(words)[:SLUG_MAX_CHARS].strip("-")


def build_slug_suffix(external_ids: Mapping[str, object]) -> str:
    """'mal16498': the first provider in a fixed order, so that the suffix does not depend on the reader."""
    for provider in (*_SUFFIX_ORDER, *sorted(external_ids)):
        if external_ids.get(provider):
            return build_slug(f"{provider}{external_ids[provider]}").replace("-", "")
    return ""


def assign_slug(title: str, external_ids: Mapping[str, object], *, is_taken: Callable[[str], bool]) -> str:
    """A free slug: the title's own, else with its external id, else numbered. Called once in a title's life."""
    base = build_slug(title)
    if base and not is_taken(base):
        return base
    suffix = build_slug_suffix(external_ids)
    candidate = "-".join(part for part in (base, suffix) if part) or "untitled"
    attempt, slug = 1, candidate
    while is_taken(slug):
        attempt += 1
        slug = f"{candidate}-{attempt}"
    return slug


def point_id(slug: str) -> str:
    """UUIDv5 of the slug: writing a title twice overwrites its one point."""
    return str(uuid.uuid5(POINT_NAMESPACE, slug))


def picture_id(*, kind: str, slug: str | None = None, character: str | None = None, name: str) -> str:
    """UUIDv5 of one picture: of a title by its place there and its address, of a free one by the caller's name.

    `name` is the address of a title's picture, and the caller's own id (or the address) of a free one.
    """
    parts = "\x1f".join(("picture", kind, slug or "", character or "", name))
    return str(uuid.uuid5(POINT_NAMESPACE, parts))
