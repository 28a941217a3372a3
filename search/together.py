"""Many searches at once: their texts are embedded together, and each of their steps is one Qdrant batch."""

from __future__ import annotations

import time
from collections.abc import Sequence

from core.errors import InvalidInputError
from search.answer import SearchAnswer, Source, encode_page
from search.answers import AnswerCache, Lives, Made
from search.cache import pack_query
from search.executor import Executor, get_ms_since, read_query
from search.questions import Question, QuestionBuilder, Request
from search.ranking import CANDIDATE_DEPTHS
from search.request import BATCH_MAX, SearchRequest

# All results of a batch are in memory at once, on both sides.
RESULTS_MAX = 20_000
# Candidates of one vector, over all searches of a batch: a thousand first pages, or a dozen of the deepest ones.
CANDIDATES_MAX = BATCH_MAX * CANDIDATE_DEPTHS[0]


class TogetherSearch:
    """All or nothing: what is wrong with one search is an InvalidInputError that names it, and nothing is answered."""

    def __init__(self, questions: QuestionBuilder, executor: Executor, kept: AnswerCache, lives: Lives) -> None:
        self._questions = questions
        self._executor = executor
        self._kept = kept
        self._lives = lives

    def search(self, requests: Sequence[Request], *, field: str) -> list[SearchAnswer]:
        """One answer a request, in their order; `field` is where the requests stand in the caller's body."""
        started = time.perf_counter()
        if (wanted := sum(request.limit for request in requests)) > RESULTS_MAX:
            raise InvalidInputError(field, f"ask for {wanted} results together, at most {RESULTS_MAX} are allowed")
        questions = [self._build_nth(index, request, field) for index, request in enumerate(requests)]
        if sum(question.plan.candidates for question in questions) > CANDIDATES_MAX:
            raise InvalidInputError(field, "reach too deep together: ask for smaller offsets, or for fewer at a time")
        live = self._executor.get_live()
        keys = [self._executor.build_key(question, live) for question in questions]
        known = self._kept.load_many(keys, lives=self._lives)
        queries = [read_query(beside, live) for _, beside in known]
        missing = [place for place, (body, _) in enumerate(known) if body is None]
        texts = [text for place in missing if queries[place] is None and (text := questions[place].plan.text)]
        embedded = self._executor.embed(texts, live)
        plans = [questions[place].plan for place in missing]
        sides = [
            self._executor.complete(questions[place], live, queries[place] or embedded.get(plan.text or ""))[0]
            for place, plan in zip(missing, plans, strict=True)
        ]
        pages = self._executor.retrieve_together(plans, live, sides)
        made: dict[int, bytes] = {}
        for place, page in zip(missing, pages, strict=True):
            made[place] = encode_page(questions[place].plan, page, questions[place].shown)
            query = embedded.get(questions[place].plan.text or "")
            beside = None if query is None else pack_query(query)
            self._kept.save(keys[place], Made(made[place], beside), lives=self._lives)
        took_ms = {"total": get_ms_since(started)}
        answers = []
        for place, (body, beside) in enumerate(known):
            source: Source = "result" if body is not None else "none" if beside is None else "vector"
            answers.append(SearchAnswer(made[place] if body is None else body, source, took_ms))
        return answers

    def _build_nth(self, index: int, request: Request, field: str) -> Question:
        try:
            question = self._questions.build(request)
        except InvalidInputError as error:
            raise InvalidInputError(_place(request, error.field, f"{field}.{index}"), error.reason) from error
        if question.cursor is not None:
            raise InvalidInputError(_place(request, "cursor", f"{field}.{index}"), "has no meaning in a batch")
        return question


def _place(request: Request, field: str, place: str) -> str:
    """Where the caller wrote a field: each search has its own, titles share all but the reference."""
    if isinstance(request, SearchRequest):
        return f"{place}.{field}"
    return place if field.startswith("positive") else field
