"""Titles are sent to the embedding workers in chunks, and looked for again when Qdrant has lost them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TypeVar

from core.identity import point_id
from core.settings import Settings
from messaging.hints import HintSender
from messaging.names import TASK_EMBED_CHUNK
from storage.database.ledger import LedgerRepository
from storage.database.stages import OpenRow, StageRepository
from storage.vectors.store import VectorStore

T = TypeVar("T")


class ChunkSender:
    """Sends the open titles of jobs to the workers."""

    def __init__(self, settings: Settings, stages: StageRepository, hints: HintSender) -> None:
        self._chunk_size = settings.chunk_size
        self._stages = stages
        self._hints = hints

    def send(self, job_id: uuid.UUID, collection: str) -> int:
        """Hints for all titles of the job that nobody works on; returns how many titles."""
        rows = self._stages.list_claimable(job_id)
        for chunk in split_into_chunks(rows, self._chunk_size):
            self._hints.send(TASK_EMBED_CHUNK, job_id=str(job_id), slugs=chunk, collection=collection)
        return len(rows)


def split_into_chunks(rows: Sequence[OpenRow], chunk_size: int) -> list[list[str]]:
    """Chunks of slugs for one task each. The more often titles came back, the fewer share a chunk.

    A title that kills its worker (out of memory, say) leaves no error behind; halving the company it keeps finds
    it within a few attempts, before its neighbours have used up theirs.
    """
    return split_by_attempts([(row.slug, row.attempts) for row in rows], chunk_size)


def split_by_attempts(rows: Sequence[tuple[T, int]], chunk_size: int) -> list[list[T]]:
    """As `split_into_chunks`, for anything with a number of attempts."""
    by_attempts: dict[int, list[T]] = {}
    for one, attempts in rows:
        by_attempts.setdefault(attempts, []).append(one)
    chunks: list[list[T]] = []
    for attempts, group in sorted(by_attempts.items()):
        size = max(1, chunk_size // 16**attempts)
        chunks.extend(group[start : start + size] for start in range(0, len(group), size))
    return chunks


def find_lost_titles(ledger: LedgerRepository, store: VectorStore, collection: str) -> list[str]:
    """Titles that the ledger lists and the collection lacks. Compares counts first: that is cheap.

    The ledger is read before Qdrant both times: what another job writes in between is then only in the second.
    """
    expected = ledger.count(collection)
    if store.count(collection) >= expected:
        return []
    listed = list(ledger.iterate_slugs(collection))
    present = set(store.scroll_ids(collection))
    return [slug for slug in listed if point_id(slug) not in present]
