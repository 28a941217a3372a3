"""The search service: one method a question, everything that it needs comes through its constructor."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

from core.settings import Settings
from search.answer import SearchAnswer, Source, encode_page
from search.answers import AnswerCache, Lives, Made, Make
from search.asked import AskedQueries
from search.backend import SearchBackend
from search.cache import pack_query
from search.cursors import CursorStore
from search.executor import MEMORY_TTL_S, Executor, PictureLookup, get_ms_since, read_query
from search.live import LiveIndex
from search.long_lists import LongLists
from search.memory import Memory
from search.pictures.finder import PictureFinder
from search.questions import Question, QuestionBuilder, Request
from search.referring import TitleFinder, show_title
from search.request import SearchRequest, SimilarRequest
from search.together import TogetherSearch
from search.understanding.understood import Understands

_ANSWERS_MAX_BYTES = 64_000_000
TOKEN_MAX_BYTES = 4_096
_SOURCES: dict[str, Source] = {"hit": "result", "stale": "stale", "joined": "joined"}


@dataclass(frozen=True, slots=True)
class _Repeatable:
    """An answer that may be given again, and what the log of searches knows it by."""

    body: bytes
    asked: str | None


@dataclass(frozen=True, slots=True)
class PictureParts:
    """What searches by picture need beside what searches by text need."""

    finder: PictureFinder
    lookup: PictureLookup


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
        pictures: PictureParts | None = None,
    ) -> None:
        self._backend = backend
        self._kept = kept
        self._asked = asked
        self._finder = finder
        self._questions = QuestionBuilder(
            settings, finder=finder, understanding=understanding, pictures=pictures.finder if pictures else None
        )
        self._executor = Executor(settings, backend, pictures.lookup if pictures else None)
        self._lives = Lives(settings.cache_ttl_s, settings.cache_stale_s, settings.vector_cache_ttl_s)
        self._together = TogetherSearch(self._questions, self._executor, kept, self._lives)
        self._long_lists = LongLists(self._executor, cursors)
        self._understanding = understanding
        # By the state of the index, what texts were understood by, and the token.
        self._answers: Memory[tuple[str, int, bytes], _Repeatable] = Memory(
            max_bytes=_ANSWERS_MAX_BYTES,
            ttl_s=min(settings.cache_ttl_s, MEMORY_TTL_S),
            size_of=lambda key, answer: len(key[2]) + len(answer.body),
        )
        self._wait_s = settings.query_deadline_s + 2 * settings.qdrant_timeout_s
        # next() on an itertools.count is atomic, so counting needs no lock.
        self._counters = {name: count() for name in ("searches", "result_hits")}
        self._counts = dict.fromkeys(self._counters, 0)

    def search(self, request: Request, *, token: bytes | None = None) -> SearchAnswer:
        """Answer one search for titles: by text, by titles, by a picture, or by text and picture.

        `token` is whatever the caller knows the whole request by, such as the bytes of its body: see `repeat`.
        """
        started = time.perf_counter()
        revision = self._get_revision()
        question = self._questions.build(request)
        self._count("searches")
        if question.cursor is not None:
            return self._long_lists.answer_by_cursor(question, question.cursor)
        live = self._backend.get_live()
        answer = self._answer(question, live, started)
        asked = self._asked.note(request) if isinstance(request, SearchRequest | SimilarRequest) else None
        # A stale answer is shown while a new one is made, and not a moment longer.
        if token is not None and len(token) <= TOKEN_MAX_BYTES and answer.cache != "stale":
            self._answers.put_many({(live.state, revision, token): _Repeatable(answer.body, asked)})
        return answer

    def warm(self, request: Request) -> None:
        """Have the answer kept, as if somebody had searched. Raises what `search` raises."""
        question = self._questions.build(request)
        live = self._backend.get_live()
        make = self._build_make(question, live, {}, [])
        self._kept.refill(self._executor.build_key(question, live), make, lives=self._lives)

    def search_batch(self, requests: Sequence[Request], *, field: str = "queries") -> list[SearchAnswer]:
        """Answer many searches together, all or none; `field` is where they stand in the caller's body."""
        answers = self._together.search(requests, field=field)
        for answer in answers:
            self._count("searches")
            if answer.cache == "result":
                self._count("result_hits")
        return answers

    def stream(self, request: Request) -> tuple[Iterator[bytes], dict[str, Any]]:
        """A long answer piece by piece: hits as JSON, and what the answer says beside them."""
        question = self._questions.build(request)
        self._count("searches")
        return self._long_lists.stream(question)

    def repeat(self, token: bytes) -> SearchAnswer | None:
        """The answer that `search` gave lately for this token in the present state of the index, None if it did not."""
        if (live := self._backend.peek_live()) is None:
            return None
        started = time.perf_counter()
        known = self._answers.get((live.state, self._get_revision(), token))
        if known is None:
            return None
        self._count("searches")
        self._count("result_hits")
        self._kept.count_repeat()
        if known.asked is not None:
            self._asked.note_again(known.asked)
        return SearchAnswer(known.body, "result", {"total": get_ms_since(started)})

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
        took_ms: dict[str, float] = {}
        made_from: list[Source] = []
        make = self._build_make(question, live, took_ms, made_from)
        key = self._executor.build_key(question, live)
        fetched = self._kept.fetch(key, make, lives=self._lives, timeout_s=self._wait_s)
        source = _SOURCES.get(fetched.state) or made_from[0]
        if source in ("result", "stale"):
            self._count("result_hits")
            took_ms = {}
        return SearchAnswer(fetched.body, source, {**took_ms, "total": get_ms_since(started)})

    def _build_make(
        self, question: Question, live: LiveIndex, took_ms: dict[str, float], made_from: list[Source]
    ) -> Make:
        """What makes the answer; the times by step and where it came from are written down as it does."""

        def make(beside: bytes | None) -> Made:
            known = read_query(beside, live)
            plan, begun = question.plan, time.perf_counter()
            # A picture is encoded while the text is.
            finish = self._executor.begin(question, live)
            query = known
            if query is None and plan.text is not None:
                query = self._executor.embed([plan.text], live)[plan.text]
            side, is_picture_known = finish(query)
            is_known = known is not None or (plan.text is None and plan.by_picture is not None)
            made_from.append("vector" if is_known and is_picture_known else "none")
            took_ms["embed"] = get_ms_since(begun)
            begun = time.perf_counter()
            page = self._executor.retrieve(plan, live, side)
            took_ms["retrieve"] = get_ms_since(begun)
            made_beside = pack_query(query) if query is not None and known is None else None
            return Made(encode_page(plan, page, question.shown), made_beside)

        return make

    def _get_revision(self) -> int:
        return 0 if self._understanding is None else self._understanding.revision

    def _count(self, name: str) -> None:
        self._counts[name] = next(self._counters[name]) + 1
