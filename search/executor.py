"""What all ways of asking share: a plan's query side, and the driving of its steps against the live collection."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import orjson

from core.errors import NoPictureEncoderError
from core.settings import Settings
from core.vectors import PICTURE_VECTORS
from search.answers import AnswerKey
from search.backend import SearchBackend
from search.cache import build_vector_key, unpack_query
from search.encoding import EncodedQuery
from search.live import LiveIndex
from search.memory import Memory
from search.plan import SearchPlan
from search.query_vectors import choose_text_vectors
from search.questions import Question
from search.rank import Ranked, Ranking
from search.retrieve import Hit, Page, QuerySide, Retriever, build_payload_memory
from search.steps import run_steps, run_together
from storage.database.visibility import HiddenPoints
from storage.vectors.schema import get_search_ef

# How long this process remembers a payload, an answer or a query's vectors without asking anybody.
MEMORY_TTL_S = 60
# Query vectors, for the pages of cursors and for long answers, which are not kept in Redis.
_VECTORS_MAX_BYTES = 16_000_000
_NO_PICTURE_VECTORS = (
    "the titles have no picture vectors: set IMAGE_EMBEDDING_MODEL, run `avs download` and `avs index --pictures`, "
    "and then `avs index`"
)


# Completes a side with what a plan's picture is compared with, and says whether all of that was known already.
Finish = Callable[[QuerySide], tuple[QuerySide, bool]]


class PictureLookup(Protocol):
    """Makes the query side of the pictures of a plan."""

    def begin(self, question: Question, live: LiveIndex) -> Finish:
        """Have the vector of a plan's picture made; what is returned waits for it."""

    def get_content(self, plan: SearchPlan) -> Content | None:
        """The pictures collection if the plan looks into it, None if it does not."""


class Executor:
    """Runs plans. Safe between threads. Methods raise NothingIndexedError and DependencyUnavailableError.

    `pictures` may be None where no search by picture is asked.
    """

    def __init__(self, settings: Settings, backend: SearchBackend, pictures: PictureLookup | None = None) -> None:
        self._backend = backend
        self._pictures = pictures
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

    def prepare(self, question: Question, live: LiveIndex) -> QuerySide:
        """The query side of a question; the pages of a cursor need it again and again."""
        query: EncodedQuery | None = None
        if (text := question.plan.text) is not None:
            key = (live.recipes.text_fingerprint, text)
            query = self._vectors.get(key) or self.embed([text], live)[text]
            self._vectors.put_many({key: query})
        return self.complete(question, live, query)[0]

    def complete(self, question: Question, live: LiveIndex, query: EncodedQuery | None) -> tuple[QuerySide, bool]:
        """The query side of a question whose text has these vectors; True if its picture's vector was known already.

        Raises NoPictureEncoderError if the index has no such vectors as the plan compares.
        """
        return self.begin(question, live)(query)

    def begin(self, question: Question, live: LiveIndex) -> Callable[[EncodedQuery | None], tuple[QuerySide, bool]]:
        """As `complete`, in two steps: a picture is encoded while the caller sees to the text."""
        plan = question.plan
        check_pictures(plan, live)
        if plan.by_picture is None:
            return lambda query: (QuerySide(choose_text_vectors(plan, query)), True)
        if self._pictures is None:
            raise NoPictureEncoderError("this process was put together for searches by text alone")
        finish = self._pictures.begin(question, live)
        return lambda query: finish(QuerySide(choose_text_vectors(plan, query)))

    def build_key(self, question: Question, live: LiveIndex) -> AnswerKey:
        """What the answer to a question depends on."""
        also = self._pictures.get_content(question.plan) if self._pictures else None
        return build_answer_key(question, live, also=also)

    def retrieve(self, plan: SearchPlan, live: LiveIndex, side: QuerySide) -> Page:
        """The page of a plan with its query side."""
        return self.retrieve_together([plan], live, [side])[0]

    def retrieve_together(self, plans: Sequence[SearchPlan], live: LiveIndex, sides: Sequence[QuerySide]) -> list[Page]:
        """The pages of many plans, in as many round trips as the longest of them takes."""
        for plan in plans:
            check_pictures(plan, live)
        shown = [hide(plan, live.hidden) for plan in plans]
        steps = [self._retriever.retrieve(live, plan, side) for plan, side in zip(shown, sides, strict=True)]
        pages = run_together(steps, self._backend.build_ask(live))
        return [self._count_all(page, plan, live) for page, plan in zip(pages, shown, strict=True)]

    def rank(self, plan: SearchPlan, live: LiveIndex, side: QuerySide) -> tuple[Ranking, tuple[str, ...]]:
        """The ranked points alone, and the names of the vectors that took part."""
        check_pictures(plan, live)
        plan = hide(plan, live.hidden)
        ranking, names = run_steps(self._retriever.rank(plan, side), self._backend.build_ask(live))
        if self._may_count(plan, ranking.is_exact):
            ranking = replace(ranking, total=self._backend.count(live, plan), is_exact=True)
        return ranking, names

    def describe(self, plan: SearchPlan, live: LiveIndex, side: QuerySide, points: Sequence[Ranked]) -> list[Hit]:
        """The hits of points that were ranked before, without those that must not be seen by now."""
        seen = leave_out(points, plan, live.hidden)
        return run_steps(self._retriever.describe(live, plan, side, seen), self._backend.build_ask(live))

    def _count_all(self, page: Page, plan: SearchPlan, live: LiveIndex) -> Page:
        if self._may_count(plan, page.total_is_exact):
            return replace(page, total_found=self._backend.count(live, plan), total_is_exact=True)
        return page

    @staticmethod
    def _may_count(plan: SearchPlan, is_exact: bool) -> bool:
        """A listing shows everything that passes, so how much that is can be counted."""
        return plan.is_listing and not is_exact


def check_pictures(plan: SearchPlan, live: LiveIndex) -> None:
    """Raises NoPictureEncoderError if the plan compares vectors of pictures and the index has none."""
    if live.recipes.image is None and any(vector.name in PICTURE_VECTORS for vector in plan.all_vectors):
        raise NoPictureEncoderError(_NO_PICTURE_VECTORS)


def hide(plan: SearchPlan, hidden: HiddenPoints) -> SearchPlan:
    """The plan without points that were hidden since they were written: excluded titles, and those now for adults."""
    if not (ids := hidden.select(include_adult=not plan.filter.hides_adult)):
        return plan
    # Both lists of a plan, for each looks for its own.
    beside = plan.beside and replace(plan.beside, plan=hide(plan.beside.plan, hidden))
    return replace(plan, without=(*plan.without, *ids), beside=beside)


def leave_out(points: Sequence[Ranked], plan: SearchPlan, hidden: HiddenPoints) -> list[Ranked]:
    """Points that were ranked before, without those that have been hidden since."""
    ids = set(hidden.select(include_adult=not plan.filter.hides_adult))
    return [point for point in points if point.point_id not in ids]


class Content(Protocol):
    """A collection that an answer depends on."""

    @property
    def scope(self) -> str:
        """What states have in common between which an old answer does no harm."""

    @property
    def state(self) -> str:
        """Changes whenever the content may have changed."""


def build_answer_key(question: Question, live: LiveIndex, *, also: Content | None = None) -> AnswerKey:
    """What the answer to a question depends on: its plan, and what is shown of the words that led to it.

    The text's vectors are kept beside it. `also`: another collection that the plan looks into.
    """
    plan, fingerprint = question.plan, live.recipes.text_fingerprint
    beside = None if plan.text is None else build_vector_key(recipes_fingerprint=fingerprint, text=plan.text)
    return AnswerKey(
        scope=f"{live.scope}+{also.scope}" if also else live.scope,
        state=f"{live.state}+{also.state}" if also else live.state,
        question=plan.fingerprint + digest_shown(question.shown),
        beside=beside,
    )


def digest_shown(shown: Mapping[str, object]) -> str:
    """16 hex digits over what an answer says beside its plan; blank for nothing."""
    return hashlib.blake2b(orjson.dumps(shown), digest_size=8).hexdigest() if shown else ""


def read_query(data: bytes | None, live: LiveIndex) -> EncodedQuery | None:
    """Kept vectors of a text, None when there are none."""
    return None if data is None else unpack_query(data, live.recipes.text_fingerprint)


def get_ms_since(started: float) -> float:
    """Milliseconds since a reading of `time.perf_counter`."""
    return round((time.perf_counter() - started) * 1_000, 3)
