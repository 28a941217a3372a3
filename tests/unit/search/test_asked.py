"""Counting what is asked again and again, without a database."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

import search.asked
from core.errors import DependencyUnavailableError
from search.asked import TEXT_MAX_CHARS, AskedQueries, describe_request, rebuild_request
from search.request import SearchRequest, SimilarRequest
from storage.database.query_log import LoggedQuery


class Sink:
    """Takes what is sent; `error` is raised instead."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int]] = []
        self.error: Exception | None = None

    def __call__(self, queries: Sequence[LoggedQuery]) -> None:
        if self.error is not None:
            raise self.error
        self.sent += [(query.request["query"], query.asked) for query in queries]


def ask(asked: AskedQueries, *texts: str) -> None:
    """Note searches by text."""
    for text in texts:
        asked.note(SearchRequest(query=text))


def test_what_is_asked_once_is_never_sent() -> None:
    """A second time makes it a row with both; what was sent is not sent again."""
    sink = Sink()
    asked = AskedQueries(sink)
    ask(asked, "mecha", "secret")
    asked.flush()
    assert sink.sent == []
    ask(asked, " mecha ", "a")
    asked.flush()
    asked.flush()
    assert sink.sent == [("mecha", 2)]
    ask(asked, "mecha")
    asked.flush()
    assert sink.sent == [("mecha", 2), ("mecha", 1)]


def test_a_search_can_be_noted_by_its_fingerprint() -> None:
    """Whoever repeats an answer need not know the request; an unknown fingerprint is passed over."""
    sink = Sink()
    asked = AskedQueries(sink)
    fingerprint = asked.note(SearchRequest(query="mecha"))
    assert fingerprint is not None
    asked.note_again(fingerprint)
    asked.note_again("unknown")
    asked.flush()
    assert sink.sent == [("mecha", 2)]


def test_nothing_is_lost_while_postgres_is_away() -> None:
    """Counts stay and are sent the next time."""
    sink = Sink()
    asked = AskedQueries(sink)
    ask(asked, "mecha", "mecha")
    sink.error = DependencyUnavailableError("postgres", "away")
    with pytest.raises(DependencyUnavailableError):
        asked.flush()
    sink.error = None
    ask(asked, "mecha")
    asked.flush()
    assert sink.sent == [("mecha", 3)]


def test_what_postgres_refuses_is_not_sent_for_ever() -> None:
    """A row that no database takes must not keep all that comes after it."""
    sink = Sink()
    asked = AskedQueries(sink)
    ask(asked, "mecha", "mecha")
    sink.error = ValueError("refused")
    with pytest.raises(ValueError, match="refused"):
        asked.flush()
    sink.error = None
    asked.flush()
    assert sink.sent == []


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its bound what was asked longest ago is forgotten; what keeps coming stays."""
    monkeypatch.setattr(search.asked, "_KNOWN_MAX", 10)
    sink = Sink()
    asked = AskedQueries(sink)
    for number in range(100):
        ask(asked, "mecha", f"unique {number}")
    assert len(asked._known) == 10
    asked.flush()
    assert sink.sent == [("mecha", 100)]


def test_one_statement_holds_so_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The most asked go first, the others with the next flush."""
    monkeypatch.setattr(search.asked, "_SENT_MAX", 1)
    sink = Sink()
    asked = AskedQueries(sink)
    ask(asked, "a", "a", "b", "b", "b")
    asked.flush()
    assert sink.sent == [("b", 3)]
    asked.flush()
    assert sink.sent == [("b", 3), ("a", 2)]


@pytest.mark.parametrize(
    "request_",
    [
        SearchRequest(query="x" * (TEXT_MAX_CHARS + 1)),
        SearchRequest(query="mecha", offset=100),
        SearchRequest(query="mecha", cursor="*"),
        SearchRequest(query="mecha", explain=True),
        SearchRequest(query="mecha", filters={"genres": ["x" * 3_000]}),
        SearchRequest(query="mecha", filters={"genres": "\x00"}),
        SearchRequest(query="mecha", filters={"year": 2**70}),
    ],
)
def test_some_searches_are_not_counted(request_: SearchRequest) -> None:
    """Long texts, deep pages, cursors, explanations, and what no database could hold."""
    assert AskedQueries(Sink()).note(request_) is None


def test_it_can_be_turned_off() -> None:
    """Then nothing is remembered at all."""
    asked = AskedQueries(Sink(), is_on=False)
    assert asked.note(SearchRequest(query="mecha")) is None
    assert not asked._known


@given(
    st.one_of(
        st.builds(
            SearchRequest,
            query=st.one_of(st.none(), st.text("abc", max_size=20)),
            limit=st.integers(1, 50),
            filters=st.one_of(st.none(), st.just({"genres": ["action", "drama"]})),
            fields=st.one_of(st.none(), st.just(("title", "year"))),
            vectors=st.one_of(st.none(), st.just({"title_vector": 1.5})),
            sort=st.one_of(st.none(), st.just(("year", "desc"))),
            diversity=st.sampled_from([0.0, 0.5]),
            expand=st.booleans(),
            include_adult=st.booleans(),
        ),
        st.builds(SimilarRequest, positive=st.just(("a", "b")), negative=st.sampled_from([(), ("c",)])),
    )
)
def test_a_request_can_be_asked_again(request_: SearchRequest | SimilarRequest) -> None:
    """What was written down is the same request when it is read again."""
    document = describe_request(request_)
    assert document is not None
    assert rebuild_request(document) == request_


@pytest.mark.parametrize("document", [{}, {"kind": "picture"}, {"kind": "search", "mood": 1}, {"kind": "similar"}])
def test_the_words_of_another_release_are_passed_over(document: dict[str, object]) -> None:
    """A request with unknown or missing entries is no request."""
    assert rebuild_request(document) is None
