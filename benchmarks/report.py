"""The results as a table: what was measured, against what, the ratio, the aim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

Row = tuple[str, str, str, float, float | None]


def build_table(results: Mapping[str, Any]) -> Table:
    """One line a comparison; a ratio below its aim is red."""
    machine = results["machine"]
    table = Table(title=f"{machine['cpu']}, {machine['cores']} cores", title_justify="left")
    for column in ("comparison", "ours", "baseline", "ratio", "aim"):
        table.add_column(column, overflow="fold")
    for name, ours, baseline, ratio, aim in build_rows(results):
        colour = "default" if aim is None else "green" if ratio >= aim else "red"
        table.add_row(name, ours, baseline, f"[{colour}]{ratio:.2f}[/]", "" if aim is None else f">= {aim:g}")
    return table


def build_rows(results: Mapping[str, Any]) -> Iterator[Row]:
    """Name, ours, baseline, ratio and aim of every comparison that was run."""
    if (a := results.get("a")) is not None:
        ours, bare = a["pipeline"], a["bare_encoder"]
        baseline = f"{bare['passages_per_s']:.1f} passages/s"
        yield (
            "(a) pipeline, bare encoder",
            f"{ours['titles_per_s']} titles/s",
            baseline,
            a["ratio_titles_per_s"],
            a["aim"],
        )
    if (b := results.get("b")) is not None:
        for row in b["by_clients"]:
            aim = b["aim"] if row is b["by_clients"][-1] else None
            name = f"(b) dispatcher, one task a query: {row['clients']} clients"
            yield name, _describe(row["dispatcher"]), _describe(row["one_task_a_query"]), row["ratio"], aim
    if (c := results.get("c")) is not None:
        hello = _describe(c["hello_world"])
        yield "(c) cached, hello-world", _describe(c["cached"]), hello, c["ratio"], c["aim"]
        yield "(c) cached in Redis, hello-world", _describe(c["cached_in_redis"]), hello, c["ratio_in_redis"], None
        uncached = _describe(c["uncached"])
        yield "(c) cached in Redis, uncached", _describe(c["cached_in_redis"]), uncached, c["ratio_to_uncached"], None
    if (d := results.get("d")) is not None:
        yardstick = _describe(d["infinity"])
        yield "(d) one vector, infinity-emb", _describe(d["single_vector"]), yardstick, d["ratio"], d["aim"]
        yield "(d) default plan, infinity-emb", _describe(d["default_plan"]), yardstick, d["ratio_default_plan"], None
    if (e := results.get("e")) is not None:
        name = f"(e) mixed traffic, returning and fresh: {e['clients']} connections"
        yield name, _describe(e["returning"]), _describe(e["fresh"]), e["ratio"], None
    if (f := results.get("f")) is not None:
        for name, run in f["variants"].items():
            yield f"(f) CPU of {name}, of the default", _describe(run), _describe(f["default"]), run["cost"], None
    if (g := results.get("g")) is not None:
        ours, theirs, small = (
            f"{side['per_s']:.0f}/s, {side['cpu_ms']:.1f} CPU-ms"
            for side in (g["ours"], g["img2dataset"], g["img2dataset_with_small_copies"])
        )
        yield f"(g) downloads, img2dataset: {g['connections']} connections", ours, theirs, g["ratio"], g["aim"]
        ratio = round(g["ours"]["per_s"] / g["img2dataset_with_small_copies"]["per_s"], 2)
        yield "(g) downloads, img2dataset as it is used (copies of 256 pixels)", ours, small, ratio, None
    if (h := results.get("h")) is not None:
        for name, run in h["encoders"].items():
            ours, bare = (
                f"{side['per_s']:.0f}/s, {side['cpu_ms']:.1f} CPU-ms" for side in (run["end_to_end"], run["bare"])
            )
            yield f"(h) stored pictures, bare {name}", ours, bare, run["ratio"], h["aim"]
    yield from _list_later(results)


def _list_later(results: Mapping[str, Any]) -> Iterator[Row]:
    for part, list_rows in (("i", _list_picture_searches), ("j", _list_enrichment)):
        if part in results:
            yield from list_rows(results[part])


def _list_picture_searches(i: Mapping[str, Any]) -> Iterator[Row]:
    """The 95th percentile against its aim, which is for one client; searches by text stand beside them."""
    for way, found in i["ways"].items():
        for kind, aim_ms in (("picture", i["aim_ms"]), ("both", i["aim_both_ms"])):
            for run, text in zip(found[kind], found["text"], strict=True):
                aim = 1.0 if run["clients"] == 1 else None
                name = f"(i) search by {kind} ({way}): {run['clients']} clients; by text"
                yield name, _describe(run), _describe(text), round(aim_ms / run["p95_ms"], 2), aim


def _list_enrichment(j: Mapping[str, Any]) -> Iterator[Row]:
    """Titles a day against the aim; requests beyond a limit against none: a ratio of 1 if there was not one."""
    aim = f"{j['aim']:,} titles/day"
    for rate in j["rates"]:
        name = f"(j) all but AniDB, {rate['workers']} workers"
        yield name, f"{rate['titles_a_day']:,} titles/day", aim, round(rate["titles_a_day"] / j["aim"], 2), 1.0
    day = j["day"]
    enriched = day["hours"][-1]["enriched"]
    ours = f"{enriched:,} of {day['titles']:,} titles"
    yield "(j) the same day, titles with what others said", ours, aim, round(enriched / j["aim"], 2), 1.0
    ours = f"{day['complete']:,} of {day['titles']:,} titles in {day['hours'][-1]['hour']:g} h"
    yield "(j) a day with three providers in trouble, all six", ours, aim, round(day["complete"] / j["aim"], 2), 1.0
    runs = (
        ("in true time", j["true_time"]),
        *((f"{rate['workers']} workers", rate) for rate in j["rates"]),
        ("the day", day),
    )
    for name, run in runs:
        requests = sum(limits["requests"] for limits in run["limits"].values())
        over = sum(limits["over"] for limits in run["limits"].values())
        ours = f"{over} of {requests:,} requests"
        yield f"(j) beyond a limit: {name}", ours, "none", 1.0 if over == 0 else 0.0, 1.0


def _describe(run: Mapping[str, Any]) -> str:
    errors = f", {run['errors']} errors" if run["errors"] else ""
    latencies = "/".join(f"{run[name]:.1f}" for name in ("p50_ms", "p95_ms", "p99_ms"))
    return f"{run['per_s']:.0f}/s, {latencies} ms, {run['server_cpu_ms']:.2f} CPU-ms{errors}"
