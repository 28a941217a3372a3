"""Asking a service for many answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson
import pytest
import stamina

from core.errors import DependencyUnavailableError, InvalidInputError, ServiceError
from evaluation.asking import Ranked, Request, ask_all, ask_by_method
from search.answer import SearchAnswer
from search.request import SearchRequest


class FakeSearcher:
    """Answers with the query as the only slug; raises the given errors first."""

    def __init__(self, *errors: ServiceError) -> None:
        self.errors = list(errors)
        self.groups: list[int] = []

    def search_batch(self, requests: Sequence[Request]) -> list[SearchAnswer]:
        """As the service."""
        if self.errors:
            raise self.errors.pop(0)
        self.groups.append(len(requests))
        return [_answer(request) for request in requests]


def _answer(request: Request) -> SearchAnswer:
    assert isinstance(request, SearchRequest)
    body = orjson.dumps({"results": [{"id": request.query, "score": 1.5}], "query_info": {"query": request.query}})
    return SearchAnswer(body[:-2], "none", {"total": 1.0})


@pytest.fixture
def without_waiting() -> Iterator[None]:
    """Attempts follow each other at once."""
    with stamina.set_testing(True, attempts=5):
        yield


def test_answers_come_in_the_order_of_the_requests() -> None:
    """Whatever the groups, and progress adds up."""
    searcher = FakeSearcher()
    told: list[int] = []
    requests = [SearchRequest(query=f"q{number}") for number in range(70)]
    answers = ask_all(searcher, requests, progress=told.append)
    assert answers == [Ranked((f"q{number}",), (1.5,)) for number in range(70)]
    assert searcher.groups == told
    assert sum(told) == 70


def test_methods_of_one_thing_are_asked_together() -> None:
    """And each method gets its own answers, in order."""
    requests = {
        method: [SearchRequest(query=f"{method}{number}") for number in range(20)] for method in ("a", "b", "c")
    }
    answers = ask_by_method(FakeSearcher(), requests, progress=lambda _: None)
    assert {method: [found.slugs[0] for found in ranked] for method, ranked in answers.items()} == {
        method: [f"{method}{number}" for number in range(20)] for method in ("a", "b", "c")
    }


def test_a_busy_server_is_asked_again(without_waiting: None) -> None:
    """One moment without Postgres does not lose the figures of minutes."""
    searcher = FakeSearcher(DependencyUnavailableError("postgres", "busy"))
    assert ask_all(searcher, [SearchRequest(query="q")], progress=print) == [Ranked(("q",), (1.5,))]


def test_other_errors_are_raised_at_once(without_waiting: None) -> None:
    """A wrong request stays wrong."""
    searcher = FakeSearcher(InvalidInputError("queries.0.query", "is empty"))
    with pytest.raises(InvalidInputError):
        ask_all(searcher, [SearchRequest(query="")], progress=print)


def test_a_server_that_stays_away_is_told(without_waiting: None) -> None:
    """After five attempts."""
    searcher = FakeSearcher(*(DependencyUnavailableError("postgres", "gone") for _ in range(5)))
    with pytest.raises(DependencyUnavailableError):
        ask_all(searcher, [SearchRequest(query="q")], progress=print)
