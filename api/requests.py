"""From validated bodies and query strings to the requests of the search service."""

from __future__ import annotations

from typing import Any

from api.schemas.searching import OptionsBody, SearchBody, SimilarBatchBody, SimilarQuery, SimilarVectorQuery
from core.errors import InvalidInputError
from search.ranking import NAMED_WEIGHT
from search.request import LIMIT_MAX, STREAM_LIMIT_MAX, SearchRequest, SimilarRequest


def to_search_request(body: SearchBody, *, is_streamed: bool = False) -> SearchRequest:
    """A text search."""
    return SearchRequest(query=body.query, expand=body.expand, **read_options(body, is_streamed=is_streamed))


def to_similar_requests(body: SimilarBatchBody, *, is_streamed: bool = False) -> list[SimilarRequest]:
    """One request for each reference, or one for all."""
    options = {**read_options(body, is_streamed=is_streamed), "include_related": body.include_related}
    if body.mode == "combined":
        return [SimilarRequest(positive=tuple(body.positive or ()), negative=tuple(body.negative or ()), **options)]
    return [SimilarRequest(positive=(reference,), **options) for reference in body.references or ()]


def to_similar_request(identifier: str, query: SimilarQuery) -> SimilarRequest:
    """Titles like one title, by the default vectors or by one."""
    named = {query.vector: NAMED_WEIGHT} if isinstance(query, SimilarVectorQuery) else None
    return SimilarRequest(
        positive=(identifier,),
        limit=query.limit,
        offset=query.offset,
        cursor=query.cursor,
        min_score=query.min_score,
        fields=None if query.fields is None else tuple(name for name in query.fields.split(",") if name),
        vectors=named,
        fusion=query.fusion,
        boost=query.boost,
        diversity=query.diversity,
        explain=query.explain,
        include_adult=query.include_adult,
        include_related=query.include_related,
    )


def read_options(body: OptionsBody, *, is_streamed: bool) -> dict[str, Any]:
    """What every search takes, as arguments for its request. Raises InvalidInputError for `threshold`."""
    if body.min_score is not None and body.threshold is not None:
        raise InvalidInputError("threshold", "is another name of min_score: send one of them")
    return {
        "limit": body.limit,
        "offset": body.offset,
        "cursor": body.cursor,
        "filters": body.filters,
        "min_score": body.min_score if body.threshold is None else body.threshold,
        "fields": None if body.fields is None else tuple(body.fields),
        "vectors": body.vectors,
        "fusion": body.fusion,
        "boost": body.boost,
        "diversity": body.diversity,
        "sort": None if body.sort is None else (body.sort.field, body.sort.order),
        "explain": body.explain,
        "include_adult": body.include_adult,
        "limit_max": STREAM_LIMIT_MAX if is_streamed else LIMIT_MAX,
    }
