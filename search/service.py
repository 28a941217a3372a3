"""The search service: one method a question, everything that it needs comes through its constructor."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from typing import Any

import orjson

from core.errors import InvalidInputError
from core.settings import Settings
from search.answer import SearchAnswer, Source, describe_plan, encode_page
from search.answers import AnswerCache, AnswerKey, Lives, Made, Make
from search.asked import AskedQueries
from search.backend import SearchBackend
from search.cache import build_vector_key, pack_query, unpack_query
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
from search.understanding.understood import Understands
from storage.vectors.schema import get_search_ef

# How long this process repeats an answer, or a payload, without asking anybody.
MEMORY_TTL_S = 60
_ANSWERS_MAX_BYTES = 64_000_000
# Query vectors in this process, for the pages of cursors and for long answers, which are not kept in Redis.
_VECTORS_MAX_BYTES = 16_000_000
TOKEN_MAX_BYTES = 4_096
# Hits of a streamed answer that are in memory at once.
STREAM_PAGE = 200
Request = SearchRequest | SimilarRequest
_SOURCES: dict[str, Source] = {"hit": "result", "stale": "stale", "joined": "joined"}


@dataclass(frozen=True, slots=True)
class _Repeatable:
    """An answer that may be given again, and what the log of searches knows it by."""

    body: bytes
    asked: str | None


class SearchService:
    """Answers searches and looks titles up. Safe to use from many threads. Raises the errors of `core.errors` only."""

    def __init__(
        self,
        settings: Settings,
        *,
        backend: SearchBackend,
        kept: AnswerCache,
        asked: AskedQueries,
        cursors: CursorStore,
        finder: TitleFinder,
        understanding: Understands | None = None,
    ) -> None:
        self._backend = backend
        self._kept = kept
        self._asked = asked
        self._cursors = cursors
        self._finder = finder
        self._questions = QuestionBuilder(settings, finder=finder, understanding=understanding)
        ttl_s = min(settings.cache_ttl_s, MEMORY_TTL_S)
        self._retriever = Retriever(
            get_ef=lambda priority: get_search_ef(settings, priority), payloads=build_payload_memory(ttl_s=ttl_s)
        )
        self._answers: Memory[tuple[str, bytes], _Repeatable] = Memory(
            max_bytes=_ANSWERS_MAX_BYTES, ttl_s=ttl_s, size_of=lambda key, answer: len(key[1]) + len(answer.body)
        )
        self._vectors: Memory[tuple[str, str], EncodedQuery] = Memory(
            max_bytes=_VECTORS_MAX_BYTES, ttl_s=ttl_s, size_of=lambda key, query: len(key[1]) + query.dense.nbytes
        )
        self._lives = Lives(settings.cache_ttl_s, settings.cache_stale_s, settings.vector_cache_ttl_s)
        self._wait_s = settings.query_deadline_s + 2 * settings.qdrant_timeout_s
        # next() on an itertools.count is atomic, so counting needs no lock.
        self._counters = {name: count() for name in ("searches", "result_hits")}
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
        asked = self._asked.note(request)
        # A stale answer is shown while a new one is made, and not a moment longer.
        if token is not None and len(token) <= TOKEN_MAX_BYTES and answer.cache != "stale":
            self._answers.put_many({(live.state, token): _Repeatable(answer.body, asked)})
        return answer

    def warm(self, request: Request) -> None:
        """Have the answer kept, as if somebody had searched. Raises what `search` raises."""
        question = self._questions.build(request)
        live = self._backend.get_live()
        self._kept.refill(_build_key(question.plan, live), self._build_make(question, live, {}, []), lives=self._lives)

    def search_batch(self, requests: Sequence[Request], *, field: str = "queries") -> list[SearchAnswer]:
        """Answer many searches together: their texts are embedded together, each step is one Qdrant batch.

        All or nothing: what is wrong with one is an InvalidInputError for `queries.N.field`.
        """
        started = time.perf_counter()
        questions = [self._build_nth(index, request, field) for index, request in enumerate(requests)]
        live = self._backend.get_live()
        keys = [_build_key(question.plan, live) for question in questions]
        known = self._kept.load_many(keys, lives=self._lives)
        queries = [_read_query(beside, live) for _, beside in known]
        open_places = [place for place, (body, _) in enumerate(known) if body is None]
        texts = [text for place in open_places if queries[place] is None and (text := questions[place].plan.text)]
        embedded = self._backend.embed(texts, live)
        steps = []
        for place in open_places:
            plan = questions[place].plan
            query = queries[place] or embedded.get(plan.text or "")
            steps.append(self._retriever.retrieve(live, plan, choose_text_vectors(plan, query)))
        pages = dict(zip(open_places, run_together(steps, self._backend.build_ask(live)), strict=True))
        answers = []
        for place, question in enumerate(questions):
            self._count("searches")
            body, source = known[place][0], _SOURCES["hit"]
            if body is None:
                page = self._count_all(pages[place], question.plan, live)
                body = encode_page(question.plan, page, question.shown)
                query = embedded.get(question.plan.text or "")
                beside = None if query is None else pack_query(query)
                self._kept.save(keys[place], Made(body, beside), lives=self._lives)
                source = "none" if queries[place] is None else "vector"
            answers.append(SearchAnswer(body, source, {"total": _ms_since(started)}))
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
        known = self._answers.get((live.state, token))
        if known is None:
            return None
        self._count("searches")
        self._count("result_hits")
        self._kept.count_repeat()
        if known.asked is not None:
            self._asked.note_again(known.asked)
        return SearchAnswer(known.body, "result", {"total": _ms_since(started)})

    def get_by_id(self, identifier: str, *, include_adult: bool = False) -> dict[str, Any]:
        """The stored title of a slug or `provider:id`. Raises NotFoundError, InvalidInputError."""
        return show_title(self._finder.find(identifier, include_adult=include_adult))

    @property
    def is_idle(self) -> bool:
        """True if nobody waits for an answer that has to be made."""
        return self._backend.is_idle

    def get_stats(self) -> dict[str, Any]:
        """Counts of this process since its start."""
        searches = self._counts["searches"]
        hits = self._counts["result_hits"]
        return {
            **self._counts,
            "hit_rate": round(hits / searches, 4) if searches else None,
            "cache": self._kept.get_stats(),
            **{name: asdict(stats) for name, stats in self._backend.get_stats().items()},
        }

    def flush(self, *, timeout_s: float) -> bool:
        """Wait until the answers given so far are kept; False if that took too long."""
        return self._kept.flush(timeout_s=timeout_s)

    def close(self) -> None:
        """Let waiting threads go and end the dispatchers."""
        self._kept.close()
        self._backend.close()

    def _answer(self, question: Question, live: LiveIndex, started: float) -> SearchAnswer:
        self._count("searches")
        took_ms: dict[str, float] = {}
        made_from: list[Source] = []
        make = self._build_make(question, live, took_ms, made_from)
        fetched = self._kept.fetch(_build_key(question.plan, live), make, lives=self._lives, timeout_s=self._wait_s)
        source = _SOURCES.get(fetched.state) or made_from[0]
        if source in ("result", "stale"):
            self._count("result_hits")
            took_ms = {}
        return SearchAnswer(fetched.body, source, {**took_ms, "total": _ms_since(started)})

    def _build_make(
        self, question: Question, live: LiveIndex, took_ms: dict[str, float], made_from: list[Source]
    ) -> Make:
        """What makes the answer; the times by step and where it came from are written down as it does."""

        def make(beside: bytes | None) -> Made:
            known = _read_query(beside, live)
            made_from.append("none" if known is None else "vector")
            body, query = self._make(question, live, known, took_ms)
            return Made(body, None if known is not None or query is None else pack_query(query))

        return make

    def _make(
        self, question: Question, live: LiveIndex, known: EncodedQuery | None, took_ms: dict[str, float]
    ) -> tuple[bytes, EncodedQuery | None]:
        """A new answer, and the query's vectors; `took_ms` gets the times by step."""
        begun = time.perf_counter()
        plan = question.plan
        query = known or self._embed(plan, live)
        embedded = time.perf_counter()
        steps = self._retriever.retrieve(live, plan, choose_text_vectors(plan, query))
        page = self._count_all(run_steps(steps, self._backend.build_ask(live)), plan, live)
        took_ms |= {"embed": _ms(embedded - begun), "retrieve": _ms(time.perf_counter() - embedded)}
        return encode_page(plan, page, question.shown), query

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
        """The query side of a plan; the pages of a cursor need it again and again."""
        key = (live.recipes.fingerprint, plan.text or "")
        query = self._vectors.get(key) or self._embed(plan, live)
        if query is not None:
            self._vectors.put_many({key: query})
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


def _build_key(plan: SearchPlan, live: LiveIndex) -> AnswerKey:
    fingerprint = live.recipes.fingerprint
    beside = None if plan.text is None else build_vector_key(recipes_fingerprint=fingerprint, text=plan.text)
    return AnswerKey(scope=live.scope, state=live.state, question=plan.fingerprint, beside=beside)


def _read_query(data: bytes | None, live: LiveIndex) -> EncodedQuery | None:
    return None if data is None else unpack_query(data, live.recipes.fingerprint)


def _ms(seconds: float) -> float:
    return round(seconds * 1_000, 3)


def _ms_since(started: float) -> float:
    return _ms(time.perf_counter() - started)
