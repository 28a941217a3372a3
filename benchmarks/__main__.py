"""`python -m benchmarks`: the comparisons, as a table of ratios and as JSON.

(a) the pipeline against the bare encoder       (b) the dispatcher against a Celery task for each query
(c) cached searches against hello-world         (d) whole searches against infinity-emb's embeddings
(e) mixed traffic at 100 connections            (f) what explanations, fusions and filters cost
(g) pictures from other hosts into the store, against img2dataset
(h) stored pictures to vectors, against the bare encoder
(i) searches by picture, and by text and picture
(j) titles a day of enrichment, against stand-ins with the providers' true limits
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.machine import describe_machine
from benchmarks.queries import QuerySource, find_shared_data, load_seeds
from benchmarks.report import build_table
from core.log import configure_logging
from core.settings import load_settings

_ROOT = Path(__file__).resolve().parents[1]
_PARTS = "abcdefghij"
_SAMPLE = _ROOT / "data" / "sample-catalogue.jsonl"
_SHARED = Path("catalogue") / "anime-2k.jsonl.zst"


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is asked for, print the table and write the JSON."""
    options = parse_options(argv)
    console = Console()
    # The supervisor tells of each process that it starts; only its worries belong on this terminal.
    configure_logging(load_settings().model_copy(update={"log_level": "WARNING"}))
    results: dict[str, Any] = {"machine": describe_machine(), "options": describe_options(options)}
    if "a" in options.only:
        console.print("(a) pipeline and bare encoder ...")
        results["a"] = measure_pipeline(options)
    if options.only & set("bcdef"):
        results.update(measure_searches(options, console))
    if "g" in options.only:
        console.print("(g) downloader and img2dataset ...")
        results["g"] = measure_downloads(options)
    if "h" in options.only:
        console.print("(h) pictures to vectors ...")
        results["h"] = measure_picture_encoding(options)
    if "i" in options.only:
        console.print("(i) searches by picture ...")
        results["i"] = measure_picture_search(options)
    if "j" in options.only:
        console.print("(j) a day of enrichment ...")
        results["j"] = measure_enrichment()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    console.print(build_table(results))


def parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; exits with 2 on a wrong one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", type=_parse_parts, default=set(_PARTS), help="such as b,c; all by default")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of each measured run")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each side, in turn; the median one counts")
    parser.add_argument("--titles", type=int, default=300, help="titles of (a)")
    parser.add_argument("--catalogue", type=Path, default=find_catalogue())
    parser.add_argument("--out", type=Path, default=_ROOT / "benchmarks" / "results" / "latest.json")
    options = parser.parse_args(argv)
    if not 1 <= options.seconds <= 120 or not 1 <= options.repeats <= 20:
        parser.error("--seconds must be 1 to 120 and --repeats 1 to 20")
    if not options.catalogue.exists():
        parser.error("--catalogue: no such file")
    return options


def find_catalogue() -> Path:
    """Two thousand real titles where the shared data is present, else the sample."""
    shared = find_shared_data() / _SHARED
    return shared if shared.exists() else _SAMPLE


def measure_pipeline(options: argparse.Namespace) -> dict[str, Any]:
    """(a)."""
    from benchmarks import pipeline

    return pipeline.run(catalogue=options.catalogue, titles=options.titles)


def measure_downloads(options: argparse.Namespace) -> dict[str, Any]:
    """(g)."""
    from benchmarks import downloads

    return downloads.run(pictures=3_000, repeats=options.repeats)


def measure_picture_encoding(options: argparse.Namespace) -> dict[str, Any]:
    """(h)."""
    from benchmarks import picture_encoding

    return picture_encoding.run(pictures=512, repeats=options.repeats)


def measure_picture_search(options: argparse.Namespace) -> dict[str, Any]:
    """(i)."""
    from benchmarks import picture_search

    return picture_search.run(sample=_SAMPLE, seconds=options.seconds)


def measure_enrichment() -> dict[str, Any]:
    """(j)."""
    from benchmarks import enrichment

    return enrichment.run(titles=100, rate_factor=12.0, day_titles=1_100, day_factor=120.0, true_s=60.0)


def measure_searches(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """(b) to (f) on one stack."""
    from benchmarks import infinity, infinity_bench, mixed
    from benchmarks.search import SearchBench
    from benchmarks.stack import SearchStack

    if "d" in options.only:
        console.print("(d) environment of infinity-emb ...")
        infinity.ensure_environment()
    queries = QuerySource(load_seeds(find_shared_data()))
    results: dict[str, Any] = {}
    console.print("starting a stack and indexing ...")
    with (
        tempfile.TemporaryDirectory(prefix="avs-bench-") as home,
        SearchStack(Path(home), catalogue=options.catalogue) as stack,
    ):
        bench = SearchBench(stack, queries, seconds=options.seconds, repeats=options.repeats)
        results["titles"] = stack.get_stats()["titles"]
        if "b" in options.only:
            console.print("(b) dispatcher and one task a query ...")
            results["b"] = bench.compare_dispatcher()
        if "c" in options.only:
            console.print("(c) cached and hello-world ...")
            results["c"] = bench.compare_cached()
        if "e" in options.only:
            console.print("(e) mixed traffic ...")
            results["e"] = mixed.compare_mixed(stack, queries, seconds=options.seconds)
        if "f" in options.only:
            console.print("(f) explanations, fusions, filters ...")
            results["f"] = mixed.compare_costs(bench)
        if "d" in options.only:
            console.print("(d) searches and infinity-emb ...")
            results["d"] = infinity_bench.compare(
                bench,
                queries,
                seconds=options.seconds,
                repeats=options.repeats,
                log=Path(home) / "logs" / "infinity.log",
            )
    return results


def _parse_parts(text: str) -> set[str]:
    parts = {part.strip() for part in text.split(",")}
    if not parts or not parts <= set(_PARTS):
        raise argparse.ArgumentTypeError(f"must be some of {','.join(_PARTS)}")
    return parts


def describe_options(options: argparse.Namespace) -> dict[str, Any]:
    """What was asked for, without a path of this machine."""
    return {
        "only": sorted(options.only),
        "seconds": options.seconds,
        "repeats": options.repeats,
        "titles_of_a": options.titles,
        "catalogue": options.catalogue.name,
    }


if __name__ == "__main__":
    main()
