"""Search by text, by example, and many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from api.schemas.base import LenientQuery, Problem, StrictBody
from api.schemas.filtering import TEXT_PATTERN, FiltersField
from search.checks import PAYLOAD_FIELDS, SORT_FIELDS
from search.plan import Fusion
from search.ranking import COMPARABLE_VECTORS, NAMED_WEIGHT, SEARCHABLE_VECTORS, SIMILAR_WEIGHTS, TEXT_WEIGHTS
from search.request import BATCH_MAX, LIMIT_DEFAULT, LIMIT_MAX, REFERENCES_MAX, STREAM_LIMIT_MAX, WINDOW_MAX

FIELDS_MAX = 100
CURSOR_PATTERN = r"^(\*|[A-Za-z0-9_-]{22}\.[0-9]{1,5})$"
FUSIONS = ", ".join(Fusion)


def _weigh_names(value: Any) -> Any:
    """A list of names gives each the same weight."""
    if not isinstance(value, list):
        return value
    if not all(isinstance(name, str) for name in value):
        raise ValueError("must be a list of names, or an object of names and weights")
    if len(set(value)) != len(value):
        raise ValueError("names a vector twice")
    return dict.fromkeys(value, NAMED_WEIGHT)


def describe_weights(defaults: Mapping[str, float]) -> str:
    """'title_vector 1, genre_vector 2', for a sentence."""
    return ", ".join(f"{name} {weight:g}" for name, weight in defaults.items())


def describe_vectors(names: Sequence[str], *, defaults: str) -> dict[str, Any]:
    """The schema of `vectors` where these may be named; `defaults` says which are used otherwise."""
    return {
        "anyOf": [
            {"type": "array", "items": {"type": "string", "enum": list(names)}, "minItems": 1},
            {"type": "object", "additionalProperties": {"type": "number", "exclusiveMinimum": 0, "maximum": 100}},
        ],
        "description": f"Names, or names with weights. Default: {defaults}.",
    }


READ_WEIGHTS = BeforeValidator(_weigh_names)
VectorWeights = Annotated[
    dict[str, float],
    READ_WEIGHTS,
    WithJsonSchema(describe_vectors(SEARCHABLE_VECTORS, defaults=describe_weights(TEXT_WEIGHTS))),
]
ComparedWeights = Annotated[
    dict[str, float],
    READ_WEIGHTS,
    WithJsonSchema(describe_vectors(COMPARABLE_VECTORS, defaults=describe_weights(SIMILAR_WEIGHTS))),
]
FusionName = Literal["rrf", "dbsf", "linear", "max"]
Identifier = Annotated[str, Field(min_length=1, max_length=200)]
# Described here, checked by the plan, whose faults name the place and the values that there are.
QueryText = Annotated[str, Field(min_length=1, json_schema_extra={"pattern": TEXT_PATTERN})]
Cursor = Annotated[str, Field(min_length=1, max_length=64, json_schema_extra={"pattern": CURSOR_PATTERN})]
PayloadField = Annotated[str, Field(json_schema_extra={"enum": sorted(PAYLOAD_FIELDS)})]


class SortBody(StrictBody):
    """Order by a field of numbers or dates; titles that lack it come last, equals by relevance."""

    field: str = Field(description="What to sort by.", json_schema_extra={"enum": [*SORT_FIELDS]})
    order: Literal["asc", "desc"] = "desc"


class OptionsBody(StrictBody):
    """What every search takes."""

    limit: int = Field(
        LIMIT_DEFAULT,
        ge=1,
        le=STREAM_LIMIT_MAX,
        description=f"Results on a page: at most {LIMIT_MAX}, or {STREAM_LIMIT_MAX} as application/x-ndjson.",
    )
    offset: int = Field(0, ge=0, le=WINDOW_MAX, description="Results to pass over.")
    cursor: Cursor | None = Field(None, description="`*` begins; then next_cursor of the page before. Stable.")
    filters: FiltersField | None = Field(None, description="What a title has to be; see Filters.")
    min_score: float | None = Field(None, ge=-1, le=1, description="Least similarity (a cosine) of a result.")
    threshold: float | None = Field(None, ge=-1, le=1, description="Another name of min_score.")
    fields: list[PayloadField] | None = Field(
        None, max_length=FIELDS_MAX, description="Payload entries wanted; all by default."
    )
    vectors: VectorWeights | None = None
    fusion: FusionName | None = Field(
        None,
        description=f"How the vectors' lists become one: {FUSIONS}; by default dbsf, or rrf for named vectors.",
    )
    boost: float | None = Field(None, ge=0, le=5, description="How strongly search_boost_factor counts; 0: not at all.")
    diversity: float = Field(0.0, ge=0, le=1, description="Unlike results rather than the nearest (MMR); 0: off.")
    sort: SortBody | None = None
    explain: bool = Field(False, description="Say for each result what each vector added to its score.")
    include_adult: bool = Field(False, description="Show adult titles too.")


class SearchBody(OptionsBody):
    """A text search; without `query` a list of what passes the filters, sorted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"query": "a notebook that kills whoever's name is written in it", "limit": 5},
                {"query": "mecha by Sunrise", "filters": {"year": {"gte": 1990, "lt": 2000}}, "explain": True},
                {"filters": {"genres": "drama"}, "sort": {"field": "score"}, "cursor": "*"},
            ]
        }
    )

    query: QueryText | None = Field(
        None, description="What to look for, in the searcher's own words; none: list by filters and sort."
    )
    expand: bool = Field(True, description="Read titles, years, genres, studios and the like out of the text.")


class BatchBody(StrictBody):
    """Many searches at once."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"queries": [{"query": "a robot boy"}, {"query": "school band", "limit": 5}]}]}
    )

    queries: list[SearchBody] = Field(min_length=1, max_length=BATCH_MAX)


_EACH: dict[str, Any] = {
    "title": "each",
    "required": ["references"],
    "properties": {
        "mode": {"const": "each"},
        "references": {"type": "array"},
        "positive": {"type": "null"},
        "negative": {"anyOf": [{"type": "null"}, {"type": "array", "maxItems": 0}]},
    },
}
_COMBINED: dict[str, Any] = {
    "title": "combined",
    "required": ["mode", "positive"],
    "properties": {"mode": {"const": "combined"}, "positive": {"type": "array"}, "references": {"type": "null"}},
}


class SimilarBatchBody(OptionsBody):
    """Lists for many references (`each`), or one list from positive and negative ones (`combined`)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"references": ["shingeki-no-kyojin", "mal:1"], "limit": 5},
                {"mode": "combined", "positive": ["cowboy-bebop"], "negative": ["toradora"], "explain": True},
            ],
            "oneOf": [_EACH, _COMBINED],
        }
    )

    mode: Literal["each", "combined"] = "each"
    references: list[Identifier] | None = Field(
        None, min_length=1, max_length=REFERENCES_MAX, description="Slugs or provider:id; mode each."
    )
    positive: list[Identifier] | None = Field(
        None, min_length=1, max_length=REFERENCES_MAX, description="Titles to be like; mode combined."
    )
    negative: list[Identifier] | None = Field(
        None, max_length=REFERENCES_MAX, description="Titles to be unlike; mode combined."
    )
    vectors: ComparedWeights | None = None
    include_related: bool = Field(False, description="Also sequels, prequels and other relatives of the references.")

    @model_validator(mode="after")
    def _fit_mode(self) -> Self:
        if self.mode == "each" and (self.references is None or self.positive or self.negative):
            raise ValueError("mode each takes `references`, and neither positive nor negative")
        if self.mode == "combined" and (self.positive is None or self.references):
            raise ValueError("mode combined takes `positive` (and `negative`), and no references")
        return self


class SimilarQuery(LenientQuery):
    """How to look for similar titles."""

    limit: int = Field(LIMIT_DEFAULT, ge=1, le=LIMIT_MAX, description="Results on a page.")
    offset: int = Field(0, ge=0, le=WINDOW_MAX, description="Results to pass over.")
    cursor: Cursor | None = Field(None, description="`*` begins; then next_cursor of the page before. Stable.")
    min_score: float | None = Field(None, ge=-1, le=1, description="Least similarity (a cosine) of a result.")
    fields: str | None = Field(
        None,
        max_length=2_000,
        description="Payload entries wanted, joined by commas.",
        json_schema_extra={"example": "title,year,genres"},
    )
    fusion: FusionName | None = Field(None, description="How the vectors' lists become one.")
    boost: float | None = Field(None, ge=0, le=5, description="How strongly search_boost_factor counts; 0: not at all.")
    diversity: float = Field(0.0, ge=0, le=1, description="Unlike results rather than the nearest (MMR); 0: off.")
    explain: bool = Field(False, description="Say for each result what each vector added to its score.")
    include_adult: bool = Field(False, description="Show adult titles too.")
    include_related: bool = Field(False, description="Also sequels, prequels and other relatives.")


class SimilarVectorQuery(SimilarQuery):
    """Titles alike by one vector."""

    vector: str = Field(description="The vector to compare.", json_schema_extra={"enum": [*COMPARABLE_VECTORS]})
    distance: Literal["cosine", "dot", "euclid"] | None = Field(
        None, description="Adds `distance` to each result in this measure; dense vectors have length 1."
    )


class SearchResult(BaseModel):
    """One title, or picture, found."""

    id: str = Field(description="The title's slug; the picture's id where pictures are looked for.")
    score: float = Field(description="What the list is ordered by; comparable within one answer only.")
    similarity: float | None = Field(description="Best cosine among the dense vectors used.")
    payload: dict[str, Any]
    explanation: dict[str, Any] | None = Field(None, description="With `explain`: see docs/api.md.")
    distance: float | None = Field(None, description="With `distance`: in the measure that was asked for.")


class QueryInfo(BaseModel):
    """How an answer came about."""

    query: str | None = Field(description="The text that was embedded.")
    vectors: dict[str, float]
    fusion: FusionName | None
    rrf_k: int | None = None
    boost: float | None = None
    diversity: float | None = None
    sort: SortBody | None = None
    filters: dict[str, list[dict[str, Any]]] | None = Field(None, description="With `explain`: all that were applied.")
    target: Literal["titles", "pictures"] | None = None
    picture: dict[str, str] | None = Field(
        None,
        description="What pictures were compared with: sha256 of what was sent, text, or id or title in the index.",
    )
    text_weight: float | None = Field(None, description="Share of the text, where a picture counts beside it.")
    image_weight: float | None = Field(None, description="Share of the picture.")
    understood: dict[str, Any] | None = Field(None, description="What was read out of the text, with `expand`.")
    positive: list[str] | None = None
    negative: list[str] | None = None
    relatives_left_out: int | None = None
    cache: Literal["result", "stale", "joined", "vector", "none"]
    cache_hit: bool
    took_ms: dict[str, float] = Field(description="Milliseconds by step.")


class SearchResponse(BaseModel):
    """A page of results."""

    results: list[SearchResult]
    total_found: int = Field(description="Titles that match; at least so many when total_is_exact is false.")
    total_is_exact: bool
    next_cursor: str | None = Field(None, description="With `cursor`: send it for the next page; null on the last.")
    query_info: QueryInfo


class BatchResponse(BaseModel):
    """One answer a search, in their order."""

    answers: list[SearchResponse]


class StreamLine(BaseModel):
    """A line of application/x-ndjson: results, then one summary; or a problem that ends the stream."""

    result: SearchResult | None = None
    summary: dict[str, Any] | None = None
    problem: Problem | None = None
