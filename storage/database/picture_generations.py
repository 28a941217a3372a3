"""Collections of pictures: one for each picture encoder, named after its recipe, and which one is live."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from core.recipe import EmbeddingRecipe
from storage.database.generations import build_version_values, to_recipe
from storage.database.models import (
    GenerationState,
    generations,
    model_versions,
    picture_generations,
    picture_ledger,
)
from storage.database.session import Database

_IN_USE = (GenerationState.BUILDING, GenerationState.LIVE)
# Any number: whoever decides about collections of pictures holds this lock.
_DECIDE_LOCK = 7_214_034


@dataclass(frozen=True, slots=True)
class PictureGeneration:
    """One collection of pictures with the recipe of its vectors."""

    collection: str
    alias: str
    state: GenerationState
    recipe: EmbeddingRecipe
    created_at: datetime
    live_at: datetime | None
    retired_at: datetime | None

    @property
    def is_in_use(self) -> bool:
        """True if pictures may be written to it: it is live, or being built."""
        return self.state in _IN_USE


class PictureGenerationRepository:
    """Reads and writes `picture_generations`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_all(self, alias: str) -> list[PictureGeneration]:
        """All of an alias that were not dropped, the newest first."""
        with self._database.begin() as connection:
            return self.list_in(connection, alias)

    def list_in(self, connection: Connection, alias: str) -> list[PictureGeneration]:
        """As `list_all`, within the caller's transaction."""
        query = (
            select(picture_generations, model_versions)
            .join(model_versions, model_versions.c.fingerprint == picture_generations.c.image_fingerprint)
            .where(picture_generations.c.alias == alias)
            .where(picture_generations.c.state != GenerationState.DROPPED)
            .order_by(picture_generations.c.created_at.desc())
        )
        return [_to_generation(row) for row in connection.execute(query)]

    def get_live(self, alias: str) -> PictureGeneration | None:
        """The one that searches by picture are answered from; None before the first one exists."""
        return next((one for one in self.list_all(alias) if one.state is GenerationState.LIVE), None)

    def get(self, alias: str, collection: str) -> PictureGeneration | None:
        """The one of this name, None if there is none."""
        return next((one for one in self.list_all(alias) if one.collection == collection), None)

    @contextmanager
    def deciding(self) -> Iterator[Connection]:
        """One transaction in which nobody else creates, swaps or drops a collection of pictures."""
        with self._database.begin() as connection:
            connection.execute(select(func.pg_advisory_xact_lock(_DECIDE_LOCK)))
            yield connection

    def find_or_create(self, alias: str, recipe: EmbeddingRecipe) -> tuple[PictureGeneration, bool]:
        """The collection of this recipe, in use, and whether this call made it or took it up again.

        One that was retired comes back with what it holds: its ledger knows. It is then the newest.
        """
        collection = build_pictures_collection_name(alias, recipe)
        with self.deciding() as connection:
            known = {one.collection: one for one in self.list_in(connection, alias)}
            if collection in known and known[collection].is_in_use:
                return known[collection], False
            connection.execute(insert(model_versions).on_conflict_do_nothing(), [build_version_values("image", recipe)])
            statement = insert(picture_generations).values(
                collection=collection,
                alias=alias,
                state=GenerationState.BUILDING,
                image_fingerprint=recipe.fingerprint,
            )
            again = {"state": GenerationState.BUILDING, "created_at": func.now(), "retired_at": None}
            connection.execute(statement.on_conflict_do_update(index_elements=["collection"], set_=again))
            return next(one for one in self.list_in(connection, alias) if one.collection == collection), True

    def set_live_in(self, connection: Connection, collection: str, alias: str) -> None:
        """Record that the alias points at this collection now; the one before is retired."""
        is_other = picture_generations.c.collection != collection
        connection.execute(
            update(picture_generations)
            .where(picture_generations.c.alias == alias, is_other)
            .where(picture_generations.c.state == GenerationState.LIVE)
            .values(state=GenerationState.RETIRED, retired_at=func.now())
        )
        connection.execute(
            update(picture_generations)
            .where(picture_generations.c.collection == collection)
            .values(state=GenerationState.LIVE, live_at=func.now(), retired_at=None)
        )

    def retire_abandoned(self, alias: str, *, idle_s: float) -> list[str]:
        """Give up collections that are building without a job that got on within `idle_s` seconds; returns their names.

        What they hold stays, and a worker of their recipe takes them up again.
        """
        with self._database.begin() as connection:
            return list(connection.execute(_RETIRE_ABANDONED, {"alias": alias, "idle_s": idle_s}).scalars())

    def list_needless(self, alias: str, *, grace_s: float) -> list[str]:
        """Collections retired for so long whose encoder no generation of titles uses or may return to."""
        used = (
            select(generations.c.collection)
            .where(generations.c.image_fingerprint == picture_generations.c.image_fingerprint)
            .where(generations.c.state != GenerationState.DROPPED)
        )
        query = select(picture_generations.c.collection).where(
            picture_generations.c.alias == alias,
            picture_generations.c.state == GenerationState.RETIRED,
            picture_generations.c.retired_at < func.now() - func.make_interval(0, 0, 0, 0, 0, 0, grace_s),
            ~used.exists(),
        )
        with self._database.begin() as connection:
            return list(connection.execute(query).scalars())

    def set_dropped_in(self, connection: Connection, collection: str) -> None:
        """It is gone, and what its ledger said goes with it. Made anew, it begins empty."""
        connection.execute(delete(picture_ledger).where(picture_ledger.c.collection == collection))
        connection.execute(
            update(picture_generations)
            .where(picture_generations.c.collection == collection)
            .values(state=GenerationState.DROPPED, retired_at=func.now())
        )


_RETIRE_ABANDONED = text("""
    UPDATE picture_generations g SET state = 'retired', retired_at = now()
    WHERE g.alias = :alias AND g.state = 'building' AND g.created_at < now() - make_interval(secs => :idle_s)
      AND NOT EXISTS (
        SELECT 1 FROM jobs j WHERE j.collection = g.collection AND j.state IN ('pending', 'running')
          AND (j.heartbeat_at > now() - make_interval(secs => :idle_s) OR EXISTS (
            SELECT 1 FROM picture_rows r WHERE r.job_id = j.id
              AND (r.updated_at > now() - make_interval(secs => :idle_s) OR r.leased_until > now()))))
    RETURNING g.collection
""")


def build_pictures_collection_name(alias: str, recipe: EmbeddingRecipe) -> str:
    """The collection of this recipe. A picture's vector depends on nothing else, so there is never a second one."""
    return f"{alias}__{recipe.fingerprint}"


def _to_generation(row: Row[Any]) -> PictureGeneration:
    return PictureGeneration(
        collection=row.collection,
        alias=row.alias,
        state=GenerationState(row.state),
        recipe=to_recipe(row),
        created_at=row.created_at,
        live_at=row.live_at,
        retired_at=row.retired_at,
    )
