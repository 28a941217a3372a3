"""Text search."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from api.schemas.base import StrictBody
from search.plan import DEFAULT_WEIGHTS, NAMED_WEIGHT, SEARCHABLE_VECTORS
from search.request import LIMIT_DEFAULT, LIMIT_MAX, WINDOW_MAX


def _weigh_names(value: Any) -> Any:
    """A list of names gives each the same weight."""
    if not isinstance(value, list):
        return value
    if not all(isinstance(name, str) for name in value):
        raise ValueError("must be a list of names, or an object of names and weights")
    if len(set(value)) != len(value):
        raise ValueError("names a vector twice")
    return dict.fromkeys(value, NAMED_WEIGHT)


_VECTORS_SCHEMA = {
    "anyOf": [
        {"type": "array", "items": {"type": "string", "enum": list(SEARCHABLE_VECTORS)}, "minItems": 1},
        {"type": "object", "additionalProperties": {"type": "number", "exclusiveMinimum": 0, "maximum": 100}},
    ],
    "description": "Names, or names with weights. Default: "
    + ", ".join(f"{n} {w}" for n, w in DEFAULT_WEIGHTS.items()),
}
VectorWeights = Annotated[dict[str, float], BeforeValidator(_weigh_names), WithJsonSchema(_VECTORS_SCHEMA)]


class SearchBody(StrictBody):
    """A text search."""

    query: str = Field(min_length=1, description="What to look for, in the searcher's own words.")
    limit: int = Field(LIMIT_DEFAULT, ge=1, le=LIMIT_MAX, description="Results on a page.")
    offset: int = Field(0, ge=0, le=WINDOW_MAX, description="Results to pass over.")
    filters: dict[str, Any] | None = Field(
        None,
        description='Conditions, such as {"genres": "action", "year": {"gte": 2010}}, with must, should and must_not.',
    )
    min_score: float | None = Field(None, ge=-1, le=1, description="Least similarity (a cosine) of a result.")
    threshold: float | None = Field(None, ge=-1, le=1, description="Another name of min_score.")
    fields: list[str] | None = Field(None, max_length=100, description="Payload entries wanted; all by default.")
    vectors: VectorWeights | None = None
    include_adult: bool = Field(False, description="Show adult titles too.")


class SearchResult(BaseModel):
    """One title found."""

    id: str = Field(description="The title's slug.")
    score: float = Field(description="What the list is ordered by; comparable within one answer only.")
    similarity: float | None = Field(description="Best cosine among the dense vectors used.")
    payload: dict[str, Any]


class QueryInfo(BaseModel):
    """How an answer came about."""

    query: str = Field(description="The text that was embedded.")
    vectors: dict[str, float]
    fusion: Literal["rrf"] | None
    cache: Literal["result", "vector", "none"]
    cache_hit: bool
    took_ms: dict[str, float] = Field(description="Milliseconds by step.")


class SearchResponse(BaseModel):
    """A page of results."""

    results: list[SearchResult]
    total_found: int = Field(description="Titles that match; at least so many when total_is_exact is false.")
    total_is_exact: bool
    query_info: QueryInfo
