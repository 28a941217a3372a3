"""Rows of pictures and downloads that nothing needs any more, and that would keep contents in the store for ever.

Each is held first and looked at again in a second statement: who begins to need one meanwhile keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, TextClause, text

from storage.database.session import Database

_PAGE = 5_000


class LeftoverRepository:
    """Counts and forgets rows that were left over before some moment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count_pictures(self, *, before: datetime) -> int:
        """How many pictures `forget_pictures` would forget."""
        return self._count(_COUNT_PICTURES, before)

    def forget_pictures(self, *, before: datetime) -> int:
        """Forget pictures that went before this and have no point in any collection; returns how many.

        Rows of pictures that titles named are deleted. Of a free one that was taken out stays an empty row: it says
        that it was hidden, and the marks of what is hidden must never fall (see `storage.database.visibility`).
        """
        return self._forget(_HOLD_PICTURES, (_EMPTY_FREE, _DELETE_NAMED), before)

    def count_downloads(self, *, before: datetime) -> int:
        """How many rows `forget_downloads` would delete after `forget_pictures`."""
        return self._count(_COUNT_DOWNLOADS, before)

    def forget_downloads(self, *, before: datetime) -> int:
        """Delete downloads that nothing has touched since, that no picture names and no open job wants; returns how
        many. Jobs that ended do not count them any more.
        """
        return self._forget(_HOLD_DOWNLOADS, (_DELETE_DOWNLOADS,), before)

    def _count(self, statement: TextClause, before: datetime) -> int:
        with self._database.begin() as connection:
            return int(connection.execute(statement, {"before": before}).scalar_one())

    def _forget(self, hold: TextClause, forget: Sequence[TextClause], before: datetime) -> int:
        total = 0
        while True:
            with self._database.begin() as connection:
                forgotten = self._forget_page(connection, hold, forget, before)
            total += forgotten
            if not forgotten:
                return total

    @staticmethod
    def _forget_page(connection: Connection, hold: TextClause, forget: Sequence[TextClause], before: datetime) -> int:
        held = list(connection.execute(hold, {"before": before, "most": _PAGE}).scalars())
        if not held:
            return 0
        return sum(connection.execute(one, {"held": held, "before": before}).rowcount for one in forget)


# `p`: gone for long, in no collection, and nobody is about to write its point. An empty one has been forgotten before.
FORGETTABLE = """
    p.gone AND p.updated_at < :before AND (p.kind <> 'free' OR p.sha256 IS NOT NULL OR p.url IS NOT NULL
                                           OR p.name IS NOT NULL)
    AND NOT EXISTS (SELECT FROM picture_ledger l WHERE l.picture_id = p.id)
    AND NOT EXISTS (
        SELECT FROM picture_rows r JOIN jobs j ON j.id = r.job_id
        WHERE r.picture_id = p.id AND r.state IN ('pending', 'leased', 'failed')
          AND (j.state IN ('pending', 'running') OR r.leased_until >= :before))
"""
_COUNT_PICTURES = text(f"SELECT count(*) FROM pictures p WHERE {FORGETTABLE}")  # noqa: S608 - a constant
_HOLD_PICTURES = text(f"""
    SELECT p.id FROM pictures p WHERE {FORGETTABLE} ORDER BY p.id LIMIT :most FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - a constant
_EMPTY_FREE = text(f"""
    UPDATE pictures p SET url = NULL, sha256 = NULL, name = NULL, tags = '[]', metadata = '{{}}', content_hash = ''
    WHERE p.id = ANY(:held) AND p.kind = 'free' AND {FORGETTABLE}
""")  # noqa: S608 - a constant
_DELETE_NAMED = text(f"""
    DELETE FROM pictures p WHERE p.id = ANY(:held) AND p.kind <> 'free' AND {FORGETTABLE}
""")  # noqa: S608 - a constant

# `d`: whoever had leased it is long gone, too.
_NAMING = "SELECT FROM pictures p WHERE md5(p.url) = md5(d.url) AND p.url = d.url"
_UNWANTED = """
    d.updated_at < :before AND (d.state <> 'leased' OR d.leased_until < :before)
    AND NOT EXISTS (
        SELECT FROM job_downloads w JOIN jobs j ON j.id = w.job_id
        WHERE w.url_hash = d.url_hash AND j.state IN ('pending', 'running'))
"""
_NEEDLESS = f"{_UNWANTED} AND NOT EXISTS ({_NAMING})"
# Those, too, that only pictures name which would be forgotten first.
_COUNT_DOWNLOADS = text(f"""
    SELECT count(*) FROM downloads d WHERE {_UNWANTED} AND NOT EXISTS ({_NAMING} AND NOT ({FORGETTABLE}))
""")  # noqa: S608 - a constant
_HOLD_DOWNLOADS = text(f"""
    SELECT d.url_hash FROM downloads d WHERE {_NEEDLESS} ORDER BY d.url_hash LIMIT :most FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - a constant
_DELETE_DOWNLOADS = text(f"""
    DELETE FROM downloads d WHERE d.url_hash = ANY(:held) AND {_NEEDLESS}
""")  # noqa: S608 - a constant
