"""Index builds: one background thread that decides, and a child process that builds.

The engine holds the interpreter lock for a whole build, so it runs in a fresh interpreter at the lowest
priority (unless told otherwise), on a copy of the shard. A second thread has the engines flush what was
written, which keeps their logs, and so a restart after a crash, short.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import qdrant_edge as edge

from embedded.qdrant.collection import Collection
from embedded.qdrant.convert.schema import edge_config
from embedded.qdrant.store import Store

log = logging.getLogger(__name__)
TICK_SECONDS = 0.5
FLUSH_SECONDS = 2.0
QUIET_SECONDS = 5.0
NICE = 19
_PR_SET_PDEATHSIG = 1


class BuildError(Exception):
    """The child process did not build the index."""


class Caretaker:
    """Builds indexes that are asked for or due, one at a time, and flushes what was written."""

    def __init__(self, store: Store, *, quiet_seconds: float = QUIET_SECONDS, nice: int = NICE) -> None:
        self._store = store
        self._quiet_seconds = quiet_seconds
        self._nice = nice
        self._asked: queue.SimpleQueue[Collection] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._builder = threading.Thread(target=self._build_forever, name="builder", daemon=True)
        self._flusher = threading.Thread(target=self._flush_forever, name="flusher", daemon=True)

    def start(self) -> None:
        """Start both threads."""
        self._builder.start()
        self._flusher.start()

    def stop(self) -> None:
        """Stop both threads; a build under way is given up (its copy is discarded)."""
        self._stopping.set()
        self._builder.join()
        self._flusher.join()

    def ask(self, collection: Collection, *, anew: bool = False) -> None:
        """Have an index built soon (with `anew`, even if all is indexed); the collection shows yellow from now on."""
        collection.build.add(anew=anew)
        self._asked.put(collection)

    def _flush_forever(self) -> None:
        while not self._stopping.wait(FLUSH_SECONDS):
            for collection in self._store.collections:
                try:
                    collection.flush()
                except Exception:
                    # Its writes stay in the engine's log; the next round tries again.
                    log.exception("%s: not flushed", collection.name)

    def _build_forever(self) -> None:
        while not self._stopping.is_set():
            try:
                self._build(self._asked.get(timeout=TICK_SECONDS))
            except queue.Empty:
                for collection in self._store.collections:
                    if self._is_due(collection):
                        self.ask(collection)

    def _is_due(self, collection: Collection) -> bool:
        quiet = time.monotonic() - collection.last_write > self._quiet_seconds
        return quiet and not collection.build.pending and not collection.build.error and collection.wants_index()

    def _build(self, collection: Collection) -> None:
        """Build if there still is a reason to; an earlier build may have served two requests."""
        with collection.build.one_less() as anew:
            if not collection.deleted and (anew or collection.wants_index()):
                self._build_now(collection)

    def _build_now(self, collection: Collection) -> None:
        collection.build.error = None
        copy: Path | None = None
        started = time.monotonic()
        try:
            copy = collection.begin_build()
            self._run_child(collection, copy)
            collection.finish_build(copy)
            log.info("%s: index built in %.1f s", collection.name, time.monotonic() - started)
        except Exception as error:
            if copy is not None:
                collection.abandon_build(copy)
            if not collection.deleted and not self._stopping.is_set():
                collection.build.error = str(error)
                log.exception("%s: index not built", collection.name)

    def _run_child(self, collection: Collection, copy: Path) -> None:
        root = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        child = subprocess.Popen(
            [sys.executable, "-m", "embedded.qdrant.build", "--path", str(copy), "--nice", str(self._nice)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
        config = json.dumps(collection.entry.config).encode()
        while True:
            try:
                _, errors = child.communicate(config, timeout=TICK_SECONDS)
                break
            except subprocess.TimeoutExpired:
                config = b""
                if collection.deleted or self._stopping.is_set():
                    child.kill()
        if child.returncode != 0:
            lines = errors.decode(errors="replace").strip().splitlines()
            raise BuildError(f"status {child.returncode}: {lines[-1] if lines else 'no message'}")


def die_with_parent() -> None:
    """Have the kernel end this process when the server dies (Linux; elsewhere the build runs out in vain)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Build the index of the shard at `--path`, with the collection's configuration from standard input."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--path", type=Path, required=True)
    parser.add_argument("--nice", type=int, default=NICE)
    options = parser.parse_args()
    die_with_parent()
    os.nice(options.nice)
    config = json.load(sys.stdin)
    shard = edge.EdgeShard.load(str(options.path), edge_config(config, index_everything=True))
    shard.optimize()
    shard.flush()
    shard.close()


if __name__ == "__main__":
    main()
