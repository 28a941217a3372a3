"""What operators ask for and are told."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.schemas.base import LenientQuery, PlainText, StrictBody
from api.schemas.jobs import DOCUMENTS_MAX
from api.schemas.status import CheckResponse
from core.vectors import TEXT_VECTORS

WAIT_MAX_S = 30
_REASON = Field(None, min_length=1, max_length=500, description="For the list of jobs.")
_WAIT = Field(0.0, ge=0, le=WAIT_MAX_S, description="Seconds to wait for the job's end; 202 if it goes on then.")


def _show_examples(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class NoBody(StrictBody):
    """Nothing has to be said."""

    model_config = _show_examples({})


class ReindexBody(StrictBody):
    """A generation made anew beside the live one."""

    model_config = _show_examples({"reason": "new HNSW settings"}, {"swap": False})

    reason: PlainText | None = _REASON
    wait_for_gate: bool = Field(
        True,
        description="Move the alias only when the graphs are built and their answers checked, not only the counts.",
    )
    swap: bool = Field(True, description="False: leave it standing by, to be swapped to by hand.")


class SwapBody(StrictBody):
    """How to swap."""

    model_config = _show_examples({})

    force: bool = Field(False, description="Also to a generation that was never live and lacks many titles.")


class SnapshotBody(StrictBody):
    """A snapshot of the live collection."""

    model_config = _show_examples({"reason": "before the new catalogue", "wait": 10})

    reason: PlainText | None = _REASON
    wait: float = _WAIT


class GivenPoint(StrictBody):
    """Vectors of one title, made by its caller. They are brought to length 1."""

    id: PlainText = Field(min_length=1, max_length=200, description="Slug or provider:id of a known title.")
    vectors: dict[
        Annotated[str, Field(json_schema_extra={"enum": list(TEXT_VECTORS)})],
        Annotated[list[float], Field(min_length=1)],
    ] = Field(min_length=1)


class UpsertBody(StrictBody):
    """Either documents for the pipeline, or vectors of the live index's recipe."""

    model_config = _show_examples({"documents": [{"title": "Akira", "type": "MOVIE", "year": 1988}], "wait": 10})

    documents: list[dict[str, Any]] | None = Field(None, min_length=1, max_length=DOCUMENTS_MAX)
    recipe: str | None = Field(
        None, pattern=r"^[0-9a-f]{12}$", description="recipes.text.fingerprint of admin/collection/info; with points."
    )
    points: list[GivenPoint] | None = Field(None, min_length=1, max_length=DOCUMENTS_MAX)
    wait: float = _WAIT

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if (self.documents is None) == (self.points is None):
            raise ValueError("takes either documents, or points with their recipe")
        if (self.points is None) != (self.recipe is None):
            raise ValueError("points and recipe belong together")
        return self


class CollectionPath(LenientQuery):
    """One generation."""

    collection: PlainText = Field(min_length=1, max_length=255, description="As GET admin/generations names it.")


class SnapshotPath(LenientQuery):
    """One snapshot."""

    name: PlainText = Field(min_length=1, max_length=255, description="As GET admin/snapshots names it.")


class RecipeShown(BaseModel):
    """How a vector came about."""

    fingerprint: str
    encoder: str
    revision: str
    dimension: int
    template_version: int


class GenerationShown(BaseModel):
    """One collection of titles. Counts are null where Qdrant has no such collection."""

    collection: str
    state: Literal["building", "live", "retired", "dropped"]
    recipes: dict[str, RecipeShown]
    points: int | None
    titles: int = Field(description="Titles that its ledger lists, adult ones included.")
    stale: int | None = Field(description="Titles that changed, came or went since it was last written.")
    withdrawn: bool = Field(description="A person swapped away from it: its recipes do not come back by themselves.")
    job_id: str | None = Field(description="The job that filled it alone.")
    message: str | None
    created_at: str | None
    live_at: str | None
    retired_at: str | None


class GenerationListResponse(BaseModel):
    """The newest first."""

    alias: str
    generations: list[GenerationShown]


class SwapResponse(BaseModel):
    """Searches are answered from `collection` now."""

    collection: str
    previous: str | None
    stale: int = Field(description="Titles that changed since it was last written; the job brings them up to date.")
    recipes_changed: bool = Field(description="Query workers of the former recipes are refused until they change, too.")
    job_id: str


class SnapshotShown(BaseModel):
    """A snapshot file. Without a manifest Qdrant has it, and nobody knows what its points were made from."""

    name: str
    collection: str
    has_manifest: bool
    reason: str | None
    titles: int | None
    points: int | None
    size_bytes: int | None
    checksum: str | None
    created_at: str | None


class SnapshotListResponse(BaseModel):
    """The newest first."""

    snapshots: list[SnapshotShown]


class ExclusionResponse(BaseModel):
    """`removed_from` names the collections whose point went at once; the job sees to the rest."""

    id: str
    excluded: bool
    removed_from: list[str]
    job_id: str | None


class AdminStatsResponse(BaseModel):
    """What is stored, what ran, and what this web process has done. Adult titles are counted, and never named."""

    titles: dict[str, int]
    points: int | None
    generation: str | None
    coverage: dict[str, int] = Field(description="Titles that have each vector.")
    pictures: dict[str, Any] = Field(
        description="Pictures that belong in the index, stored, adult and stale ones; points of the live collection."
    )
    jobs: dict[str, int]
    dead_letters: int
    search: dict[str, Any]


class AdminHealthResponse(BaseModel):
    """Every server, the workers by queue, and the state of the live generation."""

    status: Literal["ready", "degraded", "unavailable"]
    checks: dict[str, CheckResponse]
    workers: dict[str, CheckResponse]
    generation: dict[str, Any] | None


class CollectionInfoResponse(BaseModel):
    """The live collection as Qdrant describes it."""

    collection: str
    alias: str
    status: str
    points: int
    titles: int
    indexed_vectors: int
    segments: int
    vectors: dict[str, Any]
    sparse_vectors: dict[str, Any]
    payload_indexes: dict[str, Any]
    optimizers: dict[str, Any]
    recipes: dict[str, RecipeShown]
    layout: str
    pictures: dict[str, Any] | None = Field(description="The live collection of pictures; null while there is none.")
