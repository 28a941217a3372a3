"""Searches while the index is made anew, the alias moves, and a rollback takes it back: how long they take, what fails.

    python -m benchmarks.reindex_under_load [--catalogue titles.jsonl] [--clients 8]

A stack of its own with the real encoder, and clients that send new texts all the time. The result is one JSON object:
latencies and failures by phase. The exit status is 1 if a single search failed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.__main__ import find_catalogue
from benchmarks.machine import describe_machine
from benchmarks.paths import SEARCH_PATH
from benchmarks.queries import QuerySource, find_shared_data, load_seeds
from benchmarks.stack import SearchStack

_ADMIN = "/api/v1/admin"
# The reconciler carries the job on while Qdrant builds graphs.
_PROCESSES = ("worker-query", "worker-embed", "worker-network", "beat")
_ENV = {"RECONCILE_EVERY_S": "2"}
_JOB_LIMIT_S = 900.0
_EXAMPLES = 5


class Searchers:
    """Threads with a connection each, sending the next search on the last answer. `phase` says where the time goes."""

    def __init__(self, url: str, queries: QuerySource, *, clients: int) -> None:
        self._url = url
        self._queries = queries
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._search, daemon=True) for _ in range(clients)]
        self._latencies: dict[str, list[float]] = defaultdict(list)
        self._failures: dict[str, int] = defaultdict(int)
        self._seconds: dict[str, float] = defaultdict(float)
        self._phase = "start"
        self.examples: list[str] = []

    def __enter__(self) -> Searchers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Searches that end within the block are counted under this name."""
        self._phase, started = name, time.perf_counter()
        yield
        self._seconds[name] += time.perf_counter() - started

    def _search(self) -> None:
        with httpx.Client(base_url=self._url, timeout=30) as client:
            while not self._stop.is_set():
                with self._lock:
                    (text,) = self._queries.take(1)
                started = time.perf_counter()
                fault = _ask(client, text)
                took = time.perf_counter() - started
                with self._lock:
                    self._latencies[self._phase].append(took)
                    if fault is not None:
                        self._failures[self._phase] += 1
                        self.examples = [*self.examples, fault][:_EXAMPLES]

    def report(self) -> dict[str, Any]:
        """Figures by phase, in their order."""
        return {
            name: {
                "seconds": round(seconds, 1),
                "searches": len(self._latencies[name]),
                "failed": self._failures[name],
                **_describe(self._latencies[name]),
            }
            for name, seconds in self._seconds.items()
        }


def _ask(client: httpx.Client, text: str) -> str | None:
    """What was wrong with the answer; None if it was a page of results."""
    try:
        answer = client.post(SEARCH_PATH, json={"query": text, "limit": 10})
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}"
    if answer.status_code != 200:
        return f"{answer.status_code}: {answer.text[:200]}"
    return None if answer.json()["results"] else "no results"


def _describe(latencies: list[float]) -> dict[str, float]:
    if not latencies:
        return {}
    points = np.percentile(np.asarray(latencies) * 1_000, [50, 95, 99, 100])
    return dict(zip(("p50_ms", "p95_ms", "p99_ms", "max_ms"), points.round(1).tolist(), strict=True))


def run(stack: SearchStack, queries: QuerySource, *, clients: int, seconds: float) -> dict[str, Any]:
    """Before, during a reindex, after it, and after a rollback."""
    url = f"http://127.0.0.1:{stack.port}"
    with httpx.Client(base_url=url, timeout=60) as admin, Searchers(url, queries, clients=clients) as searchers:
        time.sleep(1)
        with searchers.phase("before"):
            time.sleep(seconds)
        with searchers.phase("reindex"):
            job = admin.post(f"{_ADMIN}/reindex", json={"reason": "benchmark"}).json()
            job = _wait(lambda: admin.get(f"/api/v1/jobs/{job['id']}").json())
        with searchers.phase("after"):
            time.sleep(seconds)
        with searchers.phase("rollback"):
            swap = admin.post(f"{_ADMIN}/rollback", json={}).json()
            _wait(lambda: admin.get(f"/api/v1/jobs/{swap['job_id']}").json())
            time.sleep(seconds)
        phases = searchers.report()
    return {"clients": clients, "job": {name: job[name] for name in ("state", "message")}, "swap": swap, **phases} | {
        "faults": searchers.examples
    }


def _wait(look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    deadline = time.monotonic() + _JOB_LIMIT_S
    while (job := look())["finished_at"] is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"job {job['id']} has not ended within {_JOB_LIMIT_S:.0f} s")
        time.sleep(0.2)
    return job


def main() -> int:
    """Print the result; 1 if a search failed or the job did."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--catalogue", type=Path, default=find_catalogue(), help="two thousand real titles, or the sample"
    )
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of the quiet phases")
    options = parser.parse_args()
    queries = QuerySource(load_seeds(find_shared_data()))
    with (
        tempfile.TemporaryDirectory(prefix="avs-bench-") as home,
        SearchStack(Path(home), catalogue=options.catalogue, env=_ENV, processes=_PROCESSES) as stack,
    ):
        result = run(stack, queries, clients=options.clients, seconds=options.seconds)
        result["titles"] = stack.get_stats()["titles"]
    sys.stdout.write(json.dumps({"machine": describe_machine(), **result}, indent=2) + "\n")
    return int(bool(result["faults"]) or result["job"]["state"] != "completed")


if __name__ == "__main__":
    sys.exit(main())
