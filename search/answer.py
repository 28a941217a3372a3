"""An answer, encoded once: equal searches share its bytes, and only the times and where it came from are added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson

from search.filters import CLAUSES, AllOf, AnyOf, Condition, FilterSpec, Match
from search.plan import SearchPlan
from search.retrieve import Page

# Where an answer came from: kept results, an equal search at the same time, a kept query vector, or none of them.
Source = Literal["result", "stale", "joined", "vector", "none"]


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """`body` is the JSON answer but for its end: the object and its `query_info` are left open."""

    body: bytes
    cache: Source
    took_ms: dict[str, float]

    def to_bytes(self) -> bytes:
        """The whole JSON answer, spliced rather than decoded and encoded again."""
        is_hit = self.cache in ("result", "stale")
        end = {"cache": self.cache, "cache_hit": is_hit, "took_ms": self.took_ms}
        return self.body + b"," + orjson.dumps(end)[1:] + b"}"

    def with_time(self, total_ms: float) -> SearchAnswer:
        """The same answer for somebody who waited so long for it."""
        return replace(self, took_ms={**self.took_ms, "total": total_ms})


def encode_page(
    plan: SearchPlan, page: Page, shown: Mapping[str, Any], *, next_cursor: str | None = None, has_cursor: bool = False
) -> bytes:
    """The body of a SearchAnswer: all that is the same for equal searches. `shown` adds to `query_info`."""
    answer: dict[str, Any] = {
        "results": [hit.to_json() for hit in page.hits],
        "total_found": page.total_found,
        "total_is_exact": page.total_is_exact,
    }
    if has_cursor:
        answer["next_cursor"] = next_cursor
    answer["query_info"] = describe_plan(plan, page.vectors, shown)
    return orjson.dumps(answer)[:-2]


def describe_plan(plan: SearchPlan, vectors: Sequence[str], shown: Mapping[str, Any]) -> dict[str, Any]:
    """What was done, for `query_info`."""
    is_fused = sum(vector.name in vectors for vector in plan.vectors) > 1
    return {
        "query": plan.text,
        "vectors": {vector.name: vector.weight for vector in plan.all_vectors if vector.name in vectors},
        "fusion": plan.fusion.value if is_fused else None,
        **({"rrf_k": plan.rrf_k} if is_fused and plan.fusion.value == "rrf" else {}),
        **({"boost": plan.popularity} if plan.popularity else {}),
        **({"diversity": plan.diversity} if plan.diversity else {}),
        **({"sort": {"field": plan.sort.field, "order": plan.sort.order}} if plan.sort else {}),
        **({"filters": show_filters(plan.filter)} if plan.explain else {}),
        **shown,
    }


def show_filters(spec: FilterSpec) -> dict[str, list[dict[str, Any]]]:
    """The conditions that were applied, the caller's and those read out of the text, by clause."""
    return {clause: [_show_condition(one) for one in getattr(spec, clause)] for clause in CLAUSES}


def _show_condition(condition: Condition) -> dict[str, Any]:
    if isinstance(condition, AllOf):
        return {"field": condition.conditions[0].path, "all": [one.values[0] for one in condition.conditions]}
    if isinstance(condition, AnyOf):
        return {"one_of": [_show_condition(one) for one in condition.conditions]}
    if isinstance(condition, Match):
        return {"field": condition.path, "any": list(condition.values)}
    bounds = {name: getattr(condition, name) for name in ("gt", "gte", "lt", "lte")}
    return {"field": condition.path, **{name: bound for name, bound in bounds.items() if bound is not None}}
