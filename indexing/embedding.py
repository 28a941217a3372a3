"""Embed and index a chunk of titles: claim, prepare, encode, write, record.

The order of writes is the safety rule: the ledger stops vouching for what is about to change, points become durable
in Qdrant, then the ledger and the stage rows change in one Postgres transaction. A process that dies anywhere in
between leaves leases that run out, and the same points are written again to the same ids.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import stamina

from core.errors import DependencyUnavailableError, TransientError
from core.identity import point_id
from core.log import Event, Log
from core.recipe import RecipeSet
from core.settings import Settings
from core.vectors import LEXICAL_VECTOR, METADATA_VECTOR
from indexing.generations import GenerationService
from indexing.layout import build_layout
from indexing.leases import LeaseKeeper
from indexing.pictures.following import PictureFollower
from indexing.pictures.titles import TitlePictureSource, average_group
from indexing.points import Vectors, build_point, build_updates
from indexing.preparation import PreparedTitle, collect_related_keys, prepare_title
from inference.base import LexicalEncoder, TextEncoder
from inference.batching import PassageMemo, encode_unique
from inference.metadata_features import encode_features
from storage.database.ledger import LedgerRepository
from storage.database.models import Stage
from storage.database.session import Database
from storage.database.stages import Claim, StageRepository
from storage.database.titles import TitleRepository
from storage.vectors.store import PointsMissingError, VectorStore

SLICE_TITLES = 64
# A worker that is killed is more often an operator's doing than a title's.
_LOST_LEASES_PER_ATTEMPT = 2
_log = Log("embedding")


@dataclass(slots=True)
class ChunkReport:
    """What became of one chunk. `passages` counts texts asked for, `encoded` those that the model really saw."""

    claimed: int = 0
    indexed: int = 0
    failed: int = 0
    released: int = 0
    passages: int = 0
    encoded: int = 0


@dataclass(frozen=True, slots=True)
class Models:
    """What the embedding worker encodes with."""

    text: TextEncoder
    lexical: LexicalEncoder
    recipes: RecipeSet


class EmbeddingService:
    """Works on chunks of one job. Preparing, encoding and writing overlap: one thread each."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        titles: TitleRepository,
        stages: StageRepository,
        ledger: LedgerRepository,
        generations: GenerationService,
        store: VectorStore,
        models: Models,
        pictures: TitlePictureSource,
        follower: PictureFollower,
        owner: str,
    ) -> None:
        self._settings = settings
        self._database = database
        self._titles = titles
        self._stages = stages
        self._ledger = ledger
        self._generations = generations
        self._store = store
        self._models = models
        self._pictures = pictures
        self._follower = follower
        self._owner = owner
        self._layout = build_layout(settings, models.recipes)
        self._memo = PassageMemo()

    def ensure_generation(self) -> None:
        """Make sure that there is a collection for the vectors of our recipes."""
        self._generations.ensure(self._models.recipes, layout=self._layout, idle_s=self._settings.lease_s)

    def embed_chunk(self, job_id: uuid.UUID, slugs: Sequence[str], collection: str) -> ChunkReport:
        """Embed and index those of the titles that no one else works on."""
        if not self._generations.is_made_by(collection, self._models.recipes, layout=self._layout):
            # Vectors of two encoders must never meet: the titles wait for a worker of that collection's recipes.
            _log.warning(Event.CHUNK_PASSED_OVER, job_id=str(job_id), collection=collection, titles=len(slugs))
            self._generations.retire_abandoned(self._models.recipes, layout=self._layout, idle_s=self._settings.lease_s)
            return ChunkReport()
        started = time.monotonic()
        claims = self._stages.claim(job_id, slugs, owner=self._owner, lease_s=self._settings.lease_s)
        slugs = [claim.slug for claim in claims]
        leases = LeaseKeeper(self._stages, job_id, slugs, owner=self._owner, lease_s=self._settings.lease_s)
        run = _Run(job_id, collection, leases, ChunkReport(claimed=len(claims)))
        claims = self._give_up_killers(run, claims)
        slices = [claims[start : start + SLICE_TITLES] for start in range(0, len(claims), SLICE_TITLES)]
        with run.leases, ThreadPoolExecutor(1) as preparer, ThreadPoolExecutor(1) as writer:
            prepared = [preparer.submit(self._prepare, run, part) for part in slices]
            written = [
                self._encode_slice(run, part, coming, writer) for part, coming in zip(slices, prepared, strict=True)
            ]
            for part, writing in zip(slices, written, strict=True):
                if writing is not None:
                    self._await_write(run, part, writing)
        self._report(run, seconds=time.monotonic() - started)
        return run.report

    # One slice

    def _encode_slice(
        self, run: _Run, part: list[Claim], coming: Future[list[PreparedTitle]], writer: ThreadPoolExecutor
    ) -> Future[None] | None:
        """Encode while the writer stores the slice before; None if the slice failed and was dealt with."""
        try:
            prepared = coming.result()
            vectors = self._encode(run, prepared)
        except Exception as error:
            self._recover(run, part, error, stage=Stage.EMBED)
            return None
        return writer.submit(self._write, run, prepared, vectors)

    def _await_write(self, run: _Run, part: list[Claim], writing: Future[None]) -> None:
        try:
            writing.result()
        except Exception as error:
            self._recover(run, part, error, stage=Stage.INDEX)

    def _recover(self, run: _Run, part: list[Claim], error: Exception, *, stage: Stage) -> None:
        """A server was away: give the titles back. A title is at fault: find it, and let the others pass."""
        if isinstance(error, TransientError):
            self._release(run, [claim.slug for claim in part], reason=str(error))
        elif len(part) == 1:
            self._fail(run, part[0], error, stage=stage)
        else:
            for claim in part:
                self._work_alone(run, claim)

    def _release(self, run: _Run, slugs: list[str], *, reason: str) -> None:
        # It may be Postgres that was away: rows that are not given back wait until their lease ends anyway.
        patience_s = float(self._settings.lease_s)
        for attempt in stamina.retry_context(on=DependencyUnavailableError, attempts=None, timeout=patience_s):
            with attempt:
                self._stages.release(run.job_id, slugs, owner=self._owner, reason=reason)
        run.report.released += len(slugs)

    def _work_alone(self, run: _Run, claim: Claim) -> None:
        stage = Stage.EMBED
        try:
            prepared = self._prepare(run, [claim])
            vectors = self._encode(run, prepared)
            stage = Stage.INDEX
            self._write(run, prepared, vectors)
        except Exception as error:
            self._recover(run, [claim], error, stage=stage)

    def _fail(self, run: _Run, claim: Claim, error: Exception, *, stage: Stage) -> None:
        is_final = claim.attempts >= self._settings.max_attempts
        reason = f"{type(error).__name__}: {error}"
        self._stages.fail(
            run.job_id, claim.slug, stage=stage, reason=reason, attempts=claim.attempts, is_final=is_final
        )
        run.report.failed += 1
        _log.error(
            Event.TITLE_DEAD if is_final else Event.TITLE_FAILED, error=error, slug=claim.slug, stage=stage.value
        )

    def _give_up_killers(self, run: _Run, claims: list[Claim]) -> list[Claim]:
        """Titles whose workers vanished again and again without a word, alone in their chunk at last."""
        limit = _LOST_LEASES_PER_ATTEMPT * self._settings.max_attempts
        for claim in claims:
            if claim.attempts > limit:
                self._fail(run, claim, RuntimeError(f"its worker vanished {limit} times"), stage=Stage.EMBED)
        return [claim for claim in claims if claim.attempts <= limit]

    # The three steps

    def _prepare(self, run: _Run, part: Sequence[Claim]) -> list[PreparedTitle]:
        slugs = [claim.slug for claim in part]
        # Before the title's own point: what it hides or shows holds for its pictures, too.
        self._follower.follow(slugs)
        known = self._ledger.load(run.collection, slugs)
        with self._database.begin() as connection:
            titles = self._titles.load_in(connection, slugs)
            groups = self._pictures.load_groups_in(connection, slugs)
            keys = {key for title in titles.values() for key in collect_related_keys(title.document)}
            related = self._titles.find_names_by_ids(connection, sorted(keys))
        return [
            prepare_title(
                titles[slug],
                recipes=self._models.recipes,
                known=known.get(slug),
                related_titles=related,
                with_sparse=self._settings.enable_sparse_vectors,
                pictures=groups.get(slug),
            )
            for slug in slugs
        ]

    def _encode(self, run: _Run, prepared: Sequence[PreparedTitle]) -> list[Vectors]:
        wanted = [(number, name) for number, title in enumerate(prepared) for name in title.texts]
        texts = [text for number, name in wanted for text in prepared[number].texts[name]]
        vectors: list[Vectors] = [{} for _ in prepared]
        encoded = encode_unique(self._models.text, texts, memo=self._memo, token_budget=self._settings.token_budget)
        run.report.passages += encoded.total
        run.report.encoded += encoded.encoded
        position = 0
        for number, name in wanted:
            count = len(prepared[number].texts[name])
            vectors[number][name] = _average(encoded.dense[position : position + count])
            position += count
        self._encode_sparse(prepared, vectors)
        self._average_pictures(prepared, vectors)
        return vectors

    def _average_pictures(self, prepared: Sequence[PreparedTitle], vectors: Sequence[Vectors]) -> None:
        wanted = [one for title in prepared for group in title.pictures.values() for one in group]
        found = self._pictures.fetch(wanted)
        for number, title in enumerate(prepared):
            for name, group in title.pictures.items():
                vectors[number][name] = average_group(group, found)

    def _encode_sparse(self, prepared: Sequence[PreparedTitle], vectors: Sequence[Vectors]) -> None:
        lexical = [number for number, title in enumerate(prepared) if title.lexical_text]
        encoded = self._models.lexical.encode_passages([prepared[number].lexical_text or "" for number in lexical])
        for number, sparse in zip(lexical, encoded, strict=True):
            if len(sparse.indices):
                vectors[number][LEXICAL_VECTOR] = sparse
        for number, title in enumerate(prepared):
            if title.features:
                vectors[number][METADATA_VECTOR] = encode_features(title.features)

    def _write(self, run: _Run, prepared: Sequence[PreparedTitle], vectors: Sequence[Vectors]) -> None:
        if not run.leases.holds([title.title.slug for title in prepared]):
            # The lease ran out, and others have these titles now: what became of them is theirs to say.
            _log.warning(Event.CHUNK_PASSED_OVER, job_id=str(run.job_id), titles=len(prepared), reason="lease lost")
            return
        kept = [(title, made) for title, made in zip(prepared, vectors, strict=True) if not title.title.excluded]
        excluded = [title.title.slug for title in prepared if title.title.excluded]
        self._ledger.distrust(
            run.collection, {title.title.slug: title.touched for title, _ in kept if not title.is_new}
        )
        try:
            self._write_points(run.collection, kept, excluded)
        except PointsMissingError as error:
            # Qdrant has lost what the ledger says it holds: forget, so that the titles are written in full.
            self.ensure_generation()
            self._ledger.forget_now(run.collection, [title.title.slug for title, _ in kept])
            raise TransientError(f"points of {run.collection} are missing") from error
        with self._database.begin() as connection:
            outdated = self._ledger.record(connection, run.collection, [title.entry for title, _ in kept])
            self._ledger.forget(connection, run.collection, excluded)
            done = [title.title.slug for title in prepared if title.title.slug not in set(outdated)]
            self._stages.complete(connection, run.job_id, done)
        run.report.indexed += len(done)
        if outdated:
            self._release(run, outdated, reason="the document changed while it was embedded")

    def _write_points(
        self, collection: str, kept: Sequence[tuple[PreparedTitle, Vectors]], excluded: Sequence[str]
    ) -> None:
        points = [build_point(title, made) for title, made in kept if title.is_new]
        updates = [update for title, made in kept if not title.is_new for update in build_updates(title, made)]
        for attempt in stamina.retry_context(on=DependencyUnavailableError, attempts=6, timeout=20.0):
            with attempt:
                self._store.upsert(collection, points)
                self._store.apply(collection, updates)
                self._store.delete(collection, [point_id(slug) for slug in excluded])

    def _report(self, run: _Run, *, seconds: float) -> None:
        _log.info(Event.CHUNK_EMBEDDED, job_id=str(run.job_id), seconds=round(seconds, 3), **asdict(run.report))


@dataclass(frozen=True, slots=True)
class _Run:
    """One call of embed_chunk."""

    job_id: uuid.UUID
    collection: str
    leases: LeaseKeeper[str]
    report: ChunkReport


def _average(rows: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The unit vector in the middle of unit vectors, each with equal weight. Shape (n, d) -> (d,)."""
    if len(rows) == 1:
        return np.asarray(rows[0], dtype=np.float32)
    mean = rows.mean(axis=0)
    norm = float(np.linalg.norm(mean))
    return np.asarray(mean / norm if norm else mean, dtype=np.float32)
