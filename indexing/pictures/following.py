"""Points of pictures follow their titles at once, without waiting for a job of pictures.

A title that turned adult, changed its name, is excluded or names a picture no more: its pictures' points say so before
the title's own job is done with it. What needs an encoder is left to a job of pictures.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from core.errors import TransientError
from indexing.pictures.writing import PictureChanges, PicturePointWriter
from storage.database.picture_ledger import PictureLedgerRepository
from storage.database.pictures import PictureRepository
from storage.database.session import Connection

_ROUNDS = 5


class PictureFollower:
    """Brings the points of titles' pictures in step with their rows, in every collection in use."""

    def __init__(
        self, pictures: PictureRepository, ledger: PictureLedgerRepository, writer: PicturePointWriter, *, alias: str
    ) -> None:
        self._pictures = pictures
        self._ledger = ledger
        self._writer = writer
        self._alias = alias

    def follow(self, slugs: Sequence[str]) -> int:
        """Rewrite or remove what is not as the rows say; returns how many points that were."""
        total = 0
        for _ in range(_ROUNDS):
            outdated = self._ledger.list_outdated(self._alias, slugs)
            if not outdated:
                return total
            for collection, ids in outdated.items():
                self._follow_in(collection, ids)
                total += len(ids)
        raise TransientError("pictures change faster than their points can follow")

    def _follow_in(self, collection: str, ids: Sequence[uuid.UUID]) -> None:
        known = self._ledger.load(collection, ids)
        rows = self._pictures.load(ids)
        # A point that shows another content than its row waits for the encoder out of sight.
        kept = [
            row for row in rows.values() if row.is_wanted and row.id in known and row.sha256 == known[row.id].sha256
        ]
        removed = sorted(set(ids) - {row.id for row in kept})
        changed = self._writer.write(collection, PictureChanges(payloads=kept, removed=removed), then=_do_nothing)
        if changed:
            # Written with what they were a moment ago, and forgotten: nobody may find them so.
            self._writer.write(collection, PictureChanges(removed=changed), then=_do_nothing)


def _do_nothing(_connection: Connection, _outdated: Sequence[uuid.UUID]) -> None:
    """The title's own rows are written later, by its own job."""
