"""What the benchmarks say: medians, rows, and nothing of the machine's folders."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.__main__ import describe_options, parse_options
from benchmarks.machine import describe_machine
from benchmarks.report import build_rows, build_table
from benchmarks.runs import choose_median, sum_cpu_ms
from benchmarks.search import rewrite

_RUN = {"per_s": 100.0, "p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 2.5, "server_cpu_ms": 3.0, "errors": 0}
_SLOW = {**_RUN, "per_s": 20.0, "errors": 2}


def _build_results() -> dict[str, Any]:
    row = {"clients": 64, "dispatcher": _RUN, "one_task_a_query": _SLOW, "ratio": 5.0}
    return {
        "machine": {"cpu": "a processor", "cores": 2},
        "b": {"by_clients": [{**row, "clients": 1, "ratio": 0.9}, row], "ratio": 5.0, "aim": 4.0},
        "c": {
            "cached": _SLOW,
            "cached_in_redis": _SLOW,
            "uncached": _SLOW,
            "hello_world": _RUN,
            "ratio": 0.2,
            "ratio_in_redis": 0.2,
            "ratio_to_uncached": 1.0,
            "aim": 0.7,
        },
        "d": {
            "single_vector": _RUN,
            "default_plan": _SLOW,
            "infinity": _RUN,
            "ratio": 1.0,
            "ratio_default_plan": 0.2,
            "aim": 1.0,
        },
    }


def test_the_median_run_stands_for_all() -> None:
    """One run is chosen whole, so that its figures belong together, and all throughputs are kept."""
    runs = [{"per_s": 10.0, "p50_ms": 1}, {"per_s": 30.0, "p50_ms": 3}, {"per_s": 20.0, "p50_ms": 2}]
    assert choose_median(runs) == {"per_s": 20.0, "p50_ms": 2, "per_s_of_all_runs": [10.0, 30.0, 20.0]}


def test_the_load_generator_is_no_cost_of_the_server() -> None:
    """Its own CPU time is shown and left out of the sum."""
    assert sum_cpu_ms({"cpu_ms": {"web": 1.0, "qdrant": 0.5, "load": 9.0}}) == 1.5


def test_only_aims_that_were_set_are_judged() -> None:
    """(b) is judged at 64 clients, (d) for one vector."""
    rows = {name: (ratio, aim) for name, _, _, ratio, aim in build_rows(_build_results())}
    assert rows == {
        "(b) dispatcher, one task a query: 1 clients": (0.9, None),
        "(b) dispatcher, one task a query: 64 clients": (5.0, 4.0),
        "(c) cached, hello-world": (0.2, 0.7),
        "(c) cached in Redis, hello-world": (0.2, None),
        "(c) cached in Redis, uncached": (1.0, None),
        "(d) one vector, infinity-emb": (1.0, 1.0),
        "(d) default plan, infinity-emb": (0.2, None),
    }


def test_a_rewritten_body_means_the_same_in_other_bytes() -> None:
    """Only the answer kept by meaning is found for it, not the one kept by bytes."""
    body = b'{"query":"sad robots","limit":20}'
    rewritten = [rewrite(body, number) for number in range(100)]
    assert len({body, *rewritten}) == 101
    assert all(json.loads(other) == json.loads(body) for other in rewritten)


def test_errors_are_shown_beside_the_throughput() -> None:
    """A fast server that refuses is not mistaken for a good one."""
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(build_table(_build_results()))
    assert "2 errors" in console.export_text()


def test_results_name_no_folder_of_the_machine(tmp_path: Path) -> None:
    """Results are published: the catalogue goes in by its name alone."""
    catalogue = tmp_path / "titles.jsonl"
    catalogue.write_text("")
    options = parse_options(["--catalogue", str(catalogue), "--only", "b, d"])
    text = json.dumps({"machine": describe_machine(), "options": describe_options(options)})
    assert "titles.jsonl" in text
    assert str(tmp_path) not in text
    assert str(Path.cwd()) not in text


@pytest.mark.parametrize("arguments", [["--only", "z"], ["--seconds", "0"], ["--catalogue", "missing.jsonl"]])
def test_wrong_options_end_with_status_2(arguments: list[str]) -> None:
    """Nothing is started for a command line that cannot be meant."""
    with pytest.raises(SystemExit) as caught:
        parse_options(arguments)
    assert caught.value.code == 2
