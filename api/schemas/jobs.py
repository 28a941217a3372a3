"""Jobs of the pipeline."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.base import LenientQuery, StrictBody

DOCUMENTS_MAX = 1_000
IDS_MAX = 10_000
URLS_MAX = 1_000
PAGE_MAX = 200
ProviderName = Literal["jikan", "anilist", "kitsu", "anidb", "animeschedule", "anime-planet"]
StageName = Literal["metadata", "episodes", "relations", "statistics", "characters", "staff"]


class JobBody(StrictBody):
    """A job: `index` embeds titles that changed, `pictures` pictures, `import` takes documents, `download` fetches.

    `enrich` asks the configured providers about titles and merges what they say.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"kind": "index"},
                {"kind": "index", "ids": ["shingeki-no-kyojin", "mal:1"]},
                {"kind": "import", "documents": [{"title": "Akira", "type": "MOVIE", "year": 1988}]},
                {"kind": "download", "then_index": True},
                {"kind": "pictures"},
                {"kind": "download", "urls": ["https://example.org/a.jpg"], "then_index": True},
                {"kind": "enrich", "ids": ["mal:1"], "providers": ["anilist"], "refresh": True},
            ]
        }
    )

    kind: Literal["index", "import", "download", "pictures", "enrich"]
    ids: list[Annotated[str, Field(min_length=1, max_length=200)]] | None = Field(
        None,
        min_length=1,
        max_length=IDS_MAX,
        description="Only these titles (slugs or provider:id); every kind but import.",
    )
    documents: list[dict[str, Any]] | None = Field(
        None, min_length=1, max_length=DOCUMENTS_MAX, description="Title documents; kind import."
    )
    path: str | None = Field(None, min_length=1, max_length=1_000, description="A file under IMPORT_ROOT; kind import.")
    urls: list[str | dict[str, Any]] | None = Field(
        None,
        min_length=1,
        max_length=URLS_MAX,
        description="Pictures: URLs, or objects {url, id, tags, metadata, title, adult}; kind download.",
    )
    refresh: bool | None = Field(
        None,
        description="Ask again for what was fetched DOWNLOAD_REFRESH_DAYS ago or longer; kind download. "
        "Ask again for all that is known, however fresh it is; kind enrich.",
    )
    then_index: bool | None = Field(
        None,
        description="Index the pictures when all are there, false unless told; kind download. "
        "Index what has changed, true unless told; kind enrich.",
    )
    providers: list[ProviderName] | None = Field(
        None, min_length=1, description="Ask only these of the configured providers; kind enrich."
    )
    stages: list[StageName] | None = Field(
        None, min_length=1, description="Only these stages of the workflow; kind enrich."
    )
    stale: bool | None = Field(
        None, description="Only what was asked before and has grown old, nothing that is new; kind enrich."
    )
    merge_only: bool | None = Field(None, description="Ask nothing: merge what is known once more; kind enrich.")
    then_enrich: bool | None = Field(
        None, description="Ask the providers about the titles that were added or changed; kind import."
    )


class JobPath(LenientQuery):
    """One job."""

    job_id: str = Field(description="Id of the job.", json_schema_extra={"format": "uuid"})


class JobsQuery(LenientQuery):
    """Which jobs to list."""

    limit: int = Field(20, ge=1, le=PAGE_MAX, description="Jobs on a page.")
    offset: int = Field(0, ge=0, le=1_000_000, description="Jobs to pass over.")
    state: Literal["pending", "running", "completed", "failed", "cancelled"] | None = Field(
        None, description="Only jobs in this state."
    )


class PageQuery(LenientQuery):
    """Which part of a list."""

    limit: int = Field(100, ge=1, le=PAGE_MAX, description="Entries on a page.")
    offset: int = Field(0, ge=0, le=1_000_000, description="Entries to pass over.")


class DownloadProgressResponse(BaseModel):
    """URLs by state and, where they are over, by outcome; bytes that came; URLs and bytes a second."""

    states: dict[str, int]
    outcomes: dict[str, int]
    bytes: int
    per_s: float
    bytes_per_s: float


class EnrichProgressResponse(BaseModel):
    """Parts of an enrich job (a stage of a title at a provider) by state.

    `known`: it was there already and is fresh enough. `put_off`: why parts wait that are asked again later.
    """

    providers: dict[str, dict[str, int]]
    stages: dict[str, dict[str, int]]
    put_off: dict[str, dict[str, int]]


class JobProgressResponse(BaseModel):
    """Counts by stage and state, titles a second, seconds left (null: unknown).

    `downloads` where there are any, `enrichment` for jobs of kind enrich.
    """

    stages: dict[str, dict[str, int]]
    titles_per_s: float
    seconds_left: float | None
    dead_letters: int
    open_rows: int
    downloads: DownloadProgressResponse | None = None
    enrichment: EnrichProgressResponse | None = None


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
