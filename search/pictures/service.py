"""Searches for pictures: what the pictures collection has that looks like a picture, a title's pictures or a text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count
from typing import Any

from core.settings import Settings
from search.answer import SearchAnswer, Source, encode_page
from search.answers import AnswerCache, Lives, Made
from search.cursors import CursorStore
from search.executor import get_ms_since
from search.long_lists import LongLists
from search.pictures.embedding import PictureEmbedding
from search.pictures.executor import PictureExecutor
from search.pictures.live import LivePictures
from search.pictures.questions import PictureQuestionBuilder
from search.pictures.request import PictureRequest, VisualRequest
from search.questions import Question

_SOURCES: dict[str, Source] = {"hit": "result", "stale": "stale", "joined": "joined"}


class PictureSearchService:
    """Answers searches for pictures. Safe to use from many threads. Raises the errors of `core.errors` only."""

    def __init__(
        self,
        settings: Settings,
        *,
        questions: PictureQuestionBuilder,
        executor: PictureExecutor,
        embedding: PictureEmbedding,
        kept: AnswerCache,
        cursors: CursorStore,
    ) -> None:
        self._questions = questions
        self._executor = executor
        self._embedding = embedding
        self._kept = kept
        self._long_lists = LongLists(executor, cursors)
        self._lives = Lives(settings.cache_ttl_s, settings.cache_stale_s)
        self._wait_s = settings.query_deadline_s + 2 * settings.qdrant_timeout_s
        # next() on an itertools.count is atomic, so counting needs no lock.
        self._counter = count()
        self._searches = 0

    def search(self, request: PictureRequest | VisualRequest) -> SearchAnswer:
        """Answer one search. Raises NoPictureEncoderError while no pictures are indexed."""
        started = time.perf_counter()
        question = self._questions.build(request)
        self._searches = next(self._counter) + 1
        if question.cursor is not None:
            return self._long_lists.answer_by_cursor(question, question.cursor)
        live = self._executor.get_live()
        took_ms: dict[str, float] = {}
        made_from: list[Source] = []

        def make(_: bytes | None) -> Made:
            return self._make(question, live, took_ms, made_from)

        key = self._executor.build_key(question, live)
        fetched = self._kept.fetch(key, make, lives=self._lives, timeout_s=self._wait_s)
        source = _SOURCES.get(fetched.state) or made_from[0]
        if source in ("result", "stale"):
            took_ms = {}
        return SearchAnswer(fetched.body, source, {**took_ms, "total": get_ms_since(started)})

    def stream(self, request: PictureRequest) -> tuple[Iterator[bytes], dict[str, Any]]:
        """A long answer piece by piece: hits as JSON, and what the answer says beside them."""
        self._searches = next(self._counter) + 1
        return self._long_lists.stream(self._questions.build(request))

    def get_stats(self) -> dict[str, Any]:
        """Counts of this process since its start."""
        return {"searches": self._searches, "picture-embedding": asdict(self._embedding.get_stats())}

    def close(self) -> None:
        """Let those go who wait for the vector of a picture, and end the dispatcher."""
        self._embedding.close()

    def _make(self, question: Question, live: LivePictures, took_ms: dict[str, float], made_from: list[Source]) -> Made:
        begun = time.perf_counter()
        side, is_known = self._executor.complete(question, live)
        made_from.append("vector" if is_known else "none")
        took_ms["embed"] = get_ms_since(begun)
        begun = time.perf_counter()
        page = self._executor.retrieve(question.plan, live, side)
        took_ms["retrieve"] = get_ms_since(begun)
        return Made(encode_page(question.plan, page, question.shown))
