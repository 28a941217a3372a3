"""Lists longer than a page: cut by a cursor, or streamed. Neither is kept in the result cache."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import orjson

from search.answer import SearchAnswer, describe_plan, encode_page
from search.cursors import CursorStore
from search.executor import Executor, get_ms_since
from search.questions import Question
from search.request import CURSOR_START
from search.retrieve import Page

# Hits of a streamed answer that are in memory at once.
STREAM_PAGE = 200


class LongLists:
    """Ranks the whole list once and shows it part by part."""

    def __init__(self, executor: Executor, cursors: CursorStore) -> None:
        self._executor = executor
        self._cursors = cursors

    def answer_by_cursor(self, question: Question, cursor: str) -> SearchAnswer:
        """The page at the cursor. Raises InvalidInputError, CursorExpiredError, DependencyUnavailableError."""
        started = time.perf_counter()
        live = self._executor.get_live()
        plan = question.plan
        vectors = self._executor.prepare(plan, live)
        if cursor == CURSOR_START:
            ranking, names = self._executor.rank(question.whole, live, vectors)
            place = self._cursors.begin(ranking, vectors=names, question=question.name, limit=plan.limit)
        else:
            place = self._cursors.resume(cursor, question=question.name, limit=plan.limit)
        hits = self._executor.describe(plan, live, vectors, place.points)
        page = Page(hits, place.total, place.is_exact, place.vectors)
        body = encode_page(plan, page, question.shown, next_cursor=place.next_token, has_cursor=True)
        return SearchAnswer(body, "none", {"total": get_ms_since(started)})

    def stream(self, question: Question) -> tuple[Iterator[bytes], dict[str, Any]]:
        """Hits as JSON, and what the answer says beside them.

        The list is ranked before this returns, so that whatever the request can be blamed for fails here.
        """
        started = time.perf_counter()
        live = self._executor.get_live()
        plan = question.plan
        vectors = self._executor.prepare(plan, live)
        ranking, names = self._executor.rank(plan, live, vectors)

        def describe() -> Iterator[bytes]:
            for start in range(0, len(ranking.points), STREAM_PAGE):
                hits = self._executor.describe(plan, live, vectors, ranking.points[start : start + STREAM_PAGE])
                yield from (orjson.dumps(hit.to_json()) for hit in hits)

        info = {**describe_plan(plan, names, question.shown), "cache": "none", "cache_hit": False}
        info["took_ms"] = {"rank": get_ms_since(started)}
        return describe(), {"total_found": ranking.total, "total_is_exact": ranking.is_exact, "query_info": info}
