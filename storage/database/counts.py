"""Numbers for an operator: what is stored, what ran, and what was given up."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from storage.database.models import dead_letters, jobs, titles
from storage.database.session import Database


@dataclass(frozen=True, slots=True)
class StoredCounts:
    """Titles by what may be seen of them, jobs by state, and dead letters that nobody has dealt with."""

    titles: dict[str, int]
    jobs: dict[str, int]
    dead_letters: int


class CountRepository:
    """Counts rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self) -> StoredCounts:
        """All counts at one moment. `all` titles are those that are not excluded; `adult` ones are among them."""
        here = titles.c.excluded.is_(False)
        titles_query = select(
            func.count().filter(here).label("all"),
            func.count().filter(here, titles.c.adult).label("adult"),
            func.count().filter(titles.c.excluded).label("excluded"),
        )
        jobs_query = select(jobs.c.state, func.count().label("jobs")).group_by(jobs.c.state)
        dead_query = select(func.count()).select_from(dead_letters).where(dead_letters.c.resolved_at.is_(None))
        with self._database.begin() as connection:
            return StoredCounts(
                titles=dict(connection.execute(titles_query).mappings().one()),
                jobs={row.state: row.jobs for row in connection.execute(jobs_query)},
                dead_letters=connection.execute(dead_query).scalar_one(),
            )
