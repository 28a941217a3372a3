"""Vectors that a caller made himself, by the recipe of the live index.

A given vector stands in the ledger for the passage that its title has now, as a computed one would: it stays until that
text changes, and a reindex copies it. It is not kept in Postgres: where a point is written anew from its document
(other recipes, a collection that Qdrant has lost), it is computed again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qdrant_client import models

from core.errors import ConflictError
from core.identity import point_id
from core.settings import Settings
from indexing.chunks import ChunkSender
from indexing.pictures.titles import TitlePictureSource
from indexing.preparation import PreparedTitle, collect_related_keys, prepare_title
from storage.database.generations import Generation, GenerationRepository
from storage.database.jobs import Job, JobRepository
from storage.database.ledger import LedgerRepository
from storage.database.locks import LockService
from storage.database.models import GenerationState, JobState
from storage.database.picture_ledger import PictureLedgerRepository
from storage.database.session import Connection
from storage.database.stages import StageRepository
from storage.database.titles import TitleRepository
from storage.vectors.store import UPSERT_POINTS, VectorStore

KIND_VECTORS = "vectors"
_STAGE = "vectors"
_Vectors = Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A title that is up to date, and its vectors."""

    prepared: PreparedTitle
    vectors: _Vectors


class GivenVectorService:
    """The jobs of kind `vectors`: params {recipe, points: [{id: slug, vectors: {name: [...]}}]}, checked by the API."""

    def __init__(
        self,
        settings: Settings,
        *,
        repository: GenerationRepository,
        titles: TitleRepository,
        jobs: JobRepository,
        stages: StageRepository,
        ledger: LedgerRepository,
        picture_ledger: PictureLedgerRepository,
        locks: LockService,
        store: VectorStore,
        chunks: ChunkSender,
    ) -> None:
        self._settings = settings
        self._repository = repository
        self._titles = titles
        self._jobs = jobs
        self._stages = stages
        self._ledger = ledger
        self._picture_ledger = picture_ledger
        self._locks = locks
        self._store = store
        self._chunks = chunks

    def run(self, job: Job) -> None:
        """Bring the titles up to date first: a vector that is computed later would take the place of the given one."""
        live = self._get_live(job)
        slugs = [point["id"] for point in job.params["points"]]
        self._stages.enqueue_stale(job.id, live.collection, slugs=slugs)
        self._jobs.mark_enqueued(job.id, live.collection)
        self._chunks.send(job.id, live.collection)
        self.finish(self._jobs.get(job.id))

    def finish(self, job: Job) -> bool:
        """Write the vectors once nobody else works on the titles and no generation is being built."""
        with self._locks.try_hold(job.id) as lock:
            job = self._jobs.get(job.id)
            if lock is None or job.is_closed or not job.enqueued:
                return job.is_closed
            given = {point["id"]: point["vectors"] for point in job.params["points"]}
            if self._stages.count_open(job.id) or self._stages.count_leased(list(given)):
                return False
            live = self._get_live(job)
            if live.collection != job.collection:
                # Another generation of the same recipe went live: its titles have to be up to date, too.
                self.run_again(job, live, list(given))
                return False
            return self._write(job, live, given)

    def run_again(self, job: Job, live: Generation, slugs: Sequence[str]) -> None:
        """The job goes on in the generation that is live now."""
        self._stages.enqueue_stale(job.id, live.collection, slugs=slugs)
        self._jobs.mark_enqueued(job.id, live.collection)
        self._chunks.send(job.id, live.collection)

    def _get_live(self, job: Job) -> Generation:
        live = self._repository.get_live(self._settings.qdrant_collection_name)
        if live is None or live.recipes.text.fingerprint != job.params["recipe"]:
            made_by = "nothing" if live is None else live.recipes.text.fingerprint
            raise ConflictError(f"the live index is made by {made_by}, the vectors by {job.params['recipe']}")
        return live

    def _write(self, job: Job, live: Generation, given: Mapping[str, _Vectors]) -> bool:
        # Nobody begins a generation meanwhile, which would copy a point between the vector and its ledger row.
        with self._repository.deciding() as connection:
            known = self._repository.list_in(connection, live.alias)
            if any(one.state is GenerationState.BUILDING for one in known):
                return False
            accepted, refused = self._choose(connection, live, given)
            for start in range(0, len(accepted), UPSERT_POINTS):
                self._write_part(connection, live.collection, accepted[start : start + UPSERT_POINTS])
            for slug, reason in refused.items():
                self._jobs.add_dead_letter(connection, job.id, stage=_STAGE, reason=reason, detail={"id": slug})
        message = f"vectors of {len(accepted)} titles written"
        if refused:
            message += f", {len(refused)} in the dead letters"
        self._jobs.close(job.id, JobState.COMPLETED, message=message)
        return True

    def _choose(
        self, connection: Connection, live: Generation, given: Mapping[str, _Vectors]
    ) -> tuple[list[_Accepted], dict[str, str]]:
        titles = self._titles.load_in(connection, list(given))
        groups = self._get_pictures(live).load_groups_in(connection, list(given))
        known = self._ledger.load(live.collection, list(given))
        keys = {key for title in titles.values() for key in collect_related_keys(title.document)}
        related = self._titles.find_names_by_ids(connection, sorted(keys))
        accepted: list[_Accepted] = []
        refused = {slug: "there is no such title" for slug in given if slug not in titles}
        for slug, title in titles.items():
            prepared = prepare_title(
                title,
                recipes=live.recipes,
                known=known.get(slug),
                related_titles=related,
                with_sparse=self._settings.enable_sparse_vectors,
                pictures=groups.get(slug),
            )
            if (reason := _find_fault(prepared, given[slug], is_known=slug in known)) is not None:
                refused[slug] = reason
            else:
                accepted.append(_Accepted(prepared, given[slug]))
        return accepted, refused

    def _get_pictures(self, live: Generation) -> TitlePictureSource:
        return TitlePictureSource(self._settings, live.recipes.image, ledger=self._picture_ledger, store=self._store)

    def _write_part(self, connection: Connection, collection: str, part: Sequence[_Accepted]) -> None:
        self._ledger.distrust(collection, {one.prepared.title.slug: one.vectors for one in part})
        points = [
            models.PointVectors(id=point_id(one.prepared.title.slug), vector=_to_wire(one.vectors)) for one in part
        ]
        operation = models.UpdateVectorsOperation(update_vectors=models.UpdateVectors(points=points))
        self._store.apply(collection, [operation])
        self._ledger.record(connection, collection, [one.prepared.entry for one in part])


def _find_fault(prepared: PreparedTitle, vectors: _Vectors, *, is_known: bool) -> str | None:
    """Why the title cannot take its vectors, None if it can."""
    if prepared.title.excluded:
        return "the title is excluded"
    if not is_known:
        return "the title is not in the index: see the dead letters of its job"
    if without := sorted(set(vectors) - set(prepared.entry.passages)):
        return f"the title has no text for {', '.join(without)}, so the vector would go with its next change"
    if others := prepared.touched - set(vectors):
        return f"the title's {', '.join(sorted(others))} could not be brought up to date"
    return None


def _to_wire(vectors: _Vectors) -> dict[str, Any]:
    return {name: list(values) for name, values in vectors.items()}
