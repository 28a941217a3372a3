"""Embed a chunk of pictures: claim, compare with the ledger, encode what is new, write, record.

As with titles, a process that dies anywhere leaves leases that run out, and the same points are written again to the
same ids. Equal contents are encoded once; a picture of which only the description changed is not encoded at all.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from functools import partial

import stamina

from core.errors import DependencyUnavailableError, NotFoundError, PermanentError, TransientError
from core.log import Event, Log
from core.settings import Settings
from indexing.leases import LeaseKeeper
from indexing.pictures.generations import PictureGenerationService
from indexing.pictures.planning import ChunkPlan, Task, Work, plan_chunk
from indexing.pictures.stored import VectorSource
from indexing.pictures.writing import PictureChanges, PicturePointWriter, Vector
from storage.database.downloads import DownloadRepository
from storage.database.picture_ledger import PictureLedgerRepository
from storage.database.picture_rows import PictureClaim, PictureRowRepository
from storage.database.pictures import PictureRepository, PictureRow
from storage.database.session import Connection, Database

_SLICE = 64
# A worker that is killed is more often an operator's doing than a picture's.
_LOST_LEASES_PER_ATTEMPT = 2
_log = Log("pictures")


@dataclass(slots=True)
class PictureReport:
    """What became of one chunk. `encoded` counts contents that the encoder really saw, the others pictures."""

    claimed: int = 0
    written: int = 0
    encoded: int = 0
    payloads: int = 0
    removed: int = 0
    failed: int = 0
    released: int = 0

    def add(self, other: PictureReport) -> None:
        """Count the other one's numbers, too."""
        for one in fields(other):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))


@dataclass(frozen=True, slots=True)
class PictureTables:
    """The repositories of the embedding of pictures."""

    pictures: PictureRepository
    rows: PictureRowRepository
    ledger: PictureLedgerRepository
    downloads: DownloadRepository


@dataclass(frozen=True, slots=True)
class _Run:
    """One call of embed_chunk."""

    job_id: uuid.UUID
    collection: str
    leases: LeaseKeeper[uuid.UUID]
    report: PictureReport


class PictureEmbeddingService:
    """Works on chunks of one job. Reading, decoding, encoding and writing overlap."""

    def __init__(
        self,
        settings: Settings,
        *,
        database: Database,
        tables: PictureTables,
        generations: PictureGenerationService,
        writer: PicturePointWriter,
        source: VectorSource,
        owner: str,
    ) -> None:
        self._settings = settings
        self._database = database
        self._tables = tables
        self._generations = generations
        self._writer = writer
        self._source = source
        self._owner = owner

    def ensure_generation(self) -> None:
        """Make sure that there is a collection for the vectors of our encoder."""
        self._generations.ensure(self._source.recipe, idle_s=self._settings.lease_s)

    def embed_chunk(self, job_id: uuid.UUID, ids: Sequence[uuid.UUID], collection: str) -> PictureReport:
        """Embed and index those of the pictures that no one else works on."""
        if not self._generations.is_made_by(collection, self._source.recipe):
            # Vectors of two encoders must never meet: the pictures wait for a worker of that collection's encoder.
            _log.warning(Event.CHUNK_PASSED_OVER, job_id=str(job_id), collection=collection, pictures=len(ids))
            self._generations.retire_abandoned(self._source.recipe, idle_s=self._settings.lease_s)
            return PictureReport()
        started = time.monotonic()
        claims = self._tables.rows.claim(job_id, ids, owner=self._owner, lease_s=self._settings.lease_s)
        keys = [claim.id for claim in claims]
        leases = LeaseKeeper(self._tables.rows, job_id, keys, owner=self._owner, lease_s=self._settings.lease_s)
        run = _Run(job_id, collection, leases, PictureReport(claimed=len(claims)))
        with leases:
            self._work(run, self._give_up_killers(run, claims))
        seconds = round(time.monotonic() - started, 3)
        _log.info(Event.CHUNK_EMBEDDED, job_id=str(job_id), kind="pictures", seconds=seconds, **asdict(run.report))
        return run.report

    def _work(self, run: _Run, claims: list[PictureClaim]) -> None:
        try:
            plan = self._plan(run, claims)
        except TransientError as error:
            self._release(run.job_id, claims, reason=str(error))
            run.report.released += len(claims)
            return
        for start in range(0, len(plan.cheap), _SLICE):
            run.report.add(self._write(run, [(work, None) for work in plan.cheap[start : start + _SLICE]]))
        self._encode_and_write(run, plan)

    def _plan(self, run: _Run, claims: list[PictureClaim]) -> ChunkPlan:
        ids = [claim.id for claim in claims]
        # The ledger first: what is written in between is then written once more, and never left out.
        known = self._tables.ledger.load(run.collection, ids)
        return plan_chunk(claims, pictures=self._tables.pictures.load(ids), known=known)

    def _give_up_killers(self, run: _Run, claims: list[PictureClaim]) -> list[PictureClaim]:
        """Pictures whose workers vanished again and again without a word, alone in their chunk at last."""
        limit = _LOST_LEASES_PER_ATTEMPT * self._settings.max_attempts
        for claim in claims:
            if claim.attempts > limit:
                self._tables.rows.fail(run.job_id, claim, reason=f"its worker vanished {limit} times", is_final=True)
                run.report.failed += 1
        return [claim for claim in claims if claim.attempts <= limit]

    # Encoding

    def _encode_and_write(self, run: _Run, plan: ChunkPlan) -> None:
        """Encode while the writer stores the slice before."""
        written: list[Future[PictureReport]] = []
        waiting: list[tuple[Work, Vector | None]] = []
        with ThreadPoolExecutor(1) as writer:
            for sha256, made in self._encode(run, list(plan.by_content)):
                if isinstance(made, Exception):
                    run.report.add(self._recover(run, plan.by_content[sha256], made))
                    continue
                waiting += [(work, made) for work in plan.by_content[sha256]]
                if len(waiting) >= _SLICE:
                    run.leases.step()
                    written.append(writer.submit(self._write, run, waiting))
                    waiting = []
            written.append(writer.submit(self._write, run, waiting))
        for writing in written:
            run.report.add(writing.result())

    def _encode(self, run: _Run, contents: list[str]) -> Iterator[tuple[str, Vector | Exception]]:
        """For each content its vector, or its error. An error of the encoder is that of all that wait for it: when they
        come again, they come in ever smaller company, until the one that is at fault is alone.
        """
        left = set(contents)
        try:
            for made in self._source.iterate(run.collection, contents):
                left.discard(made.sha256)
                run.report.encoded += made.is_new
                yield made.sha256, made.outcome
        except Exception as error:
            for sha256 in sorted(left):
                yield sha256, error

    # Writing

    def _write(self, run: _Run, part: Sequence[tuple[Work, Vector | None]]) -> PictureReport:
        """Write a slice. If one of it is at fault, it is found, and the others pass."""
        if not part:
            return PictureReport()
        try:
            return self._write_together(run, part)
        except Exception as error:
            works = [work for work, _ in part]
            if isinstance(error, TransientError) or len(part) == 1:
                return self._recover(run, works, error)
        report = PictureReport()
        for one in part:
            report.add(self._write(run, [one]))
        return report

    def _write_together(self, run: _Run, part: Sequence[tuple[Work, Vector | None]]) -> PictureReport:
        claims = {work.claim.id: work.claim for work, _ in part}
        if not run.leases.holds(list(claims)):
            # The lease ran out, and others have these pictures now: what became of them is theirs to say.
            _log.warning(Event.CHUNK_PASSED_OVER, job_id=str(run.job_id), pictures=len(part), reason="lease lost")
            return PictureReport()
        changes = _collect_changes(part)
        outdated = self._writer.write(run.collection, changes, then=partial(self._complete, run, list(claims)))
        if outdated:
            reason = "the picture changed while it was embedded"
            self._release(run.job_id, [claims[one] for one in outdated], reason=reason)
        return PictureReport(
            written=len(changes.full),
            payloads=len(changes.payloads),
            removed=len(changes.removed),
            released=len(outdated),
        )

    def _complete(self, run: _Run, ids: list[uuid.UUID], connection: Connection, outdated: Sequence[uuid.UUID]) -> None:
        self._tables.rows.complete(connection, run.job_id, [one for one in ids if one not in set(outdated)])

    # Failing

    def _recover(self, run: _Run, works: Sequence[Work], error: Exception) -> PictureReport:
        """A server was away: give the pictures back. A file is missing: have it fetched again. Else: a failure."""
        if isinstance(error, TransientError):
            self._release(run.job_id, [work.claim for work in works], reason=str(error))
            return PictureReport(released=len(works))
        if isinstance(error, NotFoundError):
            self._want_again(run, works)
        else:
            for work in works:
                self._fail(run, work, error)
        return PictureReport(failed=len(works))

    def _fail(self, run: _Run, work: Work, error: Exception) -> None:
        is_final = isinstance(error, PermanentError) or work.claim.attempts >= self._settings.max_attempts
        reason = f"{type(error).__name__}: {error}"
        self._tables.rows.fail(run.job_id, work.claim, reason=reason, is_final=is_final)
        event = Event.PICTURE_DEAD if is_final else Event.PICTURE_FAILED
        _log.error(event, error=error, picture=str(work.claim.id), sha256=work.picture and work.picture.sha256)

    def _want_again(self, run: _Run, works: Sequence[Work]) -> None:
        """The media store has lost the content: its address is to be downloaded again, and this is no secret."""
        reason = "its file is missing from the media store: download it again, or index it again if it was uploaded"
        with self._database.begin() as connection:
            lost = sorted({work.picture.sha256 for work in works if work.picture and work.picture.sha256})
            for work in works:
                self._tables.rows.fail_in(connection, run.job_id, work.claim, reason=reason, is_final=True)
            self._tables.pictures.detach(connection, [work.claim.id for work in works], lost=lost)
            self._tables.downloads.want_again(connection, lost)
        _log.error(Event.PICTURE_DEAD, reason=reason, pictures=len(works), sha256=lost)

    def _release(self, job_id: uuid.UUID, claims: Sequence[PictureClaim], *, reason: str) -> None:
        # It may be Postgres that was away: rows that are not given back wait until their lease ends anyway.
        patience_s = float(self._settings.lease_s)
        ids = [claim.id for claim in claims]
        for attempt in stamina.retry_context(on=DependencyUnavailableError, attempts=None, timeout=patience_s):
            with attempt:
                self._tables.rows.release(job_id, ids, owner=self._owner, reason=reason)


def _collect_changes(part: Sequence[tuple[Work, Vector | None]]) -> PictureChanges:
    full: list[tuple[PictureRow, Vector]] = []
    payloads: list[PictureRow] = []
    removed: list[uuid.UUID] = []
    for work, vector in part:
        if work.picture is not None and vector is not None:
            full.append((work.picture, vector))
        elif work.picture is not None and work.task is Task.PAYLOAD:
            payloads.append(work.picture)
        elif work.task is Task.REMOVAL:
            removed.append(work.claim.id)
    return PictureChanges(full, payloads, removed, frozenset(work.claim.id for work, _ in part if work.is_known))
