"""The search service: one method a question, everything that it needs comes through its constructor."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import count
from typing import Any

import orjson

from core.errors import InvalidInputError
from core.settings import Settings
from search.answer import SearchAnswer, describe_plan, encode_page
from search.backend import SearchBackend
from search.cache import CacheKeys, SearchCache, build_keys
from search.cursors import CursorPage, CursorStore
from search.encoding import EncodedQuery
from search.live import LiveIndex
from search.memory import Memory
from search.plan import SearchPlan
from search.query_vectors import QueryVectors, choose_text_vectors
from search.questions import Question, QuestionBuilder
from search.referring import TitleFinder, show_title
from search.request import CURSOR_START, SearchRequest, SimilarRequest
from search.retrieve import Page, Retriever, build_payload_memory
from search.steps import run_steps, run_together
from storage.vectors.schema import get_search_ef

# How long this process repeats an answer, or a payload, without asking anybody.
MEMORY_TTL_S = 60
_ANSWERS_MAX_BYTES = 64_000_000
TOKEN_MAX_BYTES = 4_096
# Hits of a streamed answer that are in memory at once.
STREAM_PAGE = 200
Request = SearchRequest | SimilarRequest


class SearchService:
    """Answers searches and looks titles up. Safe to use from many threads. Raises the errors of `core.errors` only."""

    def __init__(
        self,
        settings: Settings,
        *,
        backend: SearchBackend,
        cache: SearchCache,
        cursors: CursorStore,
        finder: TitleFinder,
    ) -> None:
        self._backend = backend
        self._cache = cache
        self._cursors = cursors
        self._finder = finder
        self._questions = QuestionBuilder(settings, finder=finder)
        ttl_s = min(settings.cache_ttl_s, MEMORY_TTL_S)
        self._retriever = Retriever(
            get_ef=lambda priority: get_search_ef(settings, priority), payloads=build_payload_memory(ttl_s=ttl_s)
        )
        self._answers: Memory[tuple[str, bytes], bytes] = Memory(
            max_bytes=_ANSWERS_MAX_BYTES, ttl_s=ttl_s, size_of=lambda key, body: len(key[1]) + len(body)
        )
        # next() on an itertools.count is atomic, so counting needs no lock.
        self._counters = {name: count() for name in ("searches", "result_hits", "vector_hits")}
        self._counts = dict.fromkeys(self._counters, 0)

    def search(self, request: Request, *, token: bytes | None = None) -> SearchAnswer:
        """Answer one search, by text or by titles.

        `token` is whatever the caller knows the whole request by, such as the bytes of its body: see `repeat`.
        """
        started = time.perf_counter()
        question = self._questions.build(request)
        live = self._backend.get_live()
        if question.cursor is not None:
            return self._answer_by_cursor(question, question.cursor, live, started)
        answer = self._answer(question, live, started)
        if token is not None and len(token) <= TOKEN_MAX_BYTES:
            self._answers.put_many({(live.state, token): answer.body})
        return answer

    def search_batch(self, requests: Sequence[Request], *, field: str = "queries") -> list[SearchAnswer]:
        """Answer many searches together: their texts are embedded together, each step is one Qdrant batch.

        All or nothing: what is wrong with one is an InvalidInputError for `queries.N.field`.
        """
        started = time.perf_counter()
        questions = [self._build_nth(index, request, field) for index, request in enumerate(requests)]
        live = self._backend.get_live()
        keys = [_build_keys(question.plan, live) for question in questions]
        cached = self._cache.load_many(keys, recipes_fingerprint=live.recipes.fingerprint)
        open_places = [place for place, found in enumerate(cached) if found.result is None]
        texts = [questions[place].plan.text for place in open_places if cached[place].vector is None]
        embedded = self._backend.embed([text for text in texts if text is not None], live)
        steps = []
        for place in open_places:
            plan = questions[place].plan
            query = cached[place].vector or embedded.get(plan.text or "")
            steps.append(self._retriever.retrieve(live, plan, choose_text_vectors(plan, query)))
        pages = dict(zip(open_places, run_together(steps, self._backend.build_ask(live)), strict=True))
        answers = []
        for place, question in enumerate(questions):
            self._count("searches")
            if (body := cached[place].result) is not None:
                self._count("result_hits")
                answers.append(SearchAnswer(body, "result", {"total": _ms_since(started)}))
                continue
            page = self._count_all(pages[place], question.plan, live)
            body = encode_page(question.plan, page, question.shown)
            known = cached[place].vector
            made = None if known else embedded.get(question.plan.text or "")
            self._cache.save(keys[place], result=body, vector=made)
            answers.append(SearchAnswer(body, "vector" if known else "none", {"total": _ms_since(started)}))
        return answers

    def stream(self, request: Request) -> tuple[Iterator[bytes], dict[str, Any]]:
        """A long answer piece by piece: hits as JSON, and what the answer says beside them.

        The list is ranked before this returns, so that whatever the request can be blamed for fails here.
        """
        started = time.perf_counter()
        question = self._questions.build(request)
        live = self._backend.get_live()
        plan, ask = question.plan, self._backend.build_ask(live)
        vectors = self._prepare(plan, live)
        ranking, names = run_steps(self._retriever.rank(plan, vectors), ask)
        self._count("searches")

        def describe() -> Iterator[bytes]:
            for start in range(0, len(ranking.points), STREAM_PAGE):
                steps = self._retriever.describe(live, plan, vectors, ranking.points[start : start + STREAM_PAGE])
                yield from (orjson.dumps(hit.to_json()) for hit in run_steps(steps, ask))

        info = {**describe_plan(plan, names, question.shown), "cache": "none", "cache_hit": False}
        info["took_ms"] = {"rank": _ms_since(started)}
        summary = {"total_found": ranking.total, "total_is_exact": ranking.is_exact, "query_info": info}
        return describe(), summary

    def repeat(self, token: bytes) -> SearchAnswer | None:
        """The answer that `search` gave lately for this token in the present state of the index, None if it did not."""
        if (live := self._backend.peek_live()) is None:
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
        return show_title(self._finder.find(identifier, include_adult=include_adult))

    def get_stats(self) -> dict[str, Any]:
        """Counts of this process since its start."""
        searches = self._counts["searches"]
        hits = self._counts["result_hits"]
        return {
            **self._counts,
            "hit_rate": round(hits / searches, 4) if searches else None,
            **{name: asdict(stats) for name, stats in self._backend.get_stats().items()},
        }

    def close(self) -> None:
        """Let waiting threads go and end the dispatchers."""
        self._backend.close()

    def _answer(self, question: Question, live: LiveIndex, started: float) -> SearchAnswer:
        keys = _build_keys(question.plan, live)
        cached = self._cache.load(keys, recipes_fingerprint=live.recipes.fingerprint)
        self._count("searches")
        if cached.result is not None:
            self._count("result_hits")
            return SearchAnswer(cached.result, "result", {"total": _ms_since(started)})
        return self._search_index(question, live, keys, known=cached.vector, started=started)

    def _search_index(
        self, question: Question, live: LiveIndex, keys: CacheKeys, *, known: EncodedQuery | None, started: float
    ) -> SearchAnswer:
        begun = time.perf_counter()
        plan = question.plan
        query = known or self._embed(plan, live)
        if known is not None:
            self._count("vector_hits")
        embedded = time.perf_counter()
        steps = self._retriever.retrieve(live, plan, choose_text_vectors(plan, query))
        page = self._count_all(run_steps(steps, self._backend.build_ask(live)), plan, live)
        retrieved = time.perf_counter()
        body = encode_page(plan, page, question.shown)
        self._cache.save(keys, result=body, vector=None if known else query)
        took_ms = {
            "embed": _ms(embedded - begun),
            "retrieve": _ms(retrieved - embedded),
            "total": _ms_since(started),
        }
        return SearchAnswer(body, "vector" if known else "none", took_ms)

    def _answer_by_cursor(self, question: Question, cursor: str, live: LiveIndex, started: float) -> SearchAnswer:
        plan, ask = question.plan, self._backend.build_ask(live)
        vectors = self._prepare(plan, live)
        self._count("searches")
        place: CursorPage
        if cursor == CURSOR_START:
            ranking, names = run_steps(self._retriever.rank(question.whole, vectors), ask)
            place = self._cursors.begin(ranking, vectors=names, question=question.name, limit=plan.limit)
        else:
            place = self._cursors.resume(cursor, question=question.name, limit=plan.limit)
        hits = run_steps(self._retriever.describe(live, plan, vectors, place.points), ask)
        page = Page(hits, place.total, place.is_exact, place.vectors)
        body = encode_page(plan, page, question.shown, next_cursor=place.next_token, has_cursor=True)
        return SearchAnswer(body, "none", {"total": _ms_since(started)})

    def _build_nth(self, index: int, request: Request, field: str) -> Question:
        try:
            question = self._questions.build(request)
        except InvalidInputError as error:
            raise InvalidInputError(f"{field}.{index}.{error.field}", error.reason) from error
        if question.cursor is not None:
            raise InvalidInputError(f"{field}.{index}.cursor", "has no meaning in a batch")
        return question

    def _prepare(self, plan: SearchPlan, live: LiveIndex) -> QueryVectors:
        """The query side of a plan, from the cache where it is kept."""
        keys = _build_keys(plan, live)
        known = self._cache.load(keys, recipes_fingerprint=live.recipes.fingerprint).vector if plan.text else None
        query = known or self._embed(plan, live)
        if query is not None and known is None:
            self._cache.save(keys, result=None, vector=query)
        return choose_text_vectors(plan, query)

    def _embed(self, plan: SearchPlan, live: LiveIndex) -> EncodedQuery | None:
        return None if plan.text is None else self._backend.embed([plan.text], live)[plan.text]

    def _count_all(self, page: Page, plan: SearchPlan, live: LiveIndex) -> Page:
        """A listing shows everything that passes, so how much that is can be counted."""
        if not plan.is_listing or page.total_is_exact:
            return page
        return replace(page, total_found=self._backend.count(live, plan), total_is_exact=True)

    def _count(self, name: str) -> None:
        self._counts[name] = next(self._counters[name]) + 1


def _build_keys(plan: SearchPlan, live: LiveIndex) -> CacheKeys:
    return build_keys(
        index_state=live.state,
        plan_fingerprint=plan.fingerprint,
        recipes_fingerprint=live.recipes.fingerprint,
        query=plan.text or "",
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1_000, 3)


def _ms_since(started: float) -> float:
    return _ms(time.perf_counter() - started)
