"""What operators are told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from client.values.base import Value
from client.values.status import Check


class AdminStats(Value):
    """What is stored, what ran, and what the answering process has done. Adult titles are counted.

    `coverage` counts titles by vector, `titles` and `jobs` by state.
    """

    titles: dict[str, int]
    points: int | None = None
    generation: str | None = None
    coverage: dict[str, int] = Field(default_factory=dict)
    pictures: dict[str, Any] = Field(default_factory=dict)
    jobs: dict[str, int] = Field(default_factory=dict)
    dead_letters: int = 0
    search: dict[str, Any] = Field(default_factory=dict)


class AdminHealth(Value):
    """Every server, the workers by queue, and the state of the live generation (None when it cannot be told)."""

    status: str
    checks: dict[str, Check] = Field(default_factory=dict)
    workers: dict[str, Check] = Field(default_factory=dict)
    generation: dict[str, Any] | None = None


class Recipe(Value):
    """How a vector came about; vectors of equal fingerprints can be compared."""

    fingerprint: str
    encoder: str
    revision: str
    dimension: int
    template_version: int


class CollectionInfo(Value):
    """The live collection as Qdrant describes it, with the recipes (`text`, `lexical`, ...) that filled it.

    `pictures` is the live collection of pictures, None while there is none.
    """

    collection: str
    alias: str
    status: str
    points: int
    titles: int
    indexed_vectors: int
    segments: int
    vectors: dict[str, Any] = Field(default_factory=dict)
    sparse_vectors: dict[str, Any] = Field(default_factory=dict)
    payload_indexes: dict[str, Any] = Field(default_factory=dict)
    optimizers: dict[str, Any] = Field(default_factory=dict)
    recipes: dict[str, Recipe] = Field(default_factory=dict)
    layout: str = ""
    pictures: dict[str, Any] | None = None


class Generation(Value):
    """One collection of titles: `building`, `live`, `retired` or `dropped`.

    `titles` is what its ledger lists, `stale` how many titles changed, came or went since it was last written.
    `withdrawn`: a person swapped away from it.
    """

    collection: str
    state: str
    recipes: dict[str, Recipe] = Field(default_factory=dict)
    points: int | None = None
    titles: int
    stale: int | None = None
    withdrawn: bool = False
    job_id: str | None = None
    message: str | None = None
    created_at: datetime | None = None
    live_at: datetime | None = None
    retired_at: datetime | None = None


class GenerationList(Value):
    """The newest first, behind one alias."""

    alias: str
    generations: tuple[Generation, ...]


class Swap(Value):
    """Searches are answered from `collection` now; the job brings its `stale` titles up to date.

    `recipes_changed`: query workers of the former recipes are refused until they change, too.
    """

    collection: str
    previous: str | None = None
    stale: int
    recipes_changed: bool
    job_id: str


class Snapshot(Value):
    """A saved collection. Without a manifest nobody knows what its points were made from, and it cannot be restored."""

    name: str
    collection: str
    has_manifest: bool
    reason: str | None = None
    titles: int | None = None
    points: int | None = None
    size_bytes: int | None = None
    checksum: str | None = None
    created_at: datetime | None = None


class SnapshotList(Value):
    """The newest first."""

    snapshots: tuple[Snapshot, ...]


class Exclusion(Value):
    """Whether a title is excluded now. `removed_from` names the collections whose point went at once.

    The job sees to the rest; None when nothing had to change.
    """

    id: str
    excluded: bool
    removed_from: tuple[str, ...] = ()
    job_id: str | None = None
