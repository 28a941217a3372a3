"""The search service: one method a question, everything that it needs comes through its constructor."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

import orjson

from core.errors import ConflictError, InvalidInputError, NotFoundError
from core.fields import HIDDEN_PAYLOAD
from core.settings import Settings
from core.text import clean_text, find_text_fault
from search.cache import CacheKeys, SearchCache, build_keys
from search.dispatcher import Dispatcher
from search.encoding import EncodedQuery
from search.live import LiveIndex, LiveIndexReader, NothingIndexedError
from search.memory import Memory
from search.plan import SearchPlan, build_plan
from search.qdrant_query import QueryRequest, ScoredPoint
from search.request import SearchRequest
from search.retrieve import Page, Retriever, build_payload_memory
from storage.database.titles import TitleRepository
from storage.vectors.schema import get_search_ef
from storage.vectors.store import PointsMissingError, VectorStore

IDENTIFIER_MAX_CHARS = 200
# How long this process repeats an answer, or a payload, without asking anybody.
MEMORY_TTL_S = 60
_ANSWERS_MAX_BYTES = 64_000_000
TOKEN_MAX_BYTES = 4_096


class RecipeMismatchError(ConflictError):
    """The query worker makes other vectors than those in the index: no answer is better than a wrong one."""

    code = "recipe-mismatch"


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """An answer, encoded once.

    `body` is the JSON answer but for its end: the object and its `query_info` are left open, for what differs between
    equal searches: `cache` (what was found there: result, vector or none) and the times by step.
    """

    body: bytes
    cache: str
    took_ms: dict[str, float]

    def to_bytes(self) -> bytes:
        """The whole JSON answer, spliced rather than decoded and encoded again."""
        end = {"cache": self.cache, "cache_hit": self.cache == "result", "took_ms": self.took_ms}
        return self.body + b"," + orjson.dumps(end)[1:] + b"}"


@dataclass(frozen=True, slots=True, eq=False)
class QdrantCall:
    """The queries of one search on one collection. Compared by identity: no two are dropped as equal."""

    collection: str
    requests: Sequence[QueryRequest]


def run_calls(store: VectorStore, calls: list[QdrantCall]) -> list[list[list[ScoredPoint]]]:
    """The answers of many searches, one round trip a collection: what the retrieval dispatcher calls."""
    answers: list[list[list[ScoredPoint]]] = [[] for _ in calls]
    for collection in dict.fromkeys(call.collection for call in calls):
        members = [index for index, call in enumerate(calls) if call.collection == collection]
        requests = [request for index in members for request in calls[index].requests]
        found = iter(store.query_batch(collection, requests))
        for index in members:
            answers[index] = [next(found) for _ in calls[index].requests]
    return answers


class SearchService:
    """Answers searches and looks titles up. Safe to use from many threads."""

    def __init__(
        self,
        settings: Settings,
        *,
        live: LiveIndexReader,
        cache: SearchCache,
        titles: TitleRepository,
        embedding: Dispatcher[str, EncodedQuery],
        retrieval: Dispatcher[QdrantCall, list[list[ScoredPoint]]],
    ) -> None:
        self._settings = settings
        self._live = live
        self._cache = cache
        self._titles = titles
        self._embedding = embedding
        self._retrieval = retrieval
        ttl_s = min(settings.cache_ttl_s, MEMORY_TTL_S)
        self._retriever = Retriever(
            self._run_queries,
            get_ef=lambda priority: get_search_ef(settings, priority),
            payloads=build_payload_memory(ttl_s=ttl_s),
        )
        self._answers: Memory[tuple[str, bytes], bytes] = Memory(
            max_bytes=_ANSWERS_MAX_BYTES, ttl_s=ttl_s, size_of=lambda key, body: len(key[1]) + len(body)
        )
        # next() on an itertools.count is atomic, so counting needs no lock.
        self._counters = {name: count() for name in ("searches", "result_hits", "vector_hits")}
        self._counts = dict.fromkeys(self._counters, 0)

    def search(self, request: SearchRequest, *, token: bytes | None = None) -> SearchAnswer:
        """Answer one search. Raises the errors of `core.errors` only.

        `token` is whatever the caller knows the whole request by, such as the bytes of its body: see `repeat`.
        """
        started = time.perf_counter()
        plan = build_plan(request, self._settings)
        live = self._live.get()
        recipes = live.recipes
        keys = build_keys(
            index_state=live.state,
            plan_fingerprint=plan.fingerprint,
            recipes_fingerprint=recipes.fingerprint,
            query=plan.query,
        )
        cached = self._cache.load(keys, recipes_fingerprint=recipes.fingerprint)
        self._count("searches")
        if cached.result is not None:
            self._count("result_hits")
            answer = SearchAnswer(cached.result, "result", {"total": _ms_since(started)})
        else:
            answer = self._search_index(plan, live, keys, known=cached.vector, started=started)
        if token is not None and len(token) <= TOKEN_MAX_BYTES:
            self._answers.put_many({(live.state, token): answer.body})
        return answer

    def repeat(self, token: bytes) -> SearchAnswer | None:
        """The answer that `search` gave lately for this token in the present state of the index, None if it did not."""
        if (live := self._live.peek()) is None:
            return None
        started = time.perf_counter()
        body = self._answers.get((live.state, token))
        if body is None:
            return None
        self._count("searches")
        self._count("result_hits")
        return SearchAnswer(body, "result", {"total": _ms_since(started)})

    def get_by_id(self, identifier: str, *, include_adult: bool = False) -> dict[str, Any]:
        """The stored title of a slug or `provider:id`. Raises NotFoundError, InvalidInputError."""
        if fault := find_text_fault(identifier):
            raise InvalidInputError("id", fault)
        if len(identifier) > IDENTIFIER_MAX_CHARS:
            raise InvalidInputError("id", f"more than {IDENTIFIER_MAX_CHARS} characters")
        slug = self._titles.resolve_slug(clean_text(identifier))
        title = self._titles.load([slug]).get(slug) if slug is not None else None
        if slug is None or title is None or title.excluded or (title.adult and not include_adult):
            raise NotFoundError("title", identifier)
        shown = {name: value for name, value in title.document.items() if name not in HIDDEN_PAYLOAD}
        return {"id": slug, **shown, "adult": title.adult}

    def get_stats(self) -> dict[str, Any]:
        """Counts of this process since its start."""
        searches = self._counts["searches"]
        hits = self._counts["result_hits"]
        return {
            **self._counts,
            "hit_rate": round(hits / searches, 4) if searches else None,
            "embedding": asdict(self._embedding.get_stats()),
            "retrieval": asdict(self._retrieval.get_stats()),
        }

    def close(self) -> None:
        """Let waiting threads go and end the dispatchers."""
        self._embedding.close()
        self._retrieval.close()

    def _search_index(
        self, plan: SearchPlan, live: LiveIndex, keys: CacheKeys, *, known: EncodedQuery | None, started: float
    ) -> SearchAnswer:
        begun = time.perf_counter()
        query = known or self._embed(plan, live)
        if known is not None:
            self._count("vector_hits")
        embedded = time.perf_counter()
        page = self._retrieve(plan, live, query)
        retrieved = time.perf_counter()
        body = encode_page(plan, page)
        self._cache.save(keys, result=body, vector=None if known else query)
        took_ms = {
            "embed": _ms(embedded - begun),
            "retrieve": _ms(retrieved - embedded),
            "total": _ms_since(started),
        }
        return SearchAnswer(body, "vector" if known else "none", took_ms)

    def _embed(self, plan: SearchPlan, live: LiveIndex) -> EncodedQuery:
        query = self._embedding.get(plan.query, timeout_s=self._settings.query_deadline_s)
        if query.recipes != live.recipes.fingerprint:
            raise RecipeMismatchError(
                f"the query worker makes vectors by recipe {query.recipes}, but the index was made by "
                f"{live.recipes.fingerprint}: run the worker with the model of the index, or re-index"
            )
        return query

    def _retrieve(self, plan: SearchPlan, live: LiveIndex, query: EncodedQuery) -> Page:
        try:
            return self._retriever.retrieve(live, plan, query)
        except PointsMissingError as error:
            # Another generation went live and this one was dropped: the next search reads the new name.
            self._live.forget()
            raise NothingIndexedError(f"the collection {live.collection} does not exist any more") from error

    def _run_queries(self, collection: str, requests: Sequence[QueryRequest]) -> list[list[ScoredPoint]]:
        call = QdrantCall(collection, requests)
        return self._retrieval.get(call, timeout_s=2 * self._settings.qdrant_timeout_s)

    def _count(self, name: str) -> None:
        self._counts[name] = next(self._counters[name]) + 1


def encode_page(plan: SearchPlan, page: Page) -> bytes:
    """The body of a SearchAnswer: all that is the same for equal searches."""
    answer = {
        "results": [hit.to_json() for hit in page.hits],
        "total_found": page.total_found,
        "total_is_exact": page.total_is_exact,
        "query_info": {
            "query": plan.query,
            "vectors": {vector.name: vector.weight for vector in plan.vectors if vector.name in page.vectors},
            "fusion": "rrf" if len(page.vectors) > 1 else None,
        },
    }
    return orjson.dumps(answer)[:-2]


def _ms(seconds: float) -> float:
    return round(seconds * 1_000, 3)


def _ms_since(started: float) -> float:
    return _ms(time.perf_counter() - started)
