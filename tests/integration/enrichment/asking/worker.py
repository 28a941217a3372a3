"""One worker process of four threads that asks for so many titles: `worker.py URL NAME FIRST LAST`."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

from core.providers import Limit
from core.settings import Settings
from enrichment.asking import ProviderClient
from fetching import Fetcher, FetchOptions
from storage.database.answers import AnswerRepository
from storage.database.session import Database
from storage.provider_gate import ProviderGate
from tests.integration.enrichment.asking.conftest import LOOPBACK, WIDE, build_info, build_request

LIMITS = (Limit(12, 1.0, burst=2), Limit(4, 0.25))


def main(url: str, name: str, first: str, last: str) -> None:
    """Ask for all of them, each once."""
    settings = Settings(_env_file=None)
    options = FetchOptions(
        user_agent="AnimeBot/1.0 (+https://example.org/bot)",
        allowed_networks=LOOPBACK,
        breaker_threshold=0,
        respect_robots=False,
        resends=False,
    )
    database = Database(settings.database_url.get_secret_value())
    with Fetcher(options) as fetcher, ThreadPoolExecutor(4) as pool:
        client = ProviderClient(
            build_info(name, LIMITS), url, fetcher, ProviderGate(settings, options=WIDE), AnswerRepository(database)
        )
        requests = [build_request(f"anime/{number}") for number in range(int(first), int(last))]
        list(pool.map(lambda request: client.ask(request, most_age_s=0), requests))
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
