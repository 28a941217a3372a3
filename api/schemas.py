"""What goes over the wire. Requests are validated by these; answers are described by them and never re-validated."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from search.plan import DEFAULT_WEIGHTS, NAMED_WEIGHT, SEARCHABLE_VECTORS
from search.request import LIMIT_DEFAULT, LIMIT_MAX, WINDOW_MAX

DOCUMENTS_MAX = 1_000
IDS_MAX = 10_000
PAGE_MAX = 200


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


class _Strict(BaseModel):
    """A text is no number and an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Query(BaseModel):
    """Values from the address line are texts, so they are read leniently."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SearchBody(_Strict):
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


class TitlePath(_Query):
    """A slug, or `provider:id` such as mal:16498."""

    id: str = Field(description="Slug, or provider:id such as mal:16498.")


class TitleQuery(_Query):
    """How to look a title up."""

    include_adult: bool = Field(False, description="Show an adult title too.")


class TitleResponse(BaseModel):
    """The document of a title with its id."""

    model_config = ConfigDict(extra="allow")

    id: str
    title: str
    adult: bool


class JobBody(_Strict):
    """A job: `index` embeds what has changed (or the given ids), `import` takes documents or a file."""

    kind: Literal["index", "import"]
    ids: list[Annotated[str, Field(min_length=1, max_length=200)]] | None = Field(
        None, min_length=1, max_length=IDS_MAX, description="Only these titles (slugs or provider:id); kind index."
    )
    documents: list[dict[str, Any]] | None = Field(
        None, min_length=1, max_length=DOCUMENTS_MAX, description="Title documents; kind import."
    )
    path: str | None = Field(None, min_length=1, max_length=1_000, description="A file under IMPORT_ROOT; kind import.")


class JobPath(_Query):
    """One job."""

    job_id: str = Field(description="Id of the job.")


class JobsQuery(_Query):
    """Which jobs to list."""

    limit: int = Field(20, ge=1, le=PAGE_MAX)
    offset: int = Field(0, ge=0, le=1_000_000)
    state: Literal["pending", "running", "completed", "failed", "cancelled"] | None = None


class PageQuery(_Query):
    """Which part of a list."""

    limit: int = Field(100, ge=1, le=PAGE_MAX)
    offset: int = Field(0, ge=0, le=1_000_000)


class JobProgressResponse(BaseModel):
    """Counts by stage and state, titles a second, seconds left (null: unknown)."""

    stages: dict[str, dict[str, int]]
    titles_per_s: float
    seconds_left: float | None
    dead_letters: int
    open_rows: int


class JobResponse(BaseModel):
    """A job and, where one job is asked for, its progress."""

    id: str
    kind: str
    state: Literal["pending", "running", "completed", "failed", "cancelled"]
    params: dict[str, Any] = Field(description="What was asked for; long lists are given by their length.")
    message: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    progress: JobProgressResponse | None = None


class JobListResponse(BaseModel):
    """The newest jobs first."""

    jobs: list[JobResponse]


class DeadLetterResponse(BaseModel):
    """Something that was given up, and why."""

    id: int
    stage: str
    slug: str | None
    reason: str
    detail: dict[str, Any]
    attempts: int
    created_at: str


class DeadLetterListResponse(BaseModel):
    """The newest first."""

    dead_letters: list[DeadLetterResponse]


class CheckResponse(BaseModel):
    """One server or worker."""

    ok: bool
    required: bool
    ms: float | None
    reason: str | None


class HealthResponse(BaseModel):
    """Ready when every required check is well."""

    status: Literal["ready", "degraded", "unavailable"]
    checks: dict[str, CheckResponse]


class LiveResponse(BaseModel):
    """The process answers."""

    status: Literal["alive"]


class StatsResponse(BaseModel):
    """Sizes of the index, and what this web process has done."""

    titles: int
    points: int | None
    generation: str | None
    is_optimised: bool | None
    search: dict[str, Any]


class ServiceInfo(BaseModel):
    """What this is and where to go."""

    name: str
    version: str
    links: dict[str, str]


class Problem(BaseModel):
    """RFC 9457 problem document."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = Field(None, description="Dotted path of the field that is to blame.")
    dependency: str | None = Field(None, description="The server that is away.")
    request_id: str | None
