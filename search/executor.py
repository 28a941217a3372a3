"""What all ways of asking share: a plan's query side, and the driving of its steps against the live collection."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace

import orjson

from core.settings import Settings
from search.answers import AnswerKey
from search.backend import SearchBackend
from search.cache import build_vector_key, unpack_query
from search.encoding import EncodedQuery
from search.live import LiveIndex
from search.memory import Memory
from search.plan import SearchPlan
from search.query_vectors import QueryVectors, choose_text_vectors
from search.questions import Question
from search.rank import Ranked, Ranking
from search.retrieve import Hit, Page, Retriever, build_payload_memory
from search.steps import run_steps, run_together
from storage.vectors.schema import get_search_ef

# How long this process remembers a payload, an answer or a query's vectors without asking anybody.
MEMORY_TTL_S = 60
# Query vectors, for the pages of cursors and for long answers, which are not kept in Redis.
_VECTORS_MAX_BYTES = 16_000_000


class Executor:
    """Runs plans. Safe between threads. Methods raise NothingIndexedError and DependencyUnavailableError."""

    def __init__(self, settings: Settings, backend: SearchBackend) -> None:
        self._backend = backend
        ttl_s = min(settings.cache_ttl_s, MEMORY_TTL_S)
        self._retriever = Retriever(
            get_ef=lambda priority: get_search_ef(settings, priority), payloads=build_payload_memory(ttl_s=ttl_s)
        )
        self._vectors: Memory[tuple[str, str], EncodedQuery] = Memory(
            max_bytes=_VECTORS_MAX_BYTES, ttl_s=ttl_s, size_of=lambda key, query: len(key[1]) + query.dense.nbytes
        )

    def get_live(self) -> LiveIndex:
        """The live index."""
        return self._backend.get_live()

    def embed(self, texts: Sequence[str], live: LiveIndex) -> dict[str, EncodedQuery]:
        """The vectors of the texts by text, made together."""
        return self._backend.embed(texts, live)

    def prepare(self, plan: SearchPlan, live: LiveIndex) -> QueryVectors:
        """The query side of a plan; the pages of a cursor need it again and again."""
        if plan.text is None:
            return {}
        key = (live.recipes.fingerprint, plan.text)
        query = self._vectors.get(key) or self.embed([plan.text], live)[plan.text]
        self._vectors.put_many({key: query})
        return choose_text_vectors(plan, query)

    def retrieve(self, plan: SearchPlan, live: LiveIndex, query: EncodedQuery | None) -> Page:
        """The page of a plan whose text has these vectors."""
        return self.retrieve_together([plan], live, [query])[0]

    def retrieve_together(
        self, plans: Sequence[SearchPlan], live: LiveIndex, queries: Sequence[EncodedQuery | None]
    ) -> list[Page]:
        """The pages of many plans, in as many round trips as the longest of them takes."""
        steps = [
            self._retriever.retrieve(live, plan, choose_text_vectors(plan, query))
            for plan, query in zip(plans, queries, strict=True)
        ]
        pages = run_together(steps, self._backend.build_ask(live))
        return [self._count_all(page, plan, live) for page, plan in zip(pages, plans, strict=True)]

    def rank(self, plan: SearchPlan, live: LiveIndex, vectors: QueryVectors) -> tuple[Ranking, tuple[str, ...]]:
        """The ranked points alone, and the names of the vectors that took part."""
        ranking, names = run_steps(self._retriever.rank(plan, vectors), self._backend.build_ask(live))
        if self._may_count(plan, ranking.is_exact):
            ranking = replace(ranking, total=self._backend.count(live, plan), is_exact=True)
        return ranking, names

    def describe(self, plan: SearchPlan, live: LiveIndex, vectors: QueryVectors, points: Sequence[Ranked]) -> list[Hit]:
        """The hits of points that were ranked before."""
        return run_steps(self._retriever.describe(live, plan, vectors, points), self._backend.build_ask(live))

    def _count_all(self, page: Page, plan: SearchPlan, live: LiveIndex) -> Page:
        if self._may_count(plan, page.total_is_exact):
            return replace(page, total_found=self._backend.count(live, plan), total_is_exact=True)
        return page

    @staticmethod
    def _may_count(plan: SearchPlan, is_exact: bool) -> bool:
        """A listing shows everything that passes, so how much that is can be counted."""
        return plan.is_listing and not is_exact


def build_answer_key(question: Question, live: LiveIndex) -> AnswerKey:
    """What the answer to a question depends on: its plan, and what is shown of the words that led to it.

    The text's vectors are kept beside it.
    """
    plan, fingerprint = question.plan, live.recipes.fingerprint
    beside = None if plan.text is None else build_vector_key(recipes_fingerprint=fingerprint, text=plan.text)
    shown = hashlib.blake2b(orjson.dumps(question.shown), digest_size=8).hexdigest() if question.shown else ""
    return AnswerKey(scope=live.scope, state=live.state, question=plan.fingerprint + shown, beside=beside)


def read_query(data: bytes | None, live: LiveIndex) -> EncodedQuery | None:
    """Kept vectors of a text, None when there are none."""
    return None if data is None else unpack_query(data, live.recipes.fingerprint)


def get_ms_since(started: float) -> float:
    """Milliseconds since a reading of `time.perf_counter`."""
    return round((time.perf_counter() - started) * 1_000, 3)
