"""Rows of the media store's contents: what each is, whether it may be shown, and which nobody needs any more.

Postgres is the truth: a content without a row is an orphan. Who stores one puts its bytes first and its row second,
in this order, and looks again (`store.exists`) before his transaction ends: see `MediaRepository.add`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import insert

from storage.database.downloads import DownloadRepository
from storage.database.leftovers import FORGETTABLE
from storage.database.models import media_files
from storage.database.pictures import MediaFile, PictureRepository
from storage.database.session import Database

_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class ShownMedia:
    """A content that at least one picture shows. `is_adult`: only pictures for adults do."""

    media_type: str
    bytes: int
    is_adult: bool


class MediaRepository:
    """Reads and writes `media_files`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._downloads = DownloadRepository(database, PictureRepository(database))

    def add(self, connection: Connection, file: MediaFile) -> None:
        """The row of a content that was put into the store before; harmless if it is known.

        The row is held until the transaction ends, and a cleaner that is just taking the content for an orphan is
        waited for. So a caller that finds the content still in the store after this may rely on it; if it is gone, he
        puts it again before he commits.
        """
        values = {name: getattr(file, name) for name in MediaFile.__slots__}
        statement = insert(media_files).values(**values)
        # An update although nothing changes: it holds a row that is there already, too.
        held = statement.on_conflict_do_update(index_elements=["sha256"], set_={"bytes": statement.excluded.bytes})
        connection.execute(held)

    def find_shown(self, sha256: str) -> ShownMedia | None:
        """What a reader may know of a content: None if no picture shows it, or only pictures of excluded titles."""
        with self._database.begin() as connection:
            row = connection.execute(_SHOWN, {"sha256": sha256}).one_or_none()
        return None if row is None else ShownMedia(row.media_type, row.bytes, row.is_adult)

    def list_sizes(self) -> Iterator[tuple[str, int]]:
        """(SHA-256, bytes) of every row in the order of the SHA-256; some thousand in memory at a time."""
        after = ""
        while True:
            with self._database.begin() as connection:
                rows = connection.execute(_SIZES, {"after": after, "most": _PAGE}).all()
            yield from ((row.sha256, row.bytes) for row in rows)
            if len(rows) < _PAGE:
                return
            after = rows[-1].sha256

    def count_unused(self, *, before: datetime) -> int:
        """Contents older than this that no picture shows, or only such as went before this and can be forgotten."""
        with self._database.begin() as connection:
            return int(connection.execute(_COUNT_UNUSED, {"before": before}).scalar_one())

    def forget_unused(self, *, before: datetime) -> int:
        """Delete the rows of contents older than this that no picture shows; returns how many.

        Their downloads forget them, too, so that whoever names the address again has it fetched again. The bytes are
        orphans then.
        """
        forgotten = 0
        while True:
            with self._database.begin() as connection:
                # Held first, then looked at again: a picture that begins to show one meanwhile keeps it.
                held = connection.execute(_HOLD_UNUSED, {"before": before, "most": _PAGE}).scalars().all()
                connection.execute(_FORGET_DOWNLOADS, {"held": list(held)})
                deleted = connection.execute(_DELETE_UNUSED, {"held": list(held)}).rowcount
            forgotten += deleted
            if not deleted:
                return forgotten

    def want_again(self, sha256: Sequence[str]) -> int:
        """These contents are lost: the next download fetches their addresses again; returns how many."""
        with self._database.begin() as connection:
            return self._downloads.want_again(connection, sha256)

    @contextmanager
    def hold_unknown(self, sha256: str) -> Iterator[bool]:
        """True if the content has no row; then nobody can give it one until this ends. False: it has one.

        A row is made and taken back: whoever adds the same one in between waits, and looks into the store again.
        """
        with self._database.begin() as connection:
            made = connection.execute(_RESERVE, {"sha256": sha256}).rowcount
            try:
                yield bool(made)
            finally:
                connection.rollback()


_SHOWN = text("""
    SELECT m.media_type, m.bytes, bool_and(p.adult OR coalesce(t.adult, false)) AS is_adult
    FROM media_files m
    JOIN pictures p ON p.sha256 = m.sha256 AND NOT p.gone
    LEFT JOIN titles t ON t.slug = p.slug
    WHERE m.sha256 = :sha256 AND NOT coalesce(t.excluded, false)
    GROUP BY m.sha256
""")

_SIZES = text("""
    SELECT sha256, bytes FROM media_files WHERE sha256 COLLATE "C" > :after ORDER BY sha256 COLLATE "C" LIMIT :most
""")

_UNUSED = """
    m.created_at < :before AND NOT EXISTS (SELECT FROM pictures p WHERE p.sha256 = m.sha256)
    AND NOT EXISTS (SELECT FROM downloads d WHERE d.sha256 = m.sha256 AND d.updated_at >= :before)
"""
_COUNT_UNUSED = text(f"""
    SELECT count(*) FROM media_files m WHERE m.created_at < :before
    AND NOT EXISTS (SELECT FROM pictures p WHERE p.sha256 = m.sha256 AND NOT ({FORGETTABLE}))
    AND NOT EXISTS (SELECT FROM downloads d WHERE d.sha256 = m.sha256 AND d.updated_at >= :before)
""")  # noqa: S608 - a constant
_HOLD_UNUSED = text(f"""
    SELECT m.sha256 FROM media_files m WHERE {_UNUSED} ORDER BY m.sha256 LIMIT :most FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - a constant
_FORGET_DOWNLOADS = text("""
    UPDATE downloads d SET sha256 = NULL, etag = NULL, last_modified = NULL, state = 'pending', attempts = 0,
        silent_since = NULL, due_at = now(), updated_at = now()
    WHERE d.sha256 = ANY(:held) AND d.state <> 'leased'
        AND NOT EXISTS (SELECT FROM pictures p WHERE p.sha256 = d.sha256)
""")
_DELETE_UNUSED = text("""
    DELETE FROM media_files m WHERE m.sha256 = ANY(:held)
        AND NOT EXISTS (SELECT FROM pictures p WHERE p.sha256 = m.sha256)
        AND NOT EXISTS (SELECT FROM downloads d WHERE d.sha256 = m.sha256)
""")

_RESERVE = text("""
    INSERT INTO media_files (sha256, bytes, media_type, width, height, phash, colour)
    VALUES (:sha256, 0, '', 0, 0, 0, '') ON CONFLICT DO NOTHING
""")
