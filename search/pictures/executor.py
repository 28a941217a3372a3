"""Runs plans on the live pictures collection."""

from __future__ import annotations

from collections.abc import Sequence

from core.settings import Settings
from search.answers import AnswerKey
from search.backend import SearchBackend
from search.executor import MEMORY_TTL_S, digest_shown, hide, leave_out
from search.pictures.live import LivePictures, LivePicturesReader
from search.pictures.lookup import PictureLookupService
from search.plan import SearchPlan
from search.questions import Question
from search.rank import Ranked, Ranking
from search.retrieve import Hit, Page, QuerySide, Retriever, build_payload_memory
from search.steps import Ask, run_steps
from storage.vectors.pictures import PICTURE_VECTOR
from storage.vectors.schema import get_search_ef


class PictureExecutor:
    """Runs plans. Safe between threads. Methods raise NoPictureEncoderError and DependencyUnavailableError."""

    def __init__(
        self, settings: Settings, *, backend: SearchBackend, pictures: LivePicturesReader, lookup: PictureLookupService
    ) -> None:
        self._backend = backend
        self._pictures = pictures
        self._lookup = lookup
        ttl_s = min(settings.cache_ttl_s, MEMORY_TTL_S)
        self._retriever = Retriever(
            get_ef=lambda priority: get_search_ef(settings, priority), payloads=build_payload_memory(ttl_s=ttl_s)
        )

    def get_live(self) -> LivePictures:
        """The live pictures collection."""
        return self._pictures.get()

    def prepare(self, question: Question, live: LivePictures) -> QuerySide:
        """The query side of a question."""
        return self.complete(question, live)[0]

    def complete(self, question: Question, live: LivePictures) -> tuple[QuerySide, bool]:
        """The query side of a question, and whether it was known already. A title without pictures has none."""
        query = question.plan.picture
        assert query is not None, "pictures are looked for by a picture only"
        recipe = live.recipe.fingerprint
        if query.slug is not None:
            vector = self._lookup.load_title_vector(query.slug, recipe=recipe)
            return QuerySide({} if vector is None else {PICTURE_VECTOR: vector}), True
        vector, is_known = self._lookup.begin_vector(query, question.picture, recipe=recipe)()
        return QuerySide({PICTURE_VECTOR: vector}), is_known

    def build_key(self, question: Question, live: LivePictures) -> AnswerKey:
        """What the answer to a question depends on."""
        fingerprint = question.plan.fingerprint + digest_shown(question.shown)
        return AnswerKey(scope=live.scope, state=live.state, question=fingerprint)

    def retrieve(self, plan: SearchPlan, live: LivePictures, side: QuerySide) -> Page:
        """The page of a plan."""
        return run_steps(self._retriever.retrieve(live, hide(plan, live.hidden), side), self._ask(live))

    def rank(self, plan: SearchPlan, live: LivePictures, side: QuerySide) -> tuple[Ranking, tuple[str, ...]]:
        """The ranked points alone, and the names of the vectors that took part."""
        return run_steps(self._retriever.rank(hide(plan, live.hidden), side), self._ask(live))

    def describe(self, plan: SearchPlan, live: LivePictures, side: QuerySide, points: Sequence[Ranked]) -> list[Hit]:
        """The hits of points that were ranked before, without those that must not be seen by now."""
        seen = leave_out(points, plan, live.hidden)
        return run_steps(self._retriever.describe(live, plan, side, seen), self._ask(live))

    def _ask(self, live: LivePictures) -> Ask:
        return self._backend.build_ask(live, forget=self._pictures.forget)
