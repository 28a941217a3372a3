"""Generations: which collection holds the titles, made by which recipes, and which one is live."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from core.recipe import EmbeddingRecipe, RecipeSet
from storage.database.models import GenerationState, JobState, Stage, generations, jobs, model_versions, stage_rows
from storage.database.session import Database


@dataclass(frozen=True, slots=True)
class Generation:
    """One collection of titles with the recipes that filled it. `layout` is blank if it was never recorded."""

    collection: str
    alias: str
    state: GenerationState
    recipes: RecipeSet
    layout: str = ""

    def fits(self, recipes: RecipeSet, layout: str) -> bool:
        """True if vectors of these recipes and this layout may be written to it."""
        return self.recipes.fingerprint == recipes.fingerprint and self.layout in ("", layout)


# Any number: whoever decides whether a generation is needed holds this lock.
_CREATE_LOCK = 7_214_033


class GenerationRepository:
    """Reads and writes `generations` and `model_versions`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get_live(self, alias: str) -> Generation | None:
        """The generation that searches are answered from; None before the first one exists."""
        return next((one for one in self.list_all(alias) if one.state is GenerationState.LIVE), None)

    def find_or_create(self, alias: str, recipes: RecipeSet, *, layout: str = "") -> tuple[Generation, bool]:
        """The generation of these recipes and this layout that is not retired, and whether this call made it.

        One that was given up before it ever went live is taken up again: its ledger says what it holds.
        One process at a time, so that workers that start together share one. Collections are numbered by alias.
        """
        with self._database.begin() as connection:
            connection.execute(select(func.pg_advisory_xact_lock(_CREATE_LOCK)))
            known = self.list_all(alias)
            for one in known:
                if one.fits(recipes, layout) and one.state is not GenerationState.RETIRED:
                    self._set_layout(connection, one.collection, layout)
                    return replace(one, layout=layout), False
            given_up = self._revive(connection, alias, recipes, layout=layout)
            if given_up is not None:
                return Generation(given_up, alias, GenerationState.BUILDING, recipes, layout), False
            collection = f"{alias}_{recipes.fingerprint}_{len(known) + 1:03d}"
            return self.create(collection, alias=alias, recipes=recipes, layout=layout), True

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
            .where(generations.c.layout == layout)
            .order_by(generations.c.created_at.desc())
            .limit(1)
        )
        statement = (
            update(generations)
            .where(generations.c.collection == newest.scalar_subquery())
            .values(state=GenerationState.BUILDING, created_at=func.now())
            .returning(generations.c.collection)
        )
        return connection.execute(statement).scalar_one_or_none()

    def retire_abandoned(self, alias: str, *, idle_s: float) -> list[str]:
        """Give up generations that are building without a job that got on within `idle_s` seconds; returns their names.

        What they hold stays, and a worker of their recipes takes them up again.
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
            .where(
                jobs.c.collection == generations.c.collection, jobs.c.state.in_([JobState.PENDING, JobState.RUNNING])
            )
            .where(or_(jobs.c.heartbeat_at > recent, works))
            .exists()
        )
        statement = (
            update(generations)
            .where(generations.c.alias == alias, generations.c.state == GenerationState.BUILDING, ~written_to)
            .values(state=GenerationState.RETIRED)
            .returning(generations.c.collection)
        )
        with self._database.begin() as connection:
            return list(connection.execute(statement).scalars())

    def create(self, collection: str, *, alias: str, recipes: RecipeSet, layout: str = "") -> Generation:
        """Record a generation that is being built; the same call again changes nothing."""
        members = {"text": recipes.text, "lexical": recipes.lexical, "metadata": recipes.metadata}
        with self._database.begin() as connection:
            versions = [_version_values(kind, recipe) for kind, recipe in members.items()]
            connection.execute(insert(model_versions).on_conflict_do_nothing(), versions)
            connection.execute(
                insert(generations)
                .values(
                    collection=collection,
                    alias=alias,
                    state=GenerationState.BUILDING,
                    recipes_fingerprint=recipes.fingerprint,
                    layout=layout,
                    **{f"{kind}_fingerprint": recipe.fingerprint for kind, recipe in members.items()},
                )
                .on_conflict_do_nothing()
            )
        return Generation(collection, alias, GenerationState.BUILDING, recipes, layout)

    def set_live(self, collection: str, alias: str) -> None:
        """Record that the alias points at this collection now; the one before is retired."""
        with self._database.begin() as connection:
            connection.execute(
                update(generations)
                .where(generations.c.alias == alias, generations.c.state == GenerationState.LIVE)
                .where(generations.c.collection != collection)
                .values(state=GenerationState.RETIRED)
            )
            connection.execute(
                update(generations)
                .where(generations.c.collection == collection)
                .values(state=GenerationState.LIVE, live_at=func.now())
            )

    def set_indexing_held(self, collection: str, *, is_held: bool) -> None:
        """Record that Qdrant was told to build no graphs of this collection, or that it may again."""
        with self._database.begin() as connection:
            connection.execute(
                update(generations).where(generations.c.collection == collection).values(indexing_held=is_held)
            )

    def list_held_in_vain(self, alias: str, *, besides: uuid.UUID | None = None) -> list[str]:
        """Collections in use that are held back though no open job (`besides` this one) writes to them."""
        open_states = [JobState.PENDING, JobState.RUNNING]
        writers = (
            select(jobs.c.id)
            .where(jobs.c.collection == generations.c.collection, jobs.c.enqueued, jobs.c.state.in_(open_states))
            .where(jobs.c.id.is_distinct_from(besides))
        )
        query = (
            select(generations.c.collection)
            .where(generations.c.alias == alias, generations.c.indexing_held, ~writers.exists())
            .where(generations.c.state != GenerationState.RETIRED)
        )
        with self._database.begin() as connection:
            return list(connection.execute(query).scalars())

    def list_all(self, alias: str) -> list[Generation]:
        """All generations of an alias, the newest first."""
        query = select(generations).where(generations.c.alias == alias).order_by(generations.c.created_at.desc())
        with self._database.begin() as connection:
            rows = connection.execute(query).all()
            versions = {row.fingerprint: _to_recipe(row) for row in connection.execute(select(model_versions))}
        return [
            Generation(
                collection=row.collection,
                alias=row.alias,
                state=GenerationState(row.state),
                recipes=RecipeSet(
                    text=versions[row.text_fingerprint],
                    lexical=versions[row.lexical_fingerprint],
                    metadata=versions[row.metadata_fingerprint],
                ),
                layout=row.layout,
            )
            for row in rows
        ]


def _version_values(kind: str, recipe: EmbeddingRecipe) -> dict[str, Any]:
    return {
        "fingerprint": recipe.fingerprint,
        "kind": kind,
        "encoder": recipe.encoder,
        "revision": recipe.revision,
        "dimension": recipe.dimension,
        "template_version": recipe.template_version,
    }


def _to_recipe(row: Row[Any]) -> EmbeddingRecipe:
    return EmbeddingRecipe(row.encoder, row.revision, row.dimension, row.template_version)
