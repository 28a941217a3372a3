"""(e) and (f): mixed traffic at 100 connections, and what explanations, fusions and filters cost.

Mixed traffic is 70% searches by text, 20% titles like a title and 10% batches of ten searches. `fresh` asks for what
nobody has asked for; `returning` draws its texts and titles from few, as visitors do, so that most come from the cache.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice
from typing import Any

import httpx
import orjson

from benchmarks.paths import BATCH_PATH, SEARCH_PATH, SIMILAR_PATH
from benchmarks.queries import QuerySource
from benchmarks.runs import BODIES_PER_S, Run, run_load, sum_cpu_ms
from benchmarks.search import LIMIT, SearchBench
from benchmarks.stack import SearchStack

CLIENTS = 100
AIM_ERRORS = 0
BATCH = 10
_SHARES = (("text", 70), ("similar", 20), ("batch", 10))
_RETURNING = 200
_COST_CLIENTS = 32
# What one search is asked for beyond the default; each is compared with the default in the same run.
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "explain": {"explain": True},
    "dbsf": {"fusion": "dbsf"},
    "linear": {"fusion": "linear"},
    "one vector": {"vectors": ["title_vector"], "boost": 0.0},
    "five vectors": {
        "vectors": ["title_vector", "genre_vector", "staff_vector", "temporal_vector", "lexical_sparse"],
    },
    "boost 1": {"boost": 1.0},
    "no expansion": {"expand": False},
    "filter by type": {"filters": {"type": "tv"}},
    "filter by genre and years": {"filters": {"genres": "action", "year": {"gte": 2000, "lt": 2015}}},
    "least similarity": {"min_score": 0.2},
    "diversity": {"diversity": 0.5},
    "sort": {"sort": {"field": "year"}},
}


def compare_mixed(stack: SearchStack, queries: QuerySource, *, seconds: float) -> dict[str, Any]:
    """(e) Requests a second, latencies and errors, fresh and returning."""
    rng = random.Random(7)
    titles = _load_titles(stack)
    count = round(BODIES_PER_S * (seconds + 2))
    fresh = _run(stack, _mix(rng, iter(queries.take(2 * count)), cycle(titles), count), seconds=seconds)
    known = queries.take(_RETURNING)
    texts, few = cycle(rng.choices(known, k=5_000)), cycle(rng.choices(titles[:_RETURNING], k=5_000))
    returning = _run(stack, _mix(rng, texts, few, count), seconds=seconds)
    return {
        "clients": CLIENTS,
        "fresh": fresh,
        "returning": returning,
        "ratio": round(returning["per_s"] / fresh["per_s"], 2),
        "errors": fresh["errors"] + returning["errors"],
        "aim_errors": AIM_ERRORS,
    }


def compare_costs(bench: SearchBench) -> dict[str, Any]:
    """(f) Searches of each variant against the default, in turn, with texts that nobody has asked for."""
    default = bench.search_uncached(clients=_COST_CLIENTS)
    variants: dict[str, Any] = {}
    for name, options in VARIANTS.items():
        run = bench.search_uncached(clients=_COST_CLIENTS, options=options, any_number=True)
        again = bench.search_uncached(clients=_COST_CLIENTS)
        baseline = (default["server_cpu_ms"] + again["server_cpu_ms"]) / 2
        variants[name] = {**run, "cost": round(run["server_cpu_ms"] / baseline, 2)}
        default = again
    return {"clients": _COST_CLIENTS, "default": default, "variants": variants}


def _run(stack: SearchStack, requests: Sequence[bytes], *, seconds: float) -> Run:
    run = run_load(
        port=stack.port,
        path=SEARCH_PATH,
        bodies=requests,
        clients=CLIENTS,
        seconds=seconds,
        read_cpu=stack.read_cpu,
        are_requests=True,
    )
    run["server_cpu_ms"] = sum_cpu_ms(run)
    run.pop("first_body")
    return run


def _mix(rng: random.Random, texts: Iterator[str], titles: Iterator[str], count: int) -> list[bytes]:
    """Requests as the load generator reads them: {"path", "body"}."""
    kinds = rng.choices([kind for kind, _ in _SHARES], [share for _, share in _SHARES], k=count)
    return [orjson.dumps(_build(kind, texts, titles)) for kind in kinds]


def _build(kind: str, texts: Iterator[str], titles: Iterator[str]) -> dict[str, Any]:
    if kind == "similar":
        return {"path": f"{SIMILAR_PATH}/{next(titles)}?limit={LIMIT}", "body": None}
    if kind == "batch":
        queries = [{"query": text, "limit": LIMIT} for text in islice(texts, BATCH)]
        return {"path": BATCH_PATH, "body": {"queries": queries}}
    return {"path": SEARCH_PATH, "body": {"query": next(texts), "limit": LIMIT}}


def _load_titles(stack: SearchStack) -> list[str]:
    """Up to 1,000 titles, the best known first."""
    answer = httpx.post(
        f"http://127.0.0.1:{stack.port}{SEARCH_PATH}", json={"limit": 1_000, "fields": ["title"]}, timeout=30
    )
    answer.raise_for_status()
    return [result["id"] for result in answer.json()["results"]]
