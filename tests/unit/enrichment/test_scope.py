"""What a job is about: providers and stages by the workflow, the settings and what was asked for."""

from __future__ import annotations

import pytest

from core.errors import ConfigurationError, InvalidInputError
from core.settings import Settings
from enrichment.providers.registry import build_providers
from enrichment.scope import ScopeBuilder
from enrichment.workflow import load_workflow

_SETTINGS = Settings(_env_file=None, jikan_base_url="http://jikan.test/v4")


def build(settings: Settings = _SETTINGS) -> ScopeBuilder:
    """With our workflow and our providers."""
    infos = {name: provider.info for name, provider in build_providers(settings).items()}
    return ScopeBuilder(settings, load_workflow(settings), infos)


def test_all_that_is_configured_is_asked() -> None:
    """AniDB has no client, AnimeSchedule no token, and Anime-Planet is off."""
    scope = build().build()
    assert scope.providers == ["jikan", "anilist", "kitsu"] == build().configured
    assert scope.stages == ["metadata", "episodes", "relations", "statistics", "characters", "staff"]
    assert len(scope.parts) == 18
    part = scope.parts[0]
    assert (part.airing_s, part.finished_s) == (6 * 3_600, 90 * 86_400)
    assert (scope.poor_quality, scope.poor_factor, scope.dead_s) == (50, 0.5, 90 * 86_400)


def test_a_job_may_be_about_less() -> None:
    """Only what was named, in the workflow's order."""
    scope = build().build(providers=["kitsu", "jikan"], stages=["staff", "metadata"])
    assert [(part.provider, part.stage) for part in scope.parts] == [
        ("jikan", "metadata"),
        ("kitsu", "metadata"),
        ("jikan", "staff"),
        ("kitsu", "staff"),
    ]
    assert build().build_empty().parts == () and build().build_empty().providers == []


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"providers": ["geocities"]}, InvalidInputError, "providers: unknown: geocities; there are jikan"),
        ({"providers": ["jikan", "anidb"]}, ConfigurationError, "anidb is not configured: ANIDB_CLIENT is not set"),
        ({"stages": ["weather"]}, InvalidInputError, "weather is no stage; there are metadata"),
        ({"providers": ["kitsu"], "stages": []}, InvalidInputError, "none of the providers"),
    ],
)
def test_what_cannot_be_asked_is_refused(asked: dict[str, list[str]], error: type[Exception], words: str) -> None:
    """By its name, with what there is or what to set."""
    with pytest.raises(error, match=words):
        build().build(**asked)


def test_without_any_provider_the_settings_are_named() -> None:
    """Each with what it lacks."""
    bare = Settings(_env_file=None, anilist_base_url="none", kitsu_base_url="none")
    with pytest.raises(ConfigurationError, match=r"no provider is configured.*KITSU_BASE_URL"):
        build(bare).build()
