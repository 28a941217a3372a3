"""Clients of the providers that the settings name, over one gate and shared connections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from core.providers import Limit, get_base_url, get_url_setting, is_public_instance
from core.settings import Settings
from enrichment.asking.client import AskOptions, ProviderClient
from enrichment.providers.base import Provider, ProviderInfo
from fetching import Fetcher, FetchOptions
from storage.database.answers import AnswerRepository
from storage.database.session import Database
from storage.provider_gate import GateOptions, ProviderGate

_CONNECTIONS = 32
_CONNECTIONS_BY_HOST = 8


def build_clients(
    settings: Settings,
    providers: Mapping[str, Provider],
    database: Database,
    *,
    gate: ProviderGate | None = None,
    options: AskOptions | None = None,
    limits: Mapping[str, tuple[Limit, ...]] | None = None,
    most_wait_s: float = 90.0,
) -> dict[str, ProviderClient]:
    """A client for each provider that is configured. Opens and starts nothing.

    `limits` stand in the place of those that the providers declare, `most_wait_s` is the longest wait for leave to ask
    (see the workflow).
    """
    gate = gate or build_gate(settings)
    answers = AnswerRepository(database)
    fetchers: dict[FetchOptions, Fetcher] = {}
    clients = {}
    for name, provider in providers.items():
        base_url = get_base_url(settings, name)
        if base_url is None:
            continue
        fetching = build_fetch_options(settings, provider.info)
        clients[name] = ProviderClient(
            replace(provider.info, limits=(limits or {}).get(name, provider.info.limits)),
            base_url,
            fetchers.setdefault(fetching, Fetcher(fetching)),
            gate,
            answers,
            headers=_build_headers(settings, name),
            options=options or _build_ask_options(settings, most_wait_s),
            url_setting=get_url_setting(name),
        )
    return clients


def build_gate(settings: Settings) -> ProviderGate:
    """The gate by the settings: a probe is waited for as long as a request may take."""
    return ProviderGate(settings, options=GateOptions(probe_s=settings.enrich_timeout_s + 10.0))


def _build_ask_options(settings: Settings, most_wait_s: float) -> AskOptions:
    return AskOptions(
        timeout_s=settings.enrich_timeout_s, max_bytes=settings.enrich_max_answer_bytes, most_wait_s=most_wait_s
    )


def build_fetch_options(settings: Settings, info: ProviderInfo) -> FetchOptions:
    """How a provider's host is asked."""
    # Limits, pauses and circuits are those of the gate, for all workers together; robots.txt is for people's pages.
    # Networks of ours are for instances of our own: what is public has nothing to send us there for.
    is_public = is_public_instance(settings, info.name)
    return FetchOptions(
        user_agent=settings.enrich_user_agent or settings.download_user_agent,
        timeout_s=settings.enrich_timeout_s,
        read_timeout_s=settings.enrich_timeout_s,
        max_bytes=settings.enrich_max_answer_bytes,
        # An interface answers where it is; pages have moved, and RFC 9309 wants redirects of robots.txt to be followed.
        most_redirects=5 if info.obeys_robots else 1,
        connections=_CONNECTIONS,
        connections_by_host=_CONNECTIONS_BY_HOST,
        breaker_threshold=0,
        pause_hosts=False,
        respect_robots=info.obeys_robots,
        # Each request has leave of its own.
        resends=False,
        allowed_networks=() if is_public else settings.get_provider_networks(),
        networks_setting="ENRICH_ALLOWED_NETWORKS",
    )


def _build_headers(settings: Settings, name: str) -> dict[str, str]:
    tokens = {"anilist": settings.anilist_token, "animeschedule": settings.animeschedule_token}
    token = tokens.get(name)
    return {} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"}
