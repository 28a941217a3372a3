"""Which generation answers: going live, swapping by hand, going back, and letting go of what is no longer needed.

Every step may be repeated after a crash. Postgres is the truth: searches read the live generation there, and Qdrant's
alias, for those who use Qdrant without us, follows it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from core.errors import ConflictError, NotFoundError
from core.identity import point_id
from core.log import Event, Log
from core.settings import Settings
from storage.database.copying import LedgerCopyRepository
from storage.database.generations import Generation, GenerationRepository
from storage.database.jobs import JobRepository
from storage.database.ledger import LedgerRepository
from storage.database.models import GenerationState
from storage.database.session import Connection, Database
from storage.database.snapshots import SnapshotRepository
from storage.vectors.administration import CollectionAdministration
from storage.vectors.store import VectorStore

# A generation that never was live may be swapped to only if it holds nearly all titles.
_STALE_SHARE_MAX = 0.1
_DELETE_POINTS = 1_000
# A generation that went out of service may be searched by those who have not read of it yet, for at least so long.
_GRACE_MIN_S = 60.0
_log = Log("generations")


@dataclass(frozen=True, slots=True)
class Swap:
    """What a swap by hand did: `stale` titles have changed since `collection` was written; `job_id` catches up."""

    collection: str
    previous: str | None
    stale: int
    recipes_changed: bool
    job_id: uuid.UUID


class GenerationSwitch:
    """Moves the alias and drops generations.

    `kept`: how many retired generations stay, of those that were live and of those that never were. `grace_s`: for so
    long after its retirement searches may still be under way in a generation.
    """

    def __init__(
        self,
        *,
        generations: GenerationRepository,
        copies: LedgerCopyRepository,
        ledger: LedgerRepository,
        jobs: JobRepository,
        snapshots: SnapshotRepository,
        store: VectorStore,
        administration: CollectionAdministration,
        alias: str,
        kept: int,
        grace_s: float,
    ) -> None:
        self._generations = generations
        self._copies = copies
        self._ledger = ledger
        self._jobs = jobs
        self._snapshots = snapshots
        self._store = store
        self._administration = administration
        self._alias = alias
        self._kept = kept
        self._grace_s = grace_s

    # Going live

    @contextmanager
    def going_live(self, collection: str, *, withdraws: bool = False) -> Iterator[Connection]:
        """Move the alias in one step; what the `with` block writes is stored with it or not at all.

        Qdrant first: Postgres then says what the alias already shows. Dying in between is mended by `mend_alias`.
        """
        with self._generations.deciding() as connection:
            if self._get(self._generations.list_in(connection, self._alias), collection).is_dropped:
                raise ConflictError(f"{collection} has been dropped")
            self._store.swap_alias(self._alias, collection)
            self._generations.set_live_in(connection, collection, self._alias, withdraws=withdraws)
            yield connection
        _log.info(Event.ALIAS_SWAPPED, alias=self._alias, collection=collection)

    def mend_alias(self) -> None:
        """The alias shows what Postgres says, if a swap died half-way."""
        with self._generations.deciding() as connection:
            live = _find_live(self._generations.list_in(connection, self._alias))
            if live is not None and self._store.get_alias_target(self._alias) not in (None, live.collection):
                self._store.swap_alias(self._alias, live.collection)
                _log.warning(Event.ALIAS_SWAPPED, alias=self._alias, collection=live.collection, reason="mended")

    # By hand

    def swap(self, collection: str, *, force: bool = False) -> Swap:
        """Make a retired generation live, and a job that brings it up to date.

        Points that must not be seen any more leave it first. Raises NotFoundError, and ConflictError if it cannot
        answer searches; `force` takes one that was never live and lacks many titles.
        """
        known = self._generations.list_all(self._alias)
        generation = self._get(known, collection)
        stale = self._check_ready(generation, force=force)
        live = _find_live(known)
        self._hide(collection)
        with self.going_live(collection, withdraws=True) as connection:
            reason = f"catches up after a swap from {live.collection if live else 'nothing'}"
            job_id = self._jobs.create_in(connection, "index", {"reason": reason})
            self._jobs.set_collection(connection, job_id, collection)
        changed = live is not None and live.recipes.fingerprint != generation.recipes.fingerprint
        return Swap(collection, live.collection if live else None, stale, changed, job_id)

    def rollback(self) -> Swap:
        """Make the generation live that was made before the live one, was live, and is still kept."""
        known = self._generations.list_all(self._alias)
        live, present = _find_live(known), self._administration.list_names()
        if live is None:
            raise ConflictError("nothing is live yet")
        older = known[known.index(live) + 1 :]
        for one in older:
            if one.state is GenerationState.RETIRED and one.live_at is not None and one.collection in present:
                return self.swap(one.collection)
        raise ConflictError(f"no generation older than {live.collection} is kept (setting GENERATIONS_KEPT)")

    def _check_ready(self, generation: Generation, *, force: bool) -> int:
        """How many titles are stale in it. Raises ConflictError unless searches can be answered from it."""
        name = generation.collection
        if generation.state is not GenerationState.RETIRED:
            raise ConflictError(f"{name} is {generation.state}: only a retired generation can be swapped to")
        if name not in self._administration.list_names():
            raise ConflictError(f"Qdrant has no collection {name} any more")
        listed = self._ledger.count(name)
        if listed == 0:
            raise ConflictError(f"{name} holds no title that is accounted for: it was never filled")
        stale = self._copies.count_stale(name)
        if generation.live_at is None and not force and stale > _STALE_SHARE_MAX * (listed + stale):
            raise ConflictError(
                f"{name} was never live and lacks {stale} titles as they are now; force takes it anyway"
            )
        return stale

    def _hide(self, collection: str) -> None:
        """Titles excluded since, and such as are adult now, leave the collection before anybody searches in it."""
        hidden = self._copies.list_hidden_since(collection)
        for start in range(0, len(hidden), _DELETE_POINTS):
            part = hidden[start : start + _DELETE_POINTS]
            # The ledger first: a title that it does not list is written in full by the job that catches up.
            self._ledger.forget_now(collection, part)
            self._administration.delete_points(collection, [point_id(slug) for slug in part])

    # Letting go

    def drop(self, collection: str) -> None:
        """Delete a retired generation. Raises NotFoundError, and ConflictError while it may be needed."""
        generation = self._get(self._generations.list_all(self._alias), collection)
        if generation.state is GenerationState.LIVE:
            raise ConflictError(f"{collection} is live: swap to another generation first")
        if generation.state is GenerationState.BUILDING:
            raise ConflictError(f"{collection} is being built: cancel its job first")
        if (count := self._snapshots.count_of(collection)) > 0:
            raise ConflictError(f"{collection} has {count} snapshots, which would go with it: delete them first")
        if generation.live_at is not None and (wait_s := self._get_grace_left(generation)) > 0:
            raise ConflictError(f"searches may still be under way in {collection}: try again in {wait_s:.0f} s")
        self._drop(collection)

    def tidy(self) -> list[str]:
        """Give up what dead jobs left behind and drop what need not be kept; returns the names of what was dropped."""
        ownerless = self._generations.list_ownerless(self._alias)
        for collection in ownerless:
            self.give_up(collection, reason="the job that filled it ended before it was done")
        superfluous = self._find_superfluous(self._generations.list_all(self._alias))
        dropped = list(dict.fromkeys([*ownerless, *superfluous, *self._generations.list_undropped(self._alias)]))
        for collection in dropped:
            self._drop(collection)
        self.mend_alias()
        return dropped

    def give_up(self, collection: str, *, reason: str) -> None:
        """A generation that was building is not going to be live by itself."""
        with self._generations.deciding() as connection:
            self._generations.retire_in(connection, collection, message=reason)
        _log.warning(Event.GENERATION_GIVEN_UP, collection=collection, reason=reason)

    def _find_superfluous(self, known: Sequence[Generation]) -> list[str]:
        """Retired generations beyond those that are kept. Attempts at other recipes stay: a worker may go on."""
        retired = sorted(
            (one for one in known if one.state is GenerationState.RETIRED and one.retired_at is not None),
            key=lambda one: one.retired_at or datetime.min.replace(tzinfo=UTC),
            reverse=True,
        )
        were_live = [one for one in retired if one.live_at is not None]
        never_live = [one for one in retired if one.live_at is None and one.job_id is not None]
        beyond = [*were_live[self._kept :], *never_live[self._kept :]]
        return [
            one.collection
            for one in beyond
            if self._get_grace_left(one) <= 0 and self._snapshots.count_of(one.collection) == 0
        ]

    def _drop(self, collection: str) -> None:
        with self._generations.deciding() as connection:
            if not self._generations.set_dropped_in(connection, collection):
                raise ConflictError(f"{collection} is in use again")
        self._administration.drop(collection)
        self._generations.finish_drop(collection)
        _log.info(Event.GENERATION_DROPPED, collection=collection)

    def _get_grace_left(self, generation: Generation) -> float:
        retired_at = generation.retired_at or generation.created_at
        age_s = (datetime.now(UTC) - retired_at).total_seconds() if retired_at else self._grace_s
        return self._grace_s - age_s

    @staticmethod
    def _get(known: Sequence[Generation], collection: str) -> Generation:
        found = next((one for one in known if one.collection == collection), None)
        if found is None:
            raise NotFoundError("generation", collection)
        return found


def _find_live(known: Sequence[Generation]) -> Generation | None:
    return next((one for one in known if one.state is GenerationState.LIVE), None)


def build_generation_switch(settings: Settings, database: Database, store: VectorStore) -> GenerationSwitch:
    """The switch over these servers."""
    return GenerationSwitch(
        generations=GenerationRepository(database),
        copies=LedgerCopyRepository(database),
        ledger=LedgerRepository(database),
        jobs=JobRepository(database),
        snapshots=SnapshotRepository(database),
        store=store,
        administration=CollectionAdministration(settings, store),
        alias=settings.qdrant_collection_name,
        kept=settings.generations_kept,
        # A search reads the live generation, waits for its query vector, and asks Qdrant in a few steps.
        grace_s=max(_GRACE_MIN_S, settings.query_deadline_s + 4 * settings.qdrant_timeout_s),
    )
