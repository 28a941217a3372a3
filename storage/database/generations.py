"""Generations: which collection holds the titles, made by which recipes, and which one is live."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from core.recipe import EmbeddingRecipe, RecipeSet
from storage.database.models import (
    GenerationState,
    JobState,
    Stage,
    embedding_ledger,
    generations,
    jobs,
    model_versions,
    stage_rows,
)
from storage.database.session import Database

_IN_USE = (GenerationState.BUILDING, GenerationState.LIVE)
_OPEN_JOBS = (JobState.PENDING, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class Generation:
    """One collection of titles with the recipes that filled it. `layout` is blank if it was never recorded.

    `job_id` names the job that alone fills it while it is building; `withdrawn` says that a person took it out of
    service, so that its recipes do not come back when one of their workers starts.
    """

    collection: str
    alias: str
    state: GenerationState
    recipes: RecipeSet
    layout: str = ""
    job_id: uuid.UUID | None = None
    withdrawn: bool = False
    message: str | None = None
    # Unknown to the call that made it, and no part of what it is.
    created_at: datetime | None = field(default=None, compare=False)
    live_at: datetime | None = field(default=None, compare=False)
    retired_at: datetime | None = field(default=None, compare=False)

    def fits(self, recipes: RecipeSet, layout: str) -> bool:
        """True if vectors of these recipes and this layout may be written to it."""
        return self.recipes.fingerprint == recipes.fingerprint and self.layout in ("", layout)

    @property
    def is_in_use(self) -> bool:
        """True if titles may be written to it: it is live, or being built."""
        return self.state in _IN_USE

    @property
    def is_dropped(self) -> bool:
        """True if its collection is gone, or about to be."""
        return self.state is GenerationState.DROPPED

    @property
    def is_shared(self) -> bool:
        """True if any job may choose it: it is in use, and no job fills it alone."""
        return self.state is GenerationState.LIVE or (self.is_in_use and self.job_id is None)


# Any number: whoever decides whether a generation is needed, or which one is live, holds this lock.
_CREATE_LOCK = 7_214_033


class GenerationRepository:
    """Reads and writes `generations` and `model_versions`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Reading

    def get_live(self, alias: str) -> Generation | None:
        """The generation that searches are answered from; None before the first one exists."""
        return next((one for one in self.list_all(alias) if one.state is GenerationState.LIVE), None)

    def list_all(self, alias: str) -> list[Generation]:
        """All generations of an alias, the newest first."""
        with self._database.begin() as connection:
            return self.list_in(connection, alias)

    def list_in(self, connection: Connection, alias: str) -> list[Generation]:
        """As `list_all`, within the caller's transaction."""
        query = select(generations).where(generations.c.alias == alias).order_by(generations.c.created_at.desc())
        rows = connection.execute(query).all()
        versions = {row.fingerprint: to_recipe(row) for row in connection.execute(select(model_versions))}
        return [_to_generation(row, versions) for row in rows]

    @contextmanager
    def deciding(self) -> Iterator[Connection]:
        """One transaction in which nobody else creates, swaps or drops a generation."""
        with self._database.begin() as connection:
            connection.execute(select(func.pg_advisory_xact_lock(_CREATE_LOCK)))
            yield connection

    # Creating

    def find_or_create(self, alias: str, recipes: RecipeSet, *, layout: str = "") -> tuple[Generation, bool]:
        """The generation of these recipes and this layout that is in use, and whether this call made it.

        One that was given up before it ever went live is taken up again: its ledger says what it holds. One that was
        withdrawn is returned as it is, retired: whoever withdrew it does not want another like it.
        One process at a time, so that workers that start together share one. Collections are numbered by alias.
        """
        with self.deciding() as connection:
            known = self.list_in(connection, alias)
            fitting = [one for one in known if one.fits(recipes, layout)]
            for one in fitting:
                if one.is_shared:
                    self._set_layout(connection, one.collection, layout)
                    return replace(one, layout=layout), False
            withdrawn = next((one for one in fitting if one.withdrawn), None)
            if withdrawn is not None:
                return withdrawn, False
            given_up = self._revive(connection, alias, recipes, layout=layout)
            if given_up is not None:
                return Generation(given_up, alias, GenerationState.BUILDING, recipes, layout), False
            collection = build_collection_name(alias, recipes, number=len(known) + 1)
            return self.create_in(connection, collection, alias=alias, recipes=recipes, layout=layout), True

    def _set_layout(self, connection: Connection, collection: str, layout: str) -> None:
        """A generation from before layouts were recorded has that of the first worker that uses it."""
        unknown = (generations.c.collection == collection, generations.c.layout == "")
        connection.execute(update(generations).where(*unknown).values(layout=layout))

    def _revive(self, connection: Connection, alias: str, recipes: RecipeSet, *, layout: str) -> str | None:
        """The newest of these recipes and this layout that never went live is building again, the newest of all."""
        newest = (
            select(generations.c.collection)
            .where(generations.c.alias == alias, generations.c.recipes_fingerprint == recipes.fingerprint)
            .where(generations.c.state == GenerationState.RETIRED, generations.c.live_at.is_(None))
            .where(generations.c.layout == layout, generations.c.job_id.is_(None))
            .order_by(generations.c.created_at.desc())
            .limit(1)
        )
        statement = (
            update(generations)
            .where(generations.c.collection == newest.scalar_subquery())
            .values(state=GenerationState.BUILDING, created_at=func.now(), retired_at=None)
            .returning(generations.c.collection)
        )
        return connection.execute(statement).scalar_one_or_none()

    def create(self, collection: str, *, alias: str, recipes: RecipeSet, layout: str = "") -> Generation:
        """Record a generation that is being built; the same call again changes nothing."""
        with self._database.begin() as connection:
            return self.create_in(connection, collection, alias=alias, recipes=recipes, layout=layout)

    def create_in(
        self,
        connection: Connection,
        collection: str,
        *,
        alias: str,
        recipes: RecipeSet,
        layout: str = "",
        job_id: uuid.UUID | None = None,
    ) -> Generation:
        """As `create`, in the caller's transaction. With `job_id` no other job writes to it while it is building."""
        members = {"text": recipes.text, "lexical": recipes.lexical, "metadata": recipes.metadata}
        if recipes.image is not None:
            members["image"] = recipes.image
        versions = [build_version_values(kind, recipe) for kind, recipe in members.items()]
        connection.execute(insert(model_versions).on_conflict_do_nothing(), versions)
        connection.execute(
            insert(generations)
            .values(
                collection=collection,
                alias=alias,
                state=GenerationState.BUILDING,
                recipes_fingerprint=recipes.fingerprint,
                layout=layout,
                job_id=job_id,
                **{f"{kind}_fingerprint": recipe.fingerprint for kind, recipe in members.items()},
            )
            .on_conflict_do_nothing()
        )
        return Generation(collection, alias, GenerationState.BUILDING, recipes, layout, job_id=job_id)

    # Changing

    def retire_abandoned(self, alias: str, *, idle_s: float) -> list[str]:
        """Give up generations that are building without a job that got on within `idle_s` seconds; returns their names.

        What they hold stays, and a worker of their recipes takes them up again. Those that belong to one job live and
        end with it.
        """
        recent = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, idle_s)
        works = (
            select(stage_rows.c.slug)
            .where(stage_rows.c.job_id == jobs.c.id, stage_rows.c.stage == Stage.EMBED)
            .where(or_(stage_rows.c.updated_at > recent, stage_rows.c.leased_until > func.now()))
            .exists()
        )
        written_to = (
            select(jobs.c.id)
            .where(jobs.c.collection == generations.c.collection, jobs.c.state.in_(_OPEN_JOBS))
            .where(or_(jobs.c.heartbeat_at > recent, works))
            .exists()
        )
        statement = (
            update(generations)
            .where(generations.c.alias == alias, generations.c.state == GenerationState.BUILDING, ~written_to)
            .where(generations.c.job_id.is_(None))
            .values(state=GenerationState.RETIRED, retired_at=func.now())
            .returning(generations.c.collection)
        )
        with self._database.begin() as connection:
            return list(connection.execute(statement).scalars())

    def set_live(self, collection: str, alias: str) -> None:
        """Record that the alias points at this collection now; the one before is retired."""
        with self._database.begin() as connection:
            self.set_live_in(connection, collection, alias)

    def set_live_in(self, connection: Connection, collection: str, alias: str, *, withdraws: bool = False) -> None:
        """As `set_live`, within the caller's transaction. `withdraws`: the one before must not come back by itself.

        That holds until the next time that a generation goes live.
        """
        connection.execute(update(generations).where(generations.c.alias == alias).values(withdrawn=False))
        connection.execute(
            update(generations)
            .where(generations.c.alias == alias, generations.c.state == GenerationState.LIVE)
            .where(generations.c.collection != collection)
            .values(state=GenerationState.RETIRED, retired_at=func.now(), withdrawn=withdraws)
        )
        connection.execute(
            update(generations)
            .where(generations.c.collection == collection)
            .values(state=GenerationState.LIVE, live_at=func.now(), retired_at=None, message=None)
        )

    def retire_in(self, connection: Connection, collection: str, *, message: str) -> None:
        """A generation that was building is given up; what it holds stays until it is dropped."""
        connection.execute(
            update(generations)
            .where(generations.c.collection == collection, generations.c.state == GenerationState.BUILDING)
            .values(state=GenerationState.RETIRED, retired_at=func.now(), message=message[:2_000])
        )

    def set_dropped_in(self, connection: Connection, collection: str) -> bool:
        """A retired generation is on its way out: from here on nobody can choose it. False if it is not retired."""
        out_of_use = generations.c.state.in_([GenerationState.RETIRED, GenerationState.DROPPED])
        statement = update(generations).where(generations.c.collection == collection, out_of_use)
        return connection.execute(statement.values(state=GenerationState.DROPPED)).rowcount > 0

    def list_ownerless(self, alias: str) -> list[str]:
        """Generations that one job was to fill and that are still building though that job has ended."""
        query = (
            select(generations.c.collection)
            .join(jobs, jobs.c.id == generations.c.job_id)
            .where(generations.c.alias == alias, generations.c.state == GenerationState.BUILDING)
            .where(jobs.c.state.not_in(_OPEN_JOBS))
        )
        with self._database.begin() as connection:
            return list(connection.execute(query).scalars())

    def list_undropped(self, alias: str) -> list[str]:
        """Generations on their way out whose collection may still be there."""
        query = select(generations.c.collection).where(
            generations.c.alias == alias,
            generations.c.state == GenerationState.DROPPED,
            generations.c.dropped_at.is_(None),
        )
        with self._database.begin() as connection:
            return list(connection.execute(query).scalars())

    def finish_drop(self, collection: str) -> None:
        """Qdrant has let go of the collection: what the ledger said of it goes too. The row stays, as its name does."""
        with self._database.begin() as connection:
            connection.execute(delete(embedding_ledger).where(embedding_ledger.c.collection == collection))
            connection.execute(
                update(generations).where(generations.c.collection == collection).values(dropped_at=func.now())
            )

    def set_indexing_held(self, collection: str, *, is_held: bool) -> None:
        """Record that Qdrant was told to build no graphs of this collection, or that it may again."""
        with self._database.begin() as connection:
            connection.execute(
                update(generations).where(generations.c.collection == collection).values(indexing_held=is_held)
            )

    def list_held_in_vain(self, alias: str, *, besides: uuid.UUID | None = None) -> list[str]:
        """Collections in use that are held back though no open job (`besides` this one) writes to them."""
        writers = (
            select(jobs.c.id)
            .where(jobs.c.collection == generations.c.collection, jobs.c.state.in_(_OPEN_JOBS))
            # The job that fills a generation alone writes to it before its rows exist.
            .where(or_(jobs.c.enqueued, jobs.c.id == generations.c.job_id))
            .where(jobs.c.id.is_distinct_from(besides))
        )
        query = (
            select(generations.c.collection)
            .where(generations.c.alias == alias, generations.c.indexing_held, ~writers.exists())
            .where(generations.c.state.in_(_IN_USE))
        )
        with self._database.begin() as connection:
            return list(connection.execute(query).scalars())


def build_collection_name(alias: str, recipes: RecipeSet, *, number: int) -> str:
    """Alias, recipes and a number that no other generation of the alias has."""
    return f"{alias}_{recipes.fingerprint}_{number:03d}"


def _to_generation(row: Row[Any], versions: dict[str, EmbeddingRecipe]) -> Generation:
    return Generation(
        collection=row.collection,
        alias=row.alias,
        state=GenerationState(row.state),
        recipes=RecipeSet(
            text=versions[row.text_fingerprint],
            lexical=versions[row.lexical_fingerprint],
            metadata=versions[row.metadata_fingerprint],
            image=versions[row.image_fingerprint] if row.image_fingerprint else None,
        ),
        layout=row.layout,
        job_id=row.job_id,
        withdrawn=row.withdrawn,
        message=row.message,
        created_at=row.created_at,
        live_at=row.live_at,
        retired_at=row.retired_at,
    )


def build_version_values(kind: str, recipe: EmbeddingRecipe) -> dict[str, Any]:
    """A row of `model_versions`."""
    return {
        "fingerprint": recipe.fingerprint,
        "kind": kind,
        "encoder": recipe.encoder,
        "revision": recipe.revision,
        "dimension": recipe.dimension,
        "template_version": recipe.template_version,
    }


def to_recipe(row: Row[Any]) -> EmbeddingRecipe:
    """The recipe of a row of `model_versions`."""
    return EmbeddingRecipe(row.encoder, row.revision, row.dimension, row.template_version)
