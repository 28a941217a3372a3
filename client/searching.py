"""Searches by text, listings, counts, suggestions, and single titles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Unpack

from client import routes
from client.options import SearchOptions, SearchQuery, TextOptions
from client.streaming import SearchStream
from client.transport import Call, Transport
from client.values.faceting import Facets, Suggestion, SuggestionList
from client.values.provenance import Provenance
from client.values.search import BatchAnswer, SearchAnswer, SearchResult, Title

PAGE_SIZE = 100
_CURSOR_START = "*"


class SearchCalls:
    """What `Client` can ask about texts."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def search(self, query: str | None = None, **options: Unpack[SearchOptions]) -> SearchAnswer:
        """A page of titles that fit a text; without one, a page of what passes the filters.

        client.search("quiet science fiction about loneliness", limit=5, filters={"year": {"gte": 2000}})
        """
        body = dict(options) if query is None else {"query": query, **options}
        return self._transport.get(Call(route=routes.SEARCH, path=routes.SEARCH.path, body=body), SearchAnswer)

    def list_titles(self, **options: Unpack[SearchOptions]) -> SearchAnswer:
        """A page of what passes the filters, in the order of `sort`.

        client.list_titles(filters={"studios": "Sunrise"}, sort={"field": "year", "order": "asc"})
        """
        return self.search(None, **options)

    def search_batch(self, queries: Iterable[SearchQuery | str]) -> tuple[SearchAnswer, ...]:
        """Many searches at once, up to 1,000, answered in their order; much cheaper than one by one.

        first, second = client.search_batch(["space opera", {"query": "cooking", "limit": 3}])
        """
        bodies = [{"query": query} if isinstance(query, str) else query for query in queries]
        call = Call(route=routes.SEARCH_BATCH, path=routes.SEARCH_BATCH.path, body={"queries": bodies})
        return self._transport.get(call, BatchAnswer).answers

    def iterate_search(
        self,
        query: str | None = None,
        *,
        page_size: int = PAGE_SIZE,
        most: int | None = None,
        **options: Unpack[TextOptions],
    ) -> Iterator[SearchResult]:
        """All results, a page at a time; the list is the one of the first page, whatever is written meanwhile.

        `most` ends it earlier. Whoever pauses for more than ten minutes gets a ConflictError (`cursor-expired`).

            for result in client.iterate_search("school romance", filters={"type": "MOVIE"}, fields=["title"]):
                print(result.payload["title"])
        """

        def ask(cursor: str, limit: int) -> SearchAnswer:
            return self.search(query, **options, limit=limit, cursor=cursor)

        return iterate_pages(ask, page_size=page_size, most=most)

    def stream_search(
        self, query: str | None = None, *, limit: int = 10_000, **options: Unpack[TextOptions]
    ) -> SearchStream:
        """Up to 10,000 results in one answer, read as they come. Close the stream or read it to its end.

        with client.stream_search("robots", fields=["title"]) as stream:
            titles = [result.payload["title"] for result in stream]
        """
        body = {**({} if query is None else {"query": query}), **options, "limit": limit}
        call = Call(route=routes.SEARCH, path=routes.SEARCH.path, body=body)
        return SearchStream(self._transport.open(call), name=str(call.route))

    def get_title(self, title_id: str, *, include_adult: bool = False) -> Title:
        """The stored document of a title, by slug or `provider:id` such as `mal:16498`. Raises NotFoundError."""
        path = routes.GET_TITLE.fill(id=title_id)
        params = {"include_adult": True} if include_adult else {}
        return self._transport.get(Call(route=routes.GET_TITLE, path=path, params=params), Title)

    def get_facets(
        self,
        fields: Sequence[str],
        *,
        filters: Mapping[str, Any] | None = None,
        limit: int = 20,
        include_adult: bool = False,
    ) -> Facets:
        """How many titles have each value of some fields, among those that pass the filters; exact.

        studios = client.get_facets(["studios"], filters={"year": {"gte": 2010}}).facets["studios"]
        """
        body: dict[str, Any] = {"fields": fields, "limit": limit, "include_adult": include_adult}
        if filters is not None:
            body["filters"] = filters
        return self._transport.get(Call(route=routes.FACETS, path=routes.FACETS.path, body=body), Facets)

    def get_provenance(self, title_id: str, *, include_adult: bool = False) -> Provenance:
        """Why a title says what it says: each field's sources, confidence, and what else was said; and its quality.

        reasons = client.get_provenance("mal:1").fields["episodes"]
        print(reasons.value, reasons.sources, reasons.confidence)
        """
        params = {"include_adult": True if include_adult else None}
        path = routes.GET_PROVENANCE.fill(id=title_id)
        return self._transport.get(Call(route=routes.GET_PROVENANCE, path=path, params=params), Provenance)

    def suggest(self, text: str, *, limit: int = 10, include_adult: bool = False) -> tuple[Suggestion, ...]:
        """Titles for what somebody has typed so far, in every language; the best first."""
        params = {"q": text, "limit": limit, "include_adult": include_adult}
        call = Call(route=routes.SUGGEST, path=routes.SUGGEST.path, params=params)
        return self._transport.get(call, SuggestionList).suggestions


def iterate_pages(
    ask: Callable[[str, int], SearchAnswer], *, page_size: int, most: int | None = None
) -> Iterator[SearchResult]:
    """The results of all pages, where `ask(cursor, limit)` gets one. `most` bounds them."""
    if page_size < 1:
        raise ValueError("page_size must be positive")
    limit = page_size if most is None else max(1, min(page_size, most))

    def walk() -> Iterator[SearchResult]:
        cursor: str | None = _CURSOR_START
        while cursor is not None:
            answer = ask(cursor, limit)
            yield from answer.results
            cursor = answer.next_cursor

    return walk() if most is None else islice(walk(), most)
