"""One collection: its live shard, writes in one order, and the swap to a newly built shard.

Readers take the shard as it is and never wait for writers. Writers hold one lock, so that the order in
which writes are applied, logged by the engine and kept for a running build is one and the same.
"""

from __future__ import annotations

import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import qdrant_edge as edge

from embedded.qdrant.convert import schema
from embedded.qdrant.convert.updates import Update, read_update
from embedded.qdrant.errors import BadRequestError, NotFoundError, engine_errors
from embedded.qdrant.registry import Entry
from embedded.qdrant.replay import ReplayLog
from embedded.qdrant.shard import Shard

Json = dict[str, Any]
_REPLAY_WHILE_WRITING_BYTES = 1 << 20
_REPLAY_ROUNDS = 8
_BYTES_A_NUMBER = 4


class BuildState:
    """Where the index of a collection stands: builds asked for and not done, and why the last one failed."""

    def __init__(self) -> None:
        self.pending = 0
        self.error: str | None = None
        self._anew = False
        self._lock = threading.Lock()

    def add(self, *, anew: bool) -> None:
        """Count one more request; `anew` asks for a build even if every vector is indexed."""
        with self._lock:
            self.pending += 1
            self._anew = self._anew or anew

    @contextmanager
    def one_less(self) -> Iterator[bool]:
        """Serve one request: yields whether a build was asked for anew; it counts as pending until the end."""
        with self._lock:
            anew, self._anew = self._anew, False
        try:
            yield anew
        finally:
            with self._lock:
                self.pending -= 1


class Collection:
    """A collection in service; `commit` puts a changed entry on disk."""

    def __init__(self, name: str, directory: Path, entry: Entry, commit: Callable[[Entry], None]) -> None:
        self.name = name
        self.directory = directory
        self.entry = entry
        self.build = BuildState()
        self.space = schema.vector_space(entry.config)
        self._commit = commit
        self._shard = Shard(edge.EdgeShard.load(str(directory / entry.shard)), directory / entry.shard)
        self._write_lock = threading.RLock()
        self._log: ReplayLog | None = None
        self._operation = 0
        self._flushed_operation = 0
        self._deleted = False
        self.last_write = 0.0
        with self._shard_for_reading() as engine:
            self.unindexed_points = max(0, engine.info().points_count - entry.indexed_points)

    # Reading

    def lease(self) -> Shard | None:
        """Return the shard with the caller counted as its reader: `with ... as engine`; None once deleted."""
        while not self._deleted:
            shard = self._shard
            if shard.acquire():
                return shard
        return None

    def _shard_for_reading(self) -> Shard:
        shard = self.lease()
        if shard is None:
            raise self._gone()
        return shard

    def info(self) -> Json:
        """Return what `get_collection` answers."""
        with self._shard_for_reading() as engine:
            info = engine.info()
        return {
            "status": self._status(),
            "optimizer_status": {"error": self.build.error} if self.build.error else "ok",
            "points_count": info.points_count,
            "indexed_vectors_count": info.indexed_vectors_count,
            "segments_count": info.segments_count,
            "config": schema.write_config(self.entry.config),
            "payload_schema": schema.write_payload_schema(info.payload_schema, self.entry.indexes),
        }

    def _status(self) -> str:
        if self.build.pending:
            return "yellow"
        if self.build.error:
            return "red"
        return "yellow" if self.wants_index() else "green"

    def wants_index(self) -> bool:
        """Whether the vectors outside the index exceed the threshold (in KB; 0 means: never index)."""
        threshold = schema.optimizers_of(self.entry.config)["indexing_threshold"]
        sizes = [*self.space.dense.values(), *self.space.multi.values()]
        if not threshold or not sizes:
            return False
        kilobytes = self.unindexed_points * max(sizes) * _BYTES_A_NUMBER / 1024
        return bool(kilobytes > threshold)

    # Writing

    def write(self, operations: Sequence[tuple[str, Any]]) -> int:
        """Apply writes in order and return the number of the last; all are checked before any is applied.

        On return they are in the engine's log, which survives `kill -9`.
        """
        with engine_errors:
            updates = [read_update(name, body, self.space) for name, body in operations]
        with self._write_lock:
            self._check_in_service()
            for update in updates:
                self._apply(update)
            return self._operation

    def _apply(self, update: Update) -> None:
        engine = self._shard.engine
        failed = True
        try:
            with engine_errors:
                for step in update.steps:
                    engine.update(step)
            failed = False
        finally:
            self._operation += 1
            self.last_write = time.monotonic()
            points = engine.info().points_count
            touched = points if update.touched is None else update.touched
            self.unindexed_points = min(self.unindexed_points + touched, points)
            if self._log is not None:
                self._log.append(update.name, update.body, failed=failed)

    def create_index(self, field_name: str, field_schema: Any) -> int:
        """Create a payload index and remember the parameters it was asked with."""
        with self._write_lock:
            number = self.write([("create_index", {"field_name": field_name, "field_schema": field_schema})])
            self._change(indexes={**self.entry.indexes, field_name: field_schema})
            return number

    def delete_index(self, field_name: str) -> int:
        """Drop a payload index."""
        with self._write_lock:
            number = self.write([("delete_index", {"field_name": field_name})])
            self._change(indexes={key: item for key, item in self.entry.indexes.items() if key != field_name})
            return number

    def reconfigure(self, body: Any) -> bool:
        """Change the configuration; true if vectors that are indexed now need another index."""
        with self._write_lock:
            self._check_in_service()
            with engine_errors:
                config = schema.read_update(body, self.entry.config)
            self._change(config=config)
            self.build.error = None
            touches_index = {"vectors", "hnsw_config", "quantization_config", "sparse_vectors"} & body.keys()
            return bool(touches_index) and self.entry.indexed_points > 0

    def _change(self, **changes: Any) -> None:
        entry = replace(self.entry, **changes)
        self._commit(entry)
        self.entry = entry

    def _check_in_service(self) -> None:
        if self._deleted:
            raise self._gone()

    def _gone(self) -> NotFoundError:
        return NotFoundError(f"Not found: Collection `{self.name}` doesn't exist!")

    def flush(self) -> None:
        """Let the engine put its segments on disk and shorten its log, if anything was written since."""
        if self._flushed_operation == self._operation:
            return
        with self._write_lock:
            if not self._deleted:
                self._flushed_operation = self._operation
                self._shard.engine.flush()

    def copy_to(self, folder: Path) -> Entry:
        """Copy the shard into the folder with writes held, and return the entry that belongs to the copy."""
        with self._write_lock:
            self._check_in_service()
            self._shard.engine.flush()
            shutil.copytree(self._shard.path, folder / self._shard.path.name)
            return self.entry

    # Building

    def begin_build(self) -> Path:
        """Copy the shard with writes held, keep later writes for replay, and return the copy's path."""
        with self._write_lock:
            self._check_in_service()
            self._shard.engine.flush()
            # A name of its own: the remains of a killed build may still be on their way out.
            copy = self.directory / f"shard-{uuid.uuid4().hex}"
            shutil.copytree(self._shard.path, copy)
            self._log = ReplayLog(self.directory / "replay.log")
            return copy

    def finish_build(self, copy: Path) -> None:
        """Replay the writes that came meanwhile on the built copy and put it into service."""
        log = self._log
        if log is None:
            raise RuntimeError("finish_build without begin_build")
        engine = edge.EdgeShard.load(str(copy))
        try:
            done = touched = 0
            for _ in range(_REPLAY_ROUNDS):
                size = log.size
                touched += self._replay(engine, log, done, size)
                done = size
                if log.size - done < _REPLAY_WHILE_WRITING_BYTES:
                    break
            with self._write_lock:
                self._check_in_service()
                touched += self._replay(engine, log, done, log.size)
                engine.flush()
                self._put_into_service(Shard(engine, copy), touched)
                self._end_log()
        except BaseException:
            engine.close()
            raise

    def _put_into_service(self, shard: Shard, unindexed_points: int) -> None:
        points = shard.engine.info().points_count
        self._change(shard=shard.path.name, indexed_points=max(0, points - unindexed_points))
        old, self._shard = self._shard, shard
        self.unindexed_points = min(unindexed_points, points)
        old.retire(lambda: shutil.rmtree(old.path))

    def _replay(self, engine: edge.EdgeShard, log: ReplayLog, start: int, stop: int) -> int:
        """Apply the records between two sizes; a write that failed before must fail again."""
        touched = 0
        for name, body, failed_before in log.read(start, stop):
            update = read_update(name, body, self.space)
            touched += engine.info().points_count if update.touched is None else update.touched
            try:
                with engine_errors:
                    for step in update.steps:
                        engine.update(step)
            except (BadRequestError, NotFoundError):
                if not failed_before:
                    raise
        return touched

    def abandon_build(self, copy: Path) -> None:
        """Throw a copy away and stop keeping writes."""
        self._end_log()
        shutil.rmtree(copy, ignore_errors=True)
        if self._deleted and not any(self.directory.glob("*")):
            shutil.rmtree(self.directory, ignore_errors=True)

    def _end_log(self) -> None:
        with self._write_lock:
            if self._log is not None:
                self._log.discard()
                self._log = None

    # Ending

    def retire(self, *, remove: bool) -> None:
        """Take the collection out of service; with `remove`, its files go with its last reader."""
        with self._write_lock:
            self._deleted = True
        directory = self.directory
        if not remove:
            self._shard.engine.flush()
        self._shard.retire(lambda: shutil.rmtree(directory, ignore_errors=True) if remove else None)

    @property
    def deleted(self) -> bool:
        """Whether the collection has left service."""
        return self._deleted


def discard_leftovers(directory: Path, keep: str) -> None:
    """Remove whatever a crash left in a collection's directory: half-built copies and replay logs."""
    for path in directory.iterdir():
        if path.name == keep:
            continue
        if path.is_dir():
            # A killed server's build may be dying at this moment and still write; what stays is harmless.
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
