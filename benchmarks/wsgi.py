"""What the benchmark's gunicorn serves: the product as it is, a hello-world route, and the product with a Celery task
for each query instead of the dispatcher. All three on the same server settings; nothing of this is in the product.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from celery import Celery
from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from api.app import create_app
from api.wsgi import app as product
from api.wsgi import services, settings
from benchmarks.paths import HELLO_PATH, ONE_TASK_PATH
from core.settings import Settings
from messaging.app import create_celery
from messaging.names import TASK_ENCODE_QUERIES
from messaging.query_call import parse_query_result
from search.answers import AnswerCache
from search.asked import AskedQueries
from search.backend import QdrantCall, SearchBackend, run_calls
from search.cache_counts import CacheCounts
from search.cursors import CursorStore
from search.dispatcher import Dispatcher, DispatcherStats
from search.encoding import EncodedQuery
from search.qdrant_query import ScoredPoint
from search.referring import TitleFinder
from search.service import SearchService
from storage.cache import Cache
from storage.cache_writer import CacheWriter
from storage.database.relatives import RelativesRepository


class OneTaskPerQuery(Dispatcher[str, EncodedQuery]):
    """The obvious way: each request thread sends a task and waits for its result by Celery's own means."""

    def __init__(self, celery: Celery) -> None:
        super().__init__(lambda _keys, _timeout_s: [], batch_max=1, queue_max=1, name="one-task")
        self._celery = celery

    def get_many(self, keys: Sequence[str], *, timeout_s: float) -> list[EncodedQuery]:
        """The vectors of the texts, one task each."""
        return [self._ask(key, timeout_s) for key in keys]

    def _ask(self, key: str, timeout_s: float) -> EncodedQuery:
        kwargs = {"texts": [key], "deadline": time.time() + timeout_s}
        sent = self._celery.send_task(TASK_ENCODE_QUERIES, kwargs=kwargs, ignore_result=False)
        encoded = parse_query_result(sent.get(timeout=timeout_s))
        lexical = None if encoded.lexical is None else encoded.lexical[0]
        return EncodedQuery(recipes=encoded.recipes, dense=np.array(encoded.dense[0]), lexical=lexical)

    def get_stats(self) -> DispatcherStats:
        """Nothing is counted."""
        return DispatcherStats(0, 0, 0, 0, 0, 0)


def build_one_task_search(settings: Settings) -> SearchService:
    """The product's search service, all but the way to the query worker."""
    retrieval: Dispatcher[QdrantCall, list[list[ScoredPoint]]] = Dispatcher(
        lambda calls, _timeout_s: run_calls(services.store, calls),
        batch_max=settings.query_batch_max,
        queue_max=settings.query_queue_max,
        name="retrieval",
    )
    cache = Cache(settings)
    return SearchService(
        settings,
        backend=SearchBackend(
            settings,
            live=services.live,
            store=services.store,
            embedding=OneTaskPerQuery(create_celery(settings)),
            retrieval=[retrieval],
        ),
        kept=AnswerCache(cache, CacheWriter(cache), CacheCounts(cache), max_bytes=settings.cache_max_answer_bytes),
        asked=AskedQueries(lambda _: None, is_on=False),
        cursors=CursorStore(cache),
        finder=TitleFinder(services.titles, RelativesRepository(services.databases[0])),
    )


def build_hello() -> Flask:
    """The least that Flask can answer."""
    hello = Flask("hello")

    @hello.get("/")
    def say_hello() -> str:
        return "hello world"

    return hello


app = DispatcherMiddleware(
    product,
    {
        HELLO_PATH: build_hello(),
        ONE_TASK_PATH: create_app(replace(services, search=build_one_task_search(settings))),
    },
)
