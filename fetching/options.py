"""How a fetcher behaves."""

from __future__ import annotations

from dataclasses import dataclass

from core.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchOptions:
    """Limits and manners of one fetcher. Times are in seconds, sizes in bytes.

    attempts             tries within one call; 1 where the caller keeps its own time table (the downloader does)
    backoff_s            bound of the first wait between tries; it doubles up to most_backoff_s
    connections          requests at once, and idle connections kept, in all
    connections_by_host  requests at once to one host and port
    slot_wait_s          longest wait for one of these, before each request; not counted in timeout_s
    breaker_threshold    transient failures in a row that open a host's circuit; 0: never
    pause_hosts          leave a host alone for as long as its Retry-After says, with all its addresses
    resends              once more, without a word, where a kept connection ends instead of an answer; False: an error
    allowed_networks     private networks in CIDR form that may be reached all the same
    networks_setting     the setting that names them, for messages
    robots_life_s        how long a robots.txt is believed; RFC 9309 allows a day
    """

    user_agent: str
    timeout_s: float = 20.0
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 10.0
    max_bytes: int = 10_000_000
    most_redirects: int = 5
    attempts: int = 1
    backoff_s: float = 0.5
    most_backoff_s: float = 30.0
    connections: int = 64
    connections_by_host: int = 8
    slot_wait_s: float = 20.0
    breaker_threshold: int = 10
    breaker_open_s: float = 10.0
    breaker_most_open_s: float = 600.0
    pause_hosts: bool = True
    respect_robots: bool = True
    robots_life_s: float = 3_600.0
    resends: bool = True
    allowed_networks: tuple[str, ...] = ()
    networks_setting: str = "DOWNLOAD_ALLOWED_NETWORKS"


def build_options(settings: Settings) -> FetchOptions:
    """The options of the downloader, from its settings; `dataclasses.replace` makes those of others."""
    return FetchOptions(
        user_agent=settings.download_user_agent,
        timeout_s=settings.download_timeout_s,
        max_bytes=settings.picture_max_bytes,
        connections=settings.download_concurrency,
        connections_by_host=settings.download_per_host,
        respect_robots=settings.download_respect_robots,
        allowed_networks=settings.get_allowed_networks(),
    )
