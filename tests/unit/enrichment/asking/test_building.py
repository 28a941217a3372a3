"""Clients by the settings."""

from __future__ import annotations

from pydantic import SecretStr

from core.providers import PROVIDER_LIMITS
from core.settings import Settings
from enrichment.asking import ProviderClient, build_clients
from enrichment.providers.registry import build_providers
from storage.database.session import Database


def build(**values: object) -> dict[str, ProviderClient]:
    """The clients of these settings; nothing is connected to."""
    settings = Settings(_env_file=None, **values)  # type: ignore[arg-type]
    database = Database(settings.database_url.get_secret_value())
    return build_clients(settings, build_providers(settings), database)


def test_only_configured_providers_have_a_client() -> None:
    """By default two need nothing; each of the others appears when what it needs is set."""
    assert build().keys() == {"anilist", "kitsu"}
    everything = build(
        jikan_base_url="https://jikan.example.org/v4",
        anidb_client="example",
        animeschedule_token=SecretStr("t"),
        animeplanet_base_url="https://www.anime-planet.com",
    )
    assert everything.keys() == PROVIDER_LIMITS.keys()


def test_providers_declare_the_limits_that_are_shown() -> None:
    """What a provider declares is what core's table says, which the API shows."""
    for name, provider in build_providers(Settings(_env_file=None)).items():
        assert provider.info.name == name and provider.info.limits == PROVIDER_LIMITS[name]


def test_tokens_go_to_their_provider_only() -> None:
    """A token is sent as its provider wants it, to nobody else, and is not in what a client shows of itself."""
    clients = build(anilist_token=SecretStr("very-secret"), jikan_base_url="https://jikan.example.org/v4")
    headers = {name: vars(client)["_headers"] for name, client in clients.items()}
    assert headers == {"anilist": {"Authorization": "Bearer very-secret"}, "jikan": {}, "kitsu": {}}
    assert not any("very-secret" in repr(client) for client in clients.values())


def test_our_networks_are_for_our_instances() -> None:
    """What is asked at its public address cannot lead us into the networks that an instance of our own is in."""
    clients = build(
        enrich_allowed_networks="10.1.0.0/16",
        jikan_base_url="http://10.1.0.5/v4",
        animeplanet_base_url="https://www.anime-planet.com/",
        anidb_client="example",
        anidb_base_url="http://10.1.0.6:9001",
    )
    networks = {name: vars(vars(client)["_fetcher"])["_options"].allowed_networks for name, client in clients.items()}
    ours, none = ("10.1.0.0/16",), ()
    assert networks == {"jikan": ours, "anidb": ours, "anilist": none, "kitsu": none, "anime-planet": none}


def test_own_limits() -> None:
    """Limits of the workflow stand in the place of the declared ones."""
    settings = Settings(_env_file=None)
    limits = {"kitsu": PROVIDER_LIMITS["anidb"]}
    clients = build_clients(
        settings, build_providers(settings), Database(settings.database_url.get_secret_value()), limits=limits
    )
    assert clients["kitsu"].info.limits == PROVIDER_LIMITS["anidb"]
    assert clients["anilist"].info.limits == PROVIDER_LIMITS["anilist"]
