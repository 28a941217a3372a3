"""How well the running service finds what the sample queries mean: `make run`, `avs import` the sample, then this.

Prints success@1, success@3 and MRR for the default plan, the title vector alone and the lexical vector alone.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import requests

_QUERIES = Path(__file__).resolve().parents[1] / "data" / "sample-queries.jsonl"
_PLANS: dict[str, list[str] | None] = {
    "default": None,
    "title_vector": ["title_vector"],
    "lexical_sparse": ["lexical_sparse"],
}
_DEPTH = 50


def main() -> None:
    """One JSON line a plan."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api", default="http://127.0.0.1:8002", help="address of the API")
    api: str = parser.parse_args().api
    queries = [json.loads(line) for line in _QUERIES.read_text(encoding="utf-8").splitlines()]
    for name, vectors in _PLANS.items():
        ranks = [find_rank(api, query, vectors) for query in queries]
        print(json.dumps({"plan": name, **summarise(ranks)}))


def find_rank(api: str, query: dict[str, Any], vectors: list[str] | None) -> int | None:
    """Position from 1 of the first expected title; None if it is not among the first results."""
    body = {"query": query["query"], "limit": _DEPTH, "fields": ["title"], **({"vectors": vectors} if vectors else {})}
    answer = requests.post(f"{api}/api/v1/search", json=body, timeout=30)
    answer.raise_for_status()
    titles = [result["payload"]["title"] for result in answer.json()["results"]]
    return next((rank for rank, title in enumerate(titles, start=1) if title in query["expect"]), None)


def summarise(ranks: list[int | None]) -> dict[str, float]:
    """Shares of all queries, and the mean of 1 / rank."""
    found = [rank for rank in ranks if rank is not None]
    return {
        "queries": len(ranks),
        "success@1": round(sum(rank == 1 for rank in found) / len(ranks), 3),
        "success@3": round(sum(rank <= 3 for rank in found) / len(ranks), 3),
        "mrr": round(sum(1 / rank for rank in found) / len(ranks), 3),
    }


if __name__ == "__main__":
    main()
