"""From one collection to another of the same recipes: vectors are copied, payloads are made anew from Postgres.

Where only the picture encoders differ, image vectors are left out.

A title that changes while it is copied is left out, and one whose ledger row is older than its document is copied with
the vectors that still hold: the job that follows compares every title with the new collection's ledger.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qdrant_client import models

from core.errors import ConflictError
from core.identity import point_id
from core.settings import Settings
from core.vectors import BY_NAME, PICTURE_VECTORS
from indexing.layout import get_image_dimension
from indexing.payload import build_payload
from storage.database.copying import LedgerCopyRepository, LedgerRow
from storage.database.generations import Generation
from storage.database.jobs import JobRepository
from storage.database.locks import HeldLock
from storage.database.titles import StoredTitle, TitleRepository
from storage.vectors.schema import build_sparse_config, build_vectors_config
from storage.vectors.store import VectorStore

# A page of twelve vectors of 1,024 numbers is 8 MB of JSON.
_PAGE_TITLES = 64
Vectors = Mapping[str, Any]


class JobEndedError(ConflictError):
    """The job was cancelled while it worked."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Where from and where to. `names`: the vectors that the target has; `is_whole`: the source has all of them."""

    source: str
    target: str
    names: frozenset[str]
    is_whole: bool


class GenerationCopier:
    """Copies what the ledger vouches for. Stopped anywhere, it goes on where it ended."""

    def __init__(
        self,
        settings: Settings,
        *,
        copies: LedgerCopyRepository,
        titles: TitleRepository,
        jobs: JobRepository,
        store: VectorStore,
    ) -> None:
        self._settings = settings
        self._copies = copies
        self._titles = titles
        self._jobs = jobs
        self._store = store

    def copy(self, job_id: uuid.UUID, source: Generation, target: Generation, *, lock: HeldLock) -> int:
        """Copy all titles that the target lacks; returns how many. Raises JobEndedError if the job is closed."""
        is_whole = source.layout == target.layout and source.recipes.image == target.recipes.image
        pair = _Pair(source.collection, target.collection, self._get_names(source, target), is_whole)
        after, copied = "", 0
        while rows := self._copies.list_copyable(pair.source, pair.target, after=after, limit=_PAGE_TITLES):
            lock.check()
            if not self._jobs.beat(job_id):
                raise JobEndedError(f"job {job_id} has ended")
            copied += self._copy_page(pair, rows)
            after = rows[-1].slug
        return copied

    def _get_names(self, source: Generation, target: Generation) -> frozenset[str]:
        dense = build_vectors_config(
            self._settings,
            text_dimension=target.recipes.text.dimension,
            image_dimension=get_image_dimension(target.recipes),
        )
        names = frozenset({*dense, *build_sparse_config(self._settings, lexical_needs_idf=False)})
        # Vectors of two picture encoders must never meet.
        return names if source.recipes.image == target.recipes.image else names - {*PICTURE_VECTORS}

    def _copy_page(self, pair: _Pair, rows: Sequence[LedgerRow]) -> int:
        ids = {point_id(row.slug): row.slug for row in rows}
        records = self._store.retrieve(pair.source, list(ids), with_payload=False, with_vectors=True)
        vectors = {ids[str(record.id)]: record.vector for record in records if isinstance(record.vector, dict)}
        # After the points: a row that still stands was not being written when they were read.
        standing = [row for row in self._copies.list_unchanged(pair.source, rows) if row.slug in vectors]
        titles = self._titles.load([row.slug for row in standing])
        made = [
            build_copy(titles[row.slug], row, vectors[row.slug], names=pair.names, is_whole=pair.is_whole)
            for row in standing
            if row.slug in titles
        ]
        self._store.upsert(pair.target, [point for point, _ in made])
        self._copies.add(pair.target, [row for _, row in made])
        return len(made)


def build_copy(
    title: StoredTitle, row: LedgerRow, vectors: Vectors, *, names: frozenset[str], is_whole: bool
) -> tuple[models.PointStruct, LedgerRow]:
    """The point and what the ledger may say of it. A blank document hash has the title looked at again.

    Only vectors that the ledger vouches for are taken. A dense vector that it lists and the point lacks is left out of
    both; a sparse one may be missing because it has no entries.
    """
    listed = {name: value for name, value in row.passages.items() if name in names}
    vouched = {name: value for name, value in listed.items() if value and (name in vectors or BY_NAME[name].is_sparse)}
    taken = {name: vectors[name] for name in vouched if name in vectors}
    is_current = is_whole and vouched == listed and row.document_hash == title.content_hash
    payload = build_payload(title.slug, title.document, adult=title.adult, vectors=frozenset(vouched))
    point = models.PointStruct(id=point_id(title.slug), vector=taken, payload=payload)
    document_hash = title.content_hash if is_current else ""
    return point, LedgerRow(title.slug, document_hash, vouched, row.written_at, row.pictures_hash)
