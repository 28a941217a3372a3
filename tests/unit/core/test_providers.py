"""Names, limits and settings of the providers."""

from __future__ import annotations

from typing import Any

import pytest

from core.enrichment import ID_SPACES
from core.providers import PROVIDER_LIMITS, get_base_url, is_public_instance, why_not
from core.settings import Settings


def test_every_provider_has_limits() -> None:
    """No provider can be asked without a limit."""
    assert PROVIDER_LIMITS.keys() == ID_SPACES.keys()
    assert all(PROVIDER_LIMITS.values())


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("jikan", "JIKAN_BASE_URL"),
        ("anidb", "ANIDB_CLIENT"),
        ("animeschedule", "ANIMESCHEDULE_TOKEN"),
        ("anime-planet", "ANIMEPLANET_BASE_URL"),
    ],
)
def test_unset_setting_is_named(name: str, missing: str) -> None:
    """A provider that is not configured says which setting is missing, and has no address."""
    settings = Settings(_env_file=None)
    assert missing in (why_not(settings, name) or "")
    assert get_base_url(settings, name) is None


def test_configured_provider_has_an_address_without_a_slash() -> None:
    """Paths begin with a slash, so the address ends without one."""
    settings = Settings(_env_file=None, jikan_base_url="https://jikan.example.org/v4/", anidb_client="example")
    assert get_base_url(settings, "jikan") == "https://jikan.example.org/v4"
    assert get_base_url(settings, "anidb") == "http://api.anidb.net:9001"
    assert why_not(settings, "anidb") is None


def test_public_instances() -> None:
    """Where everybody asks a provider it is public; an address of ours is not."""
    settings = Settings(_env_file=None, kitsu_base_url="http://localhost:1/edge", jikan_base_url="http://localhost:2")
    assert is_public_instance(settings, "anilist")
    assert not any(is_public_instance(settings, name) for name in ("kitsu", "jikan", "anidb"))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("jikan", {"jikan_base_url": "https://api.jikan.moe/v4"}),
        ("jikan", {"jikan_base_url": "https://API.jikan.moe/v4/"}),
        ("kitsu", {"kitsu_base_url": "https://kitsu.app/api/edge/"}),
        ("anidb", {"anidb_client": "ours", "anidb_base_url": "https://anidb.net/api/anime-titles.xml.gz"}),
    ],
)
def test_a_public_host_is_public_however_it_is_written(name: str, changes: dict[str, Any]) -> None:
    """Another path, a slash or AniDB's dump of titles open no way into networks of ours."""
    assert is_public_instance(Settings(_env_file=None, **changes), name)


def test_none_turns_a_provider_off() -> None:
    """`none` as an address means that it is not asked."""
    settings = Settings(_env_file=None, anilist_base_url="none")
    assert get_base_url(settings, "anilist") is None
    assert "ANILIST_BASE_URL" in (why_not(settings, "anilist") or "")
