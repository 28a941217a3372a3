"""What a web process does beside answering: it sends its counts, and it keeps the cache warm."""

from __future__ import annotations

import threading

from core.settings import Settings
from search.asked import AskedQueries
from search.cache_counts import CacheCounts
from search.chores import Chore, Chores
from search.live import LiveIndexReader
from search.service import SearchService
from search.warming import Warmer, WarmingNeeds
from storage.cache import Cache
from storage.database.query_log import QueryLogRepository

COUNTS_EVERY_S = 5.0
ASKED_EVERY_S = 10.0
_LOOK_EVERY_S = 5.0
# What was asked in the last week is what is asked now.
_WARM_DAYS = 7


def build_chores(
    settings: Settings,
    *,
    cache: Cache,
    counts: CacheCounts,
    asked: AskedQueries,
    query_log: QueryLogRepository,
    search: SearchService,
    live: LiveIndexReader,
) -> tuple[Chores, ...]:
    """Two threads' worth: the short ones, and warming, which may take minutes."""
    short = Chores(
        [
            Chore("send cache counts", COUNTS_EVERY_S, counts.flush, at_end=True),
            Chore("send asked queries", ASKED_EVERY_S, asked.flush, at_end=True),
        ]
    )
    if settings.cache_warm_top == 0 or settings.cache_ttl_s == 0:
        return (short,)
    stopping = threading.Event()
    needs = WarmingNeeds(
        get_live=live.get,
        load_top=lambda: query_log.load_top(most=settings.cache_warm_top, days=_WARM_DAYS),
        ask=search.warm,
        is_idle=lambda: search.is_idle,
        pause=stopping.wait,
    )
    warmer = Warmer(cache, needs, every_s=settings.cache_warm_every_s)
    return short, Chores([Chore("warm the cache", _LOOK_EVERY_S, warmer.run)], stopping=stopping)
