"""(b) and (c), and our half of (d): searches through a whole stack, against its baselines on the same server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import count, cycle, islice, product
from typing import Any

import orjson

from benchmarks.paths import HELLO_PATH, ONE_TASK_PATH, SEARCH_PATH
from benchmarks.queries import QuerySource
from benchmarks.runs import BODIES_PER_S, Run, choose_median, run_load, sum_cpu_ms
from benchmarks.stack import SearchStack

CLIENTS = (1, 8, 64)
MANY_CLIENTS = 64
LIMIT = 20
AIM_DISPATCHER = 4.0
AIM_CACHED = 0.7
_CACHED_QUERIES = 200


class SearchBench:
    """Measures one running stack; `seconds` is the length of each run."""

    def __init__(self, stack: SearchStack, queries: QuerySource, *, seconds: float, repeats: int) -> None:
        self._stack = stack
        self._queries = queries
        self._seconds = seconds
        self._repeats = repeats
        self._numbers = count()

    def compare_dispatcher(self) -> dict[str, Any]:
        """(b) Uncached searches with the dispatcher and with a Celery task for each query, in turn."""
        rows = []
        for clients in CLIENTS:
            ours, theirs = self._alternate(
                lambda clients=clients: self.search_uncached(clients=clients),  # type: ignore[misc]
                lambda clients=clients: self.search_uncached(clients=clients, prefix=ONE_TASK_PATH),  # type: ignore[misc]
            )
            ratio = round(ours["per_s"] / theirs["per_s"], 2)
            rows.append({"clients": clients, "dispatcher": ours, "one_task_a_query": theirs, "ratio": ratio})
        return {"by_clients": rows, "ratio": rows[-1]["ratio"], "aim": AIM_DISPATCHER}

    def compare_cached(self) -> dict[str, Any]:
        """(c) Cached searches, uncached ones and a hello-world route of the same server, in turn.

        A request whose very bytes were there lately is answered from the web process. Beside it the same searches in
        other bytes: these are parsed, planned and answered from Redis, as after a restart or in another process.
        """
        bodies = self._build_bodies(_CACHED_QUERIES)
        # Each text is asked for before anything is measured.
        self._load(SEARCH_PATH, bodies, clients=8, repeat=True)
        cached, in_redis, uncached, hello = self._alternate(
            lambda: self._load(SEARCH_PATH, bodies, clients=MANY_CLIENTS, repeat=True),
            lambda: self._load(SEARCH_PATH, self._rewrite(bodies), clients=MANY_CLIENTS),
            lambda: self.search_uncached(clients=MANY_CLIENTS),
            lambda: self._load(f"{HELLO_PATH}/", None, clients=MANY_CLIENTS),
        )
        for run in (cached, in_redis):
            if json.loads(run.pop("first_body"))["query_info"]["cache"] != "result":
                raise RuntimeError("the searches did not come from a cache")
        hello.pop("first_body")
        return {
            "cached": cached,
            "cached_in_redis": in_redis,
            "uncached": uncached,
            "hello_world": hello,
            "ratio": round(cached["per_s"] / hello["per_s"], 3),
            "ratio_in_redis": round(in_redis["per_s"] / hello["per_s"], 3),
            "ratio_to_uncached": round(in_redis["per_s"] / uncached["per_s"], 2),
            "aim": AIM_CACHED,
        }

    def search_uncached(
        self, *, clients: int, prefix: str = "", options: Mapping[str, Any] | None = None, any_number: bool = False
    ) -> Run:
        """One run of texts that nobody has asked for; `any_number` of results is right."""
        bodies = self._build_bodies(self._count_bodies(), options)
        run = self._load(prefix + SEARCH_PATH, bodies, clients=clients)
        answer = json.loads(run.pop("first_body"))
        if (len(answer["results"]) != LIMIT and not any_number) or answer["query_info"]["cache"] != "none":
            raise RuntimeError(f"unexpected answer: {len(answer['results'])} results, {answer['query_info']}")
        return run

    def _alternate(self, *measures: Callable[[], Run]) -> list[Run]:
        """Each in turn, several times over, so that what else the machine does hits them alike."""
        runs = [measure() for _, measure in product(range(self._repeats), measures)]
        return [choose_median(runs[index :: len(measures)]) for index in range(len(measures))]

    def _count_bodies(self) -> int:
        return round(BODIES_PER_S * (self._seconds + 2))

    def _build_bodies(self, number: int, options: Mapping[str, Any] | None = None) -> list[bytes]:
        wanted = {"limit": LIMIT, **(options or {})}
        return [orjson.dumps({"query": text, **wanted}) for text in self._queries.take(number)]

    def _rewrite(self, bodies: Sequence[bytes]) -> list[bytes]:
        """The same searches in bytes that nobody has sent: a number, in blanks and tabs, goes before each end."""
        numbers = islice(self._numbers, self._count_bodies())
        return [rewrite(body, number) for body, number in zip(cycle(bodies), numbers, strict=False)]

    def _load(self, path: str, bodies: Sequence[bytes] | None, *, clients: int, repeat: bool = False) -> Run:
        run = run_load(
            port=self._stack.port,
            path=path,
            bodies=bodies,
            clients=clients,
            seconds=self._seconds,
            read_cpu=self._stack.read_cpu,
            repeat=repeat,
        )
        run["server_cpu_ms"] = sum_cpu_ms(run)
        return run


def rewrite(body: bytes, number: int) -> bytes:
    """The same JSON object in other bytes for each number."""
    return body[:-1] + f"{number:b}".replace("0", " ").replace("1", "\t").encode() + b"}"
