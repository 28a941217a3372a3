"""A question to Qdrant as steps: each yields the requests that it needs next and is sent their answers.

Whoever drives the steps decides how they travel. One search goes alone, a batch of searches goes in lockstep, so that
a thousand searches take as many round trips as one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

from search.qdrant_query import QueryRequest, ScoredPoint

T = TypeVar("T")
Answers = Sequence[list[ScoredPoint]]
Steps = Generator[Sequence[QueryRequest], Answers, T]
# Answers requests in one round trip, in their order.
Ask = Callable[[Sequence[QueryRequest]], Answers]


def run_steps(steps: Steps[T], ask: Ask) -> T:
    """Drive one question to its end."""
    return run_together([steps], ask)[0]


def run_together(many: Sequence[Steps[T]], ask: Ask) -> list[T]:
    """Drive all questions at once: what they need at the same time is asked in one round trip."""
    steps = join_steps(many)
    answers: Answers | None = None
    while True:
        try:
            requests = steps.send(answers)  # type: ignore[arg-type]  # None begins
        except StopIteration as end:
            results: list[T] = end.value
            return results
        answers = ask(requests) if requests else ()


def join_steps(many: Sequence[Steps[T]]) -> Steps[list[T]]:
    """Several questions as one: each of its steps is a step of all that have not ended."""
    results: dict[int, T] = {}
    waiting: dict[int, Sequence[QueryRequest]] = {}

    def advance(index: int, answers: Answers | None) -> None:
        try:
            waiting[index] = many[index].send(answers)  # type: ignore[arg-type]  # None begins
        except StopIteration as end:
            results[index] = end.value

    for index in range(len(many)):
        advance(index, None)
    while waiting:
        asked, waiting = waiting, {}
        answers = iter((yield [request for needed in asked.values() for request in needed]))
        for index, needed in asked.items():
            advance(index, [next(answers) for _ in needed])
    return [results[index] for index in range(len(many))]
