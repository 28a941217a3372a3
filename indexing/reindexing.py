"""A generation made anew beside the live one, by the same recipes: HNSW and quantization settings take effect that way.

Steps, each of which may be repeated: record the generation, copy what the ledger vouches for, index what is stale until
nothing is, have the graphs built, pass the gate, and move the alias together with a last look at what was written to
the old one meanwhile. Other jobs go on writing to the live collection until the alias has moved.
"""

from __future__ import annotations

from core.errors import ConflictError
from core.log import Event, Log
from core.settings import Settings
from indexing.chunks import ChunkSender, find_lost_titles
from indexing.copying import GenerationCopier
from indexing.gate import Gate, GateReport
from indexing.generations import GenerationService
from indexing.gold import GateError
from indexing.layout import build_layout
from storage.database.generations import Generation, GenerationRepository, build_collection_name
from storage.database.jobs import Job, JobRepository
from storage.database.ledger import LedgerRepository
from storage.database.locks import HeldLock, LockService
from storage.database.models import GenerationState, JobState
from storage.database.stages import StageRepository
from storage.switching import GenerationSwitch
from storage.vectors.administration import CollectionAdministration
from storage.vectors.store import VectorStore

KIND_REINDEX = "reindex"
_log = Log("reindex")


class ReindexService:
    """The jobs of kind `reindex`. One process at a time works on a job, by a lock."""

    def __init__(
        self,
        settings: Settings,
        *,
        repository: GenerationRepository,
        generations: GenerationService,
        switch: GenerationSwitch,
        copier: GenerationCopier,
        gate: Gate,
        jobs: JobRepository,
        stages: StageRepository,
        ledger: LedgerRepository,
        locks: LockService,
        store: VectorStore,
        administration: CollectionAdministration,
        chunks: ChunkSender,
    ) -> None:
        self._settings = settings
        self._repository = repository
        self._generations = generations
        self._switch = switch
        self._copier = copier
        self._gate = gate
        self._jobs = jobs
        self._stages = stages
        self._ledger = ledger
        self._locks = locks
        self._store = store
        self._administration = administration
        self._chunks = chunks

    def run(self, job: Job) -> None:
        """Make the generation and fill it with what can be copied. Raises ConflictError if that cannot be."""
        with self._locks.try_hold(job.id) as lock:
            if lock is not None:
                self._fill(job, lock)
        self.finish(job)

    def finish(self, job: Job) -> bool:
        """Get on as far as possible without waiting; True once the job is closed."""
        with self._locks.try_hold(job.id) as lock:
            if lock is None:
                return False
            job = self._jobs.get(job.id)
            if job.is_closed or not job.enqueued or job.collection is None:
                return job.is_closed
            generation = self._generations.get(job.collection)
            if generation is None or not generation.is_in_use:
                return self._end_without(job, generation)
            if generation.state is GenerationState.LIVE:
                return self._stages.count_open(job.id) == 0 and self._close(job)
            return self._is_caught_up(job, generation) and self._judge(job, generation)

    # Filling

    def _fill(self, job: Job, lock: HeldLock) -> None:
        job = self._jobs.get(job.id)
        if job.is_closed or job.enqueued:
            return
        generation = self._find_or_begin(job)
        live = self._get_live(generation)
        if self._ledger.count(generation.collection) == 0:
            # Nothing is vouched for yet: what an older installation left under this name must not show up in searches.
            self._administration.drop(generation.collection)
        self._generations.ensure_collection(generation)
        self._generations.hold_indexing(generation.collection)
        copied = self._copier.copy(job.id, live, generation, lock=lock)
        _log.info(Event.REINDEX_COPIED, job_id=str(job.id), collection=generation.collection, titles=copied)
        self._stages.enqueue_stale(job.id, generation.collection)
        self._jobs.mark_enqueued(job.id, generation.collection)
        self._chunks.send(job.id, generation.collection)

    def _find_or_begin(self, job: Job) -> Generation:
        """The generation of this job; a new one is recorded together with the job, or not at all."""
        if job.collection is not None:
            begun = self._generations.get(job.collection)
            if begun is None or begun.state is not GenerationState.BUILDING:
                raise ConflictError(f"{job.collection} was given up before it was filled")
            return begun
        with self._repository.deciding() as connection:
            known = self._repository.list_in(connection, self._settings.qdrant_collection_name)
            live = next((one for one in known if one.state is GenerationState.LIVE), None)
            building = next((one for one in known if one.state is GenerationState.BUILDING), None)
            if live is None:
                raise ConflictError("nothing is live yet: there is nothing to make anew")
            if building is not None:
                raise ConflictError(f"{building.collection} is being built already")
            created = self._repository.create_in(
                connection,
                build_collection_name(live.alias, live.recipes, number=len(known) + 1),
                alias=live.alias,
                recipes=live.recipes,
                layout=build_layout(self._settings, live.recipes),
                job_id=job.id,
            )
            self._jobs.set_collection(connection, job.id, created.collection)
        _log.info(Event.GENERATION_CREATED, collection=created.collection, encoder=live.recipes.text.encoder)
        return created

    def _get_live(self, generation: Generation) -> Generation:
        live = self._generations.get_live()
        if live is None or live.recipes.fingerprint != generation.recipes.fingerprint:
            raise ConflictError("a generation of other recipes went live meanwhile")
        return live

    # Getting on

    def _is_caught_up(self, job: Job, generation: Generation) -> bool:
        """True if nothing is open and no title is stale, but for those in the dead letters."""
        if self._stages.count_open(job.id):
            return False
        self._stages.enqueue_stale(job.id, generation.collection)
        lost = find_lost_titles(self._ledger, self._store, generation.collection)
        if lost:
            self._ledger.forget_now(generation.collection, lost)
            self._stages.reopen(job.id, lost)
        if self._stages.count_open(job.id):
            self._chunks.send(job.id, generation.collection)
            return False
        return True

    def _judge(self, job: Job, generation: Generation) -> bool:
        """Graphs, gate and alias. False while the graphs are being built: the reconciler comes back."""
        self._generations.resume_indexing(besides=job.id)
        if job.params.get("wait_for_gate", True) and not self._has_graphs(generation):
            self._jobs.beat(job.id)
            return False
        try:
            report = self._pass_gate(job, generation)
        except (ConflictError, GateError) as error:
            return self._give_up(job, generation, reason=str(error))
        if not job.params.get("swap", True):
            return self._stand_by(job, generation, report)
        # Measuring takes a while: what was written meanwhile is caught up with first.
        if not self._is_caught_up(job, generation) or not self._jobs.beat(job.id):
            return False
        with self._switch.going_live(generation.collection) as connection:
            # What was written to the old one until now. What is written from now on is its own jobs' to bring here.
            self._stages.enqueue_stale_in(connection, job.id, generation.collection)
        return self._chunks.send(job.id, generation.collection) == 0 and self._close(job)

    def _pass_gate(self, job: Job, generation: Generation) -> GateReport:
        """Raises GateError if the generation must not go live, ConflictError if it is not wanted any more."""
        live = self._get_live(generation)
        report = self._gate.check(live, generation, measures=job.params.get("wait_for_gate", True))
        _log.info(Event.REINDEX_GATE, job_id=str(job.id), collection=generation.collection, **report.to_json())
        if not report.passed:
            raise GateError(f"the gate was not passed: {'; '.join(report.faults)}")
        return report

    def _has_graphs(self, generation: Generation) -> bool:
        state = self._store.get_state(generation.collection)
        return state is not None and state.is_optimised

    # Ending

    def _give_up(self, job: Job, generation: Generation, *, reason: str) -> bool:
        """The generation is kept for a while to be looked into; searches never knew of it."""
        self._switch.give_up(generation.collection, reason=reason)
        self._jobs.close(job.id, JobState.FAILED, message=reason[:2_000])
        return True

    def _stand_by(self, job: Job, generation: Generation, report: GateReport) -> bool:
        message = f"stands by with {report.titles} titles: swap to {generation.collection} when you like"
        self._switch.give_up(generation.collection, reason=message)
        self._jobs.close(job.id, JobState.COMPLETED, message=message)
        return True

    def _end_without(self, job: Job, generation: Generation | None) -> bool:
        """The generation left service under the job: it was rolled back, swapped away from, or given up."""
        was_live = generation is not None and generation.live_at is not None
        state, message = JobState.FAILED, f"{job.collection} was given up"
        if was_live:
            state, message = JobState.COMPLETED, f"{job.collection} went live and was retired again"
        self._jobs.close(job.id, state, message=message)
        return True

    def _close(self, job: Job) -> bool:
        dead = self._jobs.get_progress(job).dead_letters
        message = f"{job.collection} is live" + (f"; {dead} in the dead letters" if dead else "")
        if self._jobs.close(job.id, JobState.COMPLETED, message=message):
            _log.info(Event.JOB_FINISHED, job_id=str(job.id), dead_letters=dead, collection=job.collection)
        return True
