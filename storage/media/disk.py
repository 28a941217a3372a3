"""Contents as files: `root/ab/cd/abcd...`, their variants under `root/variants` in the same manner.

A file is written beside them under a name of its own, brought to the disk, and renamed: a reader sees all of it or
nothing, whenever a process or the machine dies.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from core.errors import DependencyUnavailableError, NotFoundError
from storage.media.store import StagedMedia, StoredMedia, check_content, check_sha256, check_variant
from storage.media.syncing import sync_files

_VARIANTS = "variants"
# On the same file system as the contents, so that a rename is one step.
_INCOMING = "incoming"
_HEX = frozenset("0123456789abcdef")


class DiskMediaStore:
    """Files in a folder, which is made with the first of them. Safe between threads and processes."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / _INCOMING

    def put(self, sha256: str, data: bytes) -> None:
        """Store a content; see MediaStore."""
        check_content(sha256, data)
        path = self._get_path(sha256)
        found = _describe(path)
        with _as_unavailable():
            # A file that was cut short by a broken disk is written again.
            if found is not None and found.size == len(data):
                # Young again: whoever looks for old orphans must not take it before its row is written.
                with suppress(FileNotFoundError):
                    os.utime(path)
                    return
            self._write(path, data)

    def stage(self, sha256: str, data: bytes) -> StagedMedia:
        """Write it beside the contents; neither is it seen nor does it outlive a power cut before it is settled."""
        place = str(self._incoming / f"{check_sha256(sha256)}.{uuid.uuid4().hex}")
        with _as_unavailable():
            try:
                _write_new(place, data)
            except FileNotFoundError:
                self._incoming.mkdir(parents=True, exist_ok=True)
                _write_new(place, data)
        return StagedMedia(sha256, len(data), place)

    def settle(self, staged: Sequence[StagedMedia]) -> None:
        """Bring all of them to the disk at once, rename them, and bring the folders to the disk."""
        waiting = {one.place: one for one in staged if one.place is not None}
        with _as_unavailable():
            if not waiting:
                return
            sync_files(self._incoming, list(waiting))
            folders = {self._take(Path(place), one) for place, one in waiting.items()}
            sync_files(
                self._root, sorted({str(above) for folder in folders for above in (folder, *folder.parents[:2])})
            )

    def get(self, sha256: str) -> bytes:
        """The content. Raises NotFoundError."""
        path = self._get_path(sha256)
        with _as_unavailable():
            try:
                return path.read_bytes()
            except FileNotFoundError:
                raise NotFoundError("media file", sha256) from None

    def exists(self, sha256: str) -> bool:
        """True if the content is there."""
        path = self._get_path(sha256)
        with _as_unavailable():
            return path.is_file()

    def find(self, sha256: str) -> StoredMedia | None:
        """What is stored under this SHA-256, without its bytes."""
        return _describe(self._get_path(sha256))

    def delete(self, sha256: str) -> None:
        """Delete the content and its variants, these first: what is left after a crash is found by `list`."""
        path, folder = self._get_path(sha256), self._get_folder(sha256)
        with _as_unavailable():
            for variant in _list_names(folder):
                (folder / variant).unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                folder.rmdir()
            path.unlink(missing_ok=True)

    def list(self) -> Iterator[StoredMedia]:
        """All contents, in the order of their SHA-256."""
        for path in _walk(self._root):
            if (found := _describe(path)) is not None:
                yield found

    def put_variant(self, sha256: str, name: str, data: bytes) -> None:
        """Store something made from a content."""
        with _as_unavailable():
            self._write(self._get_folder(sha256) / check_variant(name), data)

    def get_variant(self, sha256: str, name: str) -> bytes | None:
        """The variant, None if it was not made yet."""
        path = self._get_folder(sha256) / check_variant(name)
        with _as_unavailable(), suppress(FileNotFoundError):
            return path.read_bytes()
        return None

    def list_variants(self) -> Iterator[str]:
        """SHA-256 of each content that has variants."""
        for path in _walk(self._root / _VARIANTS):
            yield path.name

    def clean(self, *, before: datetime, dry_run: bool = False) -> int:
        """Remove files that were begun before that moment and never finished."""
        folder, count = self._incoming, 0
        with _as_unavailable():
            for name in _list_names(folder):
                with suppress(FileNotFoundError):
                    if (folder / name).stat().st_mtime < before.timestamp():
                        if not dry_run:
                            (folder / name).unlink()
                        count += 1
        return count

    def _get_path(self, sha256: str) -> Path:
        return self._root / check_sha256(sha256)[:2] / sha256[2:4] / sha256

    def _get_folder(self, sha256: str) -> Path:
        return self._root / _VARIANTS / check_sha256(sha256)[:2] / sha256[2:4] / sha256

    def _take(self, temporary: Path, one: StagedMedia) -> Path:
        """Give a file that was written its name; returns its folder."""
        path = self._get_path(one.sha256)
        try:
            temporary.replace(path)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                temporary.replace(path)
            found = _describe(path)
            if found is None or found.size != one.size:
                # Settled before and gone since, or cleaned away as the rest of a dead writer.
                raise DependencyUnavailableError("media", f"{one.sha256} was lost before it was stored") from None
        return path.parent

    def _write(self, path: Path, data: bytes) -> None:
        incoming = self._incoming
        incoming.mkdir(parents=True, exist_ok=True)
        temporary = incoming / uuid.uuid4().hex
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            _make_folder(path.parent)
            temporary.replace(path)
            _sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _write_new(place: str, data: bytes) -> None:
    # Without pathlib and buffers: this is done for each of thousands of pictures a second.
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
    except BaseException:
        os.unlink(place)  # noqa: PTH108 - as above
        raise
    finally:
        os.close(descriptor)


@contextmanager
def _as_unavailable() -> Iterator[None]:
    """A disk that is full, away or read-only is a server that does not answer: it may be mended meanwhile."""
    try:
        yield
    except OSError as error:
        raise DependencyUnavailableError("media", error.strerror or type(error).__name__) from error


def _describe(path: Path) -> StoredMedia | None:
    with _as_unavailable(), suppress(FileNotFoundError):
        found = path.stat()
        return StoredMedia(path.name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))
    return None


def _make_folder(folder: Path) -> None:
    """The folder and those above it, each brought to the disk: a file is lost with the folder that is lost."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _list_names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _walk(root: Path) -> Iterator[Path]:
    """What has the name of a content in the two levels of folders below, in order, a folder in memory at a time."""
    for first in _list_hex(root):
        for second in _list_hex(root / first):
            for name in _list_names_safely(root / first / second):
                if len(name) == 64 and name.startswith(first + second) and _HEX.issuperset(name):
                    yield root / first / second / name


def _list_hex(folder: Path) -> list[str]:
    return [name for name in _list_names_safely(folder) if len(name) == 2 and _HEX.issuperset(name)]


def _list_names_safely(folder: Path) -> list[str]:
    with _as_unavailable():
        return _list_names(folder)
