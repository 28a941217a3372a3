"""(d) Whole searches a second against the embeddings a second of infinity-emb: same model, texts, clients, load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.infinity import PATH, InfinityServer, build_body, check_answer
from benchmarks.queries import QuerySource
from benchmarks.runs import BODIES_PER_S, Run, choose_median, run_load, sum_cpu_ms
from benchmarks.search import MANY_CLIENTS, SearchBench

AIM = 1.0
SINGLE_VECTOR = {"vectors": ["title_vector"]}


def compare(search: SearchBench, queries: QuerySource, *, seconds: float, repeats: int, log: Path) -> dict[str, Any]:
    """One vector, the default plan and infinity in turn; the servers that are not asked stand still."""
    runs: dict[str, list[Run]] = {"single_vector": [], "default_plan": [], "infinity": []}
    with InfinityServer(log=log) as infinity:
        for _ in range(repeats):
            runs["single_vector"].append(search.search_uncached(clients=MANY_CLIENTS, options=SINGLE_VECTOR))
            runs["infinity"].append(_embed(infinity, queries, seconds=seconds))
            runs["default_plan"].append(search.search_uncached(clients=MANY_CLIENTS))
    chosen = {name: choose_median(of_one) for name, of_one in runs.items()}
    yardstick = chosen["infinity"]["per_s"]
    return {
        **chosen,
        "ratio": round(chosen["single_vector"]["per_s"] / yardstick, 2),
        "ratio_default_plan": round(chosen["default_plan"]["per_s"] / yardstick, 2),
        "aim": AIM,
    }


def _embed(infinity: InfinityServer, queries: QuerySource, *, seconds: float) -> Run:
    run = run_load(
        port=infinity.port,
        path=PATH,
        bodies=[build_body(text) for text in queries.take(round(BODIES_PER_S * (seconds + 2)))],
        clients=MANY_CLIENTS,
        seconds=seconds,
        read_cpu=infinity.read_cpu,
    )
    check_answer(run.pop("first_body"))
    run["server_cpu_ms"] = sum_cpu_ms(run)
    return run
