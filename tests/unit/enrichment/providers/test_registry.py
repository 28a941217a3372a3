"""All providers, built from the settings."""

from __future__ import annotations

from core.enrichment import ID_SPACES, EnrichStage
from core.providers import PROVIDER_LIMITS
from core.settings import Settings
from enrichment.providers.registry import build_providers, get_base_url, why_not


def test_all_six_are_built_whatever_is_configured() -> None:
    """Kept answers can be read without asking anybody."""
    providers = build_providers(Settings())
    assert set(providers) == set(ID_SPACES)
    for name, provider in providers.items():
        info = provider.info
        assert (info.name, info.id_space, info.limits) == (name, ID_SPACES[name], PROVIDER_LIMITS[name])
        assert info.stages and info.licence and info.terms_url.startswith("https://")


def test_what_is_not_set_is_named() -> None:
    """A provider that cannot be asked says which setting is missing, and has no address."""
    settings = Settings()
    assert "JIKAN_BASE_URL" in (why_not(settings, "jikan") or "") and get_base_url(settings, "jikan") is None
    assert why_not(settings, "anilist") is None and get_base_url(settings, "anilist") == "https://graphql.anilist.co"


def test_every_stage_that_is_declared_can_be_planned() -> None:
    """Each request has a key of its own and no secret in it."""
    settings = Settings.model_validate({"animeschedule_token": "hidden-token", "anilist_token": "hidden-token"})
    for name, provider in build_providers(settings).items():
        external_id = "a-title" if name in ("animeschedule", "anime-planet") else "7"
        for stage in EnrichStage:
            if stage in provider.info.stages:
                requests = provider.plan(stage, external_id)
                assert requests and len({request.key for request in requests}) == len(requests)
                assert "hidden" not in repr([(request.key, request.path, request.body) for request in requests])


def test_a_title_without_end_is_searched_for_by_its_beginning() -> None:
    """Keys of answers and addresses have an end; what cannot be searched says so."""
    for provider in build_providers(Settings()).values():
        request = provider.plan_search("題" * 1_000)
        assert (request is not None) is provider.info.can_search
        assert request is None or (len(request.key) <= 250 and len(request.path) <= 2_000)
