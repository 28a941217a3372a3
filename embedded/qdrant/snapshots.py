"""Snapshots of collections: tar files beside the data, with a checksum, that a collection can be made from again.

Layout: `snapshots/<collection>/<name>.snapshot` and `<name>.snapshot.checksum`. What is being made has a name that
begins with a dot, so that a listing after `kill -9` shows whole files only.
"""

from __future__ import annotations

import hashlib
import ipaddress
import shutil
import tarfile
import urllib.request
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

from embedded.qdrant.collection import Collection
from embedded.qdrant.convert.body import Json, as_object, as_string, need
from embedded.qdrant.errors import BadRequestError, NotFoundError, NotServedError
from embedded.qdrant.store import Store

_SUFFIX = ".snapshot"
_ENTRY = "entry.json"
_CHUNK_BYTES = 1 << 20
_DOWNLOAD_TIMEOUT_S = 60
_PRIORITIES = {None, "no_sync", "snapshot", "replica"}


class Snapshots:
    """The snapshot files of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._root = store.path / "snapshots"
        self._root.mkdir(exist_ok=True)
        for leftover in [*self._root.glob(".*"), *self._root.glob("*/.*")]:
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()

    def create(self, name: str) -> Json:
        """Write a snapshot of the collection; writes to it wait only while its files are copied."""
        collection = self._store.get(name)
        folder = self._root / collection.name
        folder.mkdir(exist_ok=True)
        stamp = datetime.now(UTC).strftime("%Y-%m-%d-%H-%M-%S")
        # Digits, as in Qdrant's names: a 16-digit number and the time.
        path = folder / f"{collection.name}-{uuid.uuid4().int % 10**16:016d}-{stamp}{_SUFFIX}"
        self._write(collection, path)
        return _describe(path)

    def _write(self, collection: Collection, path: Path) -> None:
        copy, partial = path.with_name(f".{path.name}.copy"), path.with_name(f".{path.name}")
        try:
            copy.mkdir()
            entry = collection.copy_to(copy)
            (copy / _ENTRY).write_bytes(orjson.dumps({"shard": entry.shard, **entry.description}))
            with tarfile.open(partial, "w") as tar:
                tar.add(copy, arcname=".")
            _checksum_file(path).write_text(_hash(partial))
            partial.rename(path)
        finally:
            shutil.rmtree(copy, ignore_errors=True)
            partial.unlink(missing_ok=True)

    def list(self, name: str) -> list[Json]:
        """The snapshots of a collection, the oldest first."""
        folder = self._root / self._store.get(name).name
        return [_describe(path) for path in sorted(folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime)]

    def find(self, name: str, snapshot: str) -> Path:
        """The file of a snapshot, for a download. Raises NotFoundError."""
        folder = self._root / self._store.get(name).name
        for path in folder.glob(f"*{_SUFFIX}"):
            if path.name == snapshot:
                return path
        raise NotFoundError(f"Not found: Snapshot {snapshot} not found")

    def delete(self, name: str, snapshot: str) -> bool:
        """Remove a snapshot. Raises NotFoundError."""
        path = self.find(name, snapshot)
        path.unlink()
        _checksum_file(path).unlink(missing_ok=True)
        return True

    def recover(self, name: str, body: Any) -> bool:
        """Make the collection what the snapshot holds, under this name; what it held before is gone."""
        fields = as_object(body, {"location", "priority", "checksum", "api_key"}, what="recover")
        if fields.get("priority") not in _PRIORITIES:
            raise BadRequestError(f"recover: unknown priority {fields['priority']!r}")
        location = as_string(need(fields, "location", what="recover"), what="location")
        work = self._root / f".recover-{uuid.uuid4().hex}"
        work.mkdir()
        try:
            file = _fetch(location, work)
            if (expected := fields.get("checksum")) is not None and _hash(file) != expected:
                raise BadRequestError(f"Wrong input: the snapshot's checksum is not {expected}")
            _extract(file, work / "content")
            entry = orjson.loads((work / "content" / _ENTRY).read_bytes())
            self._store.install(name, work / "content" / entry.pop("shard"), entry)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return True


def _describe(path: Path) -> Json:
    stat, checksum = path.stat(), _checksum_file(path)
    return {
        "name": path.name,
        "creation_time": datetime.fromtimestamp(stat.st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "size": stat.st_size,
        "checksum": checksum.read_text() if checksum.exists() else None,
    }


def _checksum_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.checksum")


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(location: str, work: Path) -> Path:
    """The snapshot as a local file: one of this machine's, or what a server on this machine sends."""
    parts = urlsplit(location)
    if parts.scheme == "file":
        path = Path(unquote(parts.path))
        if not path.is_file():
            raise BadRequestError(f"Bad request: Snapshot file {str(path)!r} does not exist")
        return path
    if parts.scheme != "http" or not _is_loopback(parts.hostname or ""):
        raise NotServedError("recovering from anything but a file or a server on this machine")
    path = work / "download"
    try:
        with (
            urllib.request.urlopen(location, timeout=_DOWNLOAD_TIMEOUT_S) as answer,  # noqa: S310 - http, checked above
            path.open("wb") as file,
        ):
            shutil.copyfileobj(answer, file, _CHUNK_BYTES)
    except OSError as error:
        raise BadRequestError(f"Bad request: Failed to download snapshot from {location}: {error}") from error
    return path


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _extract(file: Path, content: Path) -> None:
    try:
        with tarfile.open(file, "r:") as tar:
            tar.extractall(content, filter="data")
    except tarfile.TarError as error:
        raise BadRequestError(f"Wrong input: not a snapshot: {error}") from error
    if not (content / _ENTRY).is_file():
        raise BadRequestError("Wrong input: not a snapshot of this server")
