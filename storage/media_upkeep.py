"""Whether the media store and its rows agree, and the removal of what nobody needs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from core.errors import NotFoundError
from core.log import Event, Log
from storage.database.leftovers import LeftoverRepository
from storage.database.media import MediaRepository
from storage.media.store import MediaStore, StoredMedia

# More than these are not repaired in one go: a store that has lost so much is restored from a copy.
_NAMED_MAX = 100_000
_log = Log("media")


@dataclass
class Found:
    """How many contents, how many bytes, and their names: the first hundred thousand."""

    count: int = 0
    bytes: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, sha256: str, size: int) -> None:
        """Count one."""
        self.count += 1
        self.bytes += size
        if len(self.names) < _NAMED_MAX:
            self.names.append(sha256)


@dataclass
class MediaReport:
    """What a check found.

    `rows` without `missing` and `damaged` are well; `orphans` have no row, `unused` rows no picture.
    """

    rows: int = 0
    bytes: int = 0
    missing: Found = field(default_factory=Found)
    damaged: Found = field(default_factory=Found)
    orphans: Found = field(default_factory=Found)
    unused: int = 0
    stray_variants: int = 0

    @property
    def is_whole(self) -> bool:
        """True if every content that a row speaks of is there."""
        return not (self.missing.count or self.damaged.count)


@dataclass
class CleanReport:
    """What was removed, or would be: rows of pictures, downloads and contents, then contents without a row."""

    forgotten_pictures: int = 0
    forgotten_downloads: int = 0
    forgotten_rows: int = 0
    orphans: Found = field(default_factory=Found)
    stray_variants: int = 0
    half_written: int = 0


class MediaUpkeep:
    """Compares store and rows, in the order of their names, a page of each in memory."""

    def __init__(self, media: MediaRepository, store: MediaStore, *, leftovers: LeftoverRepository) -> None:
        self._media = media
        self._leftovers = leftovers
        self._store = store

    def check(self, *, before: datetime, verify: bool = False) -> MediaReport:
        """Compare both. `verify`: read every content and compare its SHA-256; `before`: as for `clean`."""
        report = MediaReport(unused=self._media.count_unused(before=before))
        for sha256, row_bytes, stored in self._walk():
            if row_bytes is None:
                report.orphans.add(sha256, stored.size if stored else 0)
                continue
            report.rows += 1
            report.bytes += row_bytes
            # A download in these very moments has its row after its file: look again before it is called missing.
            if stored is None and not self._store.exists(sha256):
                report.missing.add(sha256, row_bytes)
            elif (stored is not None and stored.size != row_bytes) or (verify and not self._is_sound(sha256)):
                report.damaged.add(sha256, row_bytes)
        report.stray_variants = sum(1 for _ in self._list_stray_variants())
        return report

    def repair(self, report: MediaReport) -> int:
        """Let what a check found missing or damaged be fetched again by the next download; returns how many are.

        Damaged contents are deleted first, so that the right ones take their place. What was uploaded, and so has no
        address, has to be uploaded again.
        """
        for sha256 in report.damaged.names:
            self._store.delete(sha256)
        return self._media.want_again([*report.missing.names, *report.damaged.names])

    def clean(self, *, before: datetime, dry_run: bool = False) -> CleanReport:
        """Remove what was gone, orphaned, or begun and not finished, before that moment.

        Rows of pictures that are gone go first, then those of downloads and contents that nothing needs, then contents
        without a row. What is younger may be a download that has stored its content and not yet its row.
        Raises DependencyUnavailableError; may be repeated at any time.
        """
        report = self._count_needless(before) if dry_run else self._forget_needless(before)
        for sha256, row_bytes, stored in self._walk():
            is_old = row_bytes is None and stored is not None and stored.modified < before
            if is_old and stored is not None and (dry_run or self._remove_orphan(sha256, before)):
                report.orphans.add(sha256, stored.size)
        for sha256 in self._list_stray_variants():
            report.stray_variants += dry_run or self._remove_orphan(sha256, before)
        report.half_written = self._store.clean(before=before, dry_run=dry_run)
        return report

    def _count_needless(self, before: datetime) -> CleanReport:
        return CleanReport(
            forgotten_pictures=self._leftovers.count_pictures(before=before),
            forgotten_downloads=self._leftovers.count_downloads(before=before),
            forgotten_rows=self._media.count_unused(before=before),
        )

    def _forget_needless(self, before: datetime) -> CleanReport:
        """In this order: each is what keeps the next."""
        return CleanReport(
            forgotten_pictures=self._leftovers.forget_pictures(before=before),
            forgotten_downloads=self._leftovers.forget_downloads(before=before),
            forgotten_rows=self._media.forget_unused(before=before),
        )

    def _remove_orphan(self, sha256: str, before: datetime) -> bool:
        with self._media.hold_unknown(sha256) as is_unknown:
            # Somebody may have put it again since it was listed, and be about to write its row.
            found = self._store.find(sha256) if is_unknown else None
            is_orphan = is_unknown and (found is None or found.modified < before)
            if is_orphan:
                self._store.delete(sha256)
                _log.info(Event.MEDIA_REMOVED, sha256=sha256)
        return is_orphan

    def _is_sound(self, sha256: str) -> bool:
        try:
            return hashlib.sha256(self._store.get(sha256)).hexdigest() == sha256
        except NotFoundError:
            return False

    def _list_stray_variants(self) -> Iterator[str]:
        return (sha256 for sha256 in self._store.list_variants() if not self._store.exists(sha256))

    def _walk(self) -> Iterator[tuple[str, int | None, StoredMedia | None]]:
        """(SHA-256, bytes by its row, what is stored) of every content that either side knows."""
        rows, files = self._media.list_sizes(), iter(self._store.list())
        row, file = next(rows, None), next(files, None)
        while row is not None or file is not None:
            if file is None or (row is not None and row[0] < file.sha256):
                assert row is not None
                yield row[0], row[1], None
                row = next(rows, None)
            elif row is None or file.sha256 < row[0]:
                yield file.sha256, None, file
                file = next(files, None)
            else:
                yield row[0], row[1], file
                row, file = next(rows, None), next(files, None)
