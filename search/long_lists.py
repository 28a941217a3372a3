"""Lists longer than a page: cut by a cursor, or streamed. Neither is kept in the result cache."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import orjson

from core.errors import InvalidInputError
from search.answer import SearchAnswer, describe_plan, encode_page
from search.cursors import CursorStore
from search.executor import get_ms_since
from search.plan import SearchPlan
from search.questions import Question
from search.rank import Ranked, Ranking
from search.request import CURSOR_START
from search.retrieve import Hit, Page, QuerySide

# Hits of a streamed answer that are in memory at once.
STREAM_PAGE = 200
# To explain some of them is to ask for all the lists that they were ranked by: for many at a time, then.
_EXPLAINED_PAGE = 1_000


class ListExecutor(Protocol):
    """Runs plans on a collection, of which `live` is the present state: see `search.executor`."""

    def get_live(self) -> Any:
        """The live collection."""

    def prepare(self, question: Question, live: Any) -> QuerySide:
        """The query side of a question."""

    def rank(self, plan: SearchPlan, live: Any, side: QuerySide) -> tuple[Ranking, tuple[str, ...]]:
        """The ranked points, and the names of the vectors that took part."""

    def describe(self, plan: SearchPlan, live: Any, side: QuerySide, points: Sequence[Ranked]) -> list[Hit]:
        """The hits of points that were ranked before."""


class LongLists:
    """Ranks the whole list once and shows it part by part."""

    def __init__(self, executor: ListExecutor, cursors: CursorStore) -> None:
        self._executor = executor
        self._cursors = cursors

    def answer_by_cursor(self, question: Question, cursor: str) -> SearchAnswer:
        """The page at the cursor. Raises InvalidInputError, CursorExpiredError, DependencyUnavailableError."""
        started = time.perf_counter()
        live = self._executor.get_live()
        plan = question.plan
        side = self._executor.prepare(question, live)
        if cursor == CURSOR_START:
            ranking, names = self._executor.rank(question.whole, live, side)
            place = self._cursors.begin(ranking, vectors=names, question=question.name, limit=plan.limit)
        else:
            place = self._cursors.resume(cursor, question=question.name, limit=plan.limit)
        # Explained as it was ranked: the lists of the whole are longer than those of one page.
        hits = self._executor.describe(replace(question.whole, explain=plan.explain), live, side, place.points)
        page = Page(hits, place.total, place.is_exact, place.vectors)
        body = encode_page(plan, page, question.shown, next_cursor=place.next_token, has_cursor=True)
        return SearchAnswer(body, "none", {"total": get_ms_since(started)})

    def stream(self, question: Question) -> tuple[Iterator[bytes], dict[str, Any]]:
        """Hits as JSON, and what the answer says beside them.

        The list is ranked before this returns, so that whatever the request can be blamed for fails here.
        """
        if question.cursor is not None:
            raise InvalidInputError("cursor", "has no meaning in a stream, which is one list: send offset and limit")
        started = time.perf_counter()
        live = self._executor.get_live()
        plan = question.plan
        side = self._executor.prepare(question, live)
        ranking, names = self._executor.rank(plan, live, side)

        def describe() -> Iterator[bytes]:
            size = _EXPLAINED_PAGE if plan.explain else STREAM_PAGE
            for start in range(0, len(ranking.points), size):
                hits = self._executor.describe(plan, live, side, ranking.points[start : start + size])
                yield from (orjson.dumps(hit.to_json()) for hit in hits)

        info = {**describe_plan(plan, names, question.shown), "cache": "none", "cache_hit": False}
        info["took_ms"] = {"rank": get_ms_since(started)}
        return describe(), {"total_found": ranking.total, "total_is_exact": ranking.is_exact, "query_info": info}
