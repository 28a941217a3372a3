"""Titles like titles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Unpack

from client import routes
from client.options import CombinedOptions, Distance, RelativeOptions, SimilarBatchOptions, SimilarOptions
from client.problems import UnexpectedAnswerError
from client.searching import PAGE_SIZE, iterate_pages
from client.streaming import SearchStream
from client.transport import Call, Transport
from client.values.search import BatchAnswer, SearchAnswer, SearchResult


class SimilarCalls:
    """What `Client` can ask about titles. A title is named by its slug or as `provider:id`."""

    _transport: Transport

    def similar(self, title_id: str, **options: Unpack[SimilarOptions]) -> SearchAnswer:
        """A page of titles like a title. Raises NotFoundError.

        client.similar("mal:1", limit=10, diversity=0.3)
        """
        call = Call(route=routes.SIMILAR, path=routes.SIMILAR.fill(id=title_id), params=options)
        return self._transport.get(call, SearchAnswer)

    def similar_by_vector(
        self, title_id: str, vector: str, *, distance: Distance | None = None, **options: Unpack[SimilarOptions]
    ) -> SearchAnswer:
        """A page of titles alike by one vector, such as `genre_vector`. Raises NotFoundError.

        `distance` adds the distance to each result: `cosine`, `dot` or `euclid`.
        """
        params = {**options, "vector": vector, "distance": distance}
        call = Call(route=routes.SIMILAR_BY_VECTOR, path=routes.SIMILAR_BY_VECTOR.fill(id=title_id), params=params)
        return self._transport.get(call, SearchAnswer)

    def iterate_similar(
        self, title_id: str, *, page_size: int = PAGE_SIZE, most: int | None = None, **options: Unpack[RelativeOptions]
    ) -> Iterator[SearchResult]:
        """All titles like a title, a page at a time; see `iterate_search`."""

        def ask(cursor: str, limit: int) -> SearchAnswer:
            return self.similar(title_id, **options, limit=limit, cursor=cursor)

        return iterate_pages(ask, page_size=page_size, most=most)

    def similar_each(
        self, references: Sequence[str], **options: Unpack[SimilarBatchOptions]
    ) -> tuple[SearchAnswer, ...]:
        """A list for each of up to 100 titles, in their order."""
        return self._ask_batch({"mode": "each", "references": references, **options})

    def similar_combined(
        self, positive: Sequence[str], negative: Sequence[str] = (), **options: Unpack[SimilarBatchOptions]
    ) -> SearchAnswer:
        """One list for several titles: like the positive ones and unlike the negative ones.

        client.similar_combined(["cowboy-bebop", "mushishi"], negative=["naruto"], limit=10)
        """
        answers = self._ask_batch(_build_combined(positive, negative, options))
        if len(answers) != 1:
            raise UnexpectedAnswerError(f"{routes.SIMILAR_BATCH}: {len(answers)} answers where one was asked for")
        return answers[0]

    def stream_similar(
        self,
        positive: Sequence[str],
        negative: Sequence[str] = (),
        *,
        limit: int = 10_000,
        **options: Unpack[CombinedOptions],
    ) -> SearchStream:
        """As `similar_combined`, up to 10,000 results read as they come; see `stream_search`."""
        body = {**_build_combined(positive, negative, options), "limit": limit}
        call = Call(route=routes.SIMILAR_BATCH, path=routes.SIMILAR_BATCH.path, body=body)
        return SearchStream(self._transport.open(call), name=str(call.route))

    def _ask_batch(self, body: Mapping[str, Any]) -> tuple[SearchAnswer, ...]:
        call = Call(route=routes.SIMILAR_BATCH, path=routes.SIMILAR_BATCH.path, body=body)
        return self._transport.get(call, BatchAnswer).answers


def _build_combined(positive: Sequence[str], negative: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    body = {"mode": "combined", "positive": positive, **options}
    return {**body, "negative": negative} if negative else body
