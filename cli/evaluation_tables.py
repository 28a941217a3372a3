"""The reports of `avs eval` for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from evaluation.choosing import Choice
from evaluation.memory import MemoryPlan
from evaluation.metrics import Comparison
from evaluation.recall import RecallOfVector
from evaluation.report import Section
from evaluation.search_quality import SearchReport
from evaluation.similar_quality import DECIDED_BY, HALVES, SimilarReport
from search.plan import Fusion


def build_search_tables(report: SearchReport) -> list[Any]:
    """A table a group of queries, and success@1 by kind."""
    kinds = new_table("success@1 by kind of query", "kind", next(iter(report.kinds.values()), {}))
    for kind, methods in report.kinds.items():
        kinds.add_row(kind, *(f"{value:.3f}" for value in methods.values()))
    return [*map(build_section_table, report.sections), kinds]


def build_similar_tables(report: SimilarReport) -> list[Any]:
    """A table a half, and what we gain."""
    gain = f"{report.gain:+.1%} in {DECIDED_BY} over the best of the others, on the half {HALVES[1]}"
    return [*map(build_section_table, report.sections), f"default: {gain}"]


def build_recall_tables(
    found: Sequence[RecallOfVector], plans: Sequence[MemoryPlan], files: Mapping[str, Mapping[str, float]]
) -> list[Any]:
    """Recall by vector, and bytes a title."""
    recall = new_table(
        "recall@10 against exact search", "vector", ("priority", "points", "by stored", "by text", "worst")
    )
    for one in found:
        figures = ("-" if value is None else f"{value:.4f}" for value in (one.by_stored, one.by_text, one.worst))
        recall.add_row(one.name, one.priority.value, str(one.points), *figures)
    memory = new_table(
        "bytes a title, all dense vectors", "", ("resident", "float32", "saved", "graphs", "resident, a million titles")
    )
    for plan in plans:
        graphs = "not seen" if plan.graphs is None else f"{plan.graphs:,.0f}"
        memory.add_row(
            f"{plan.dimension} dimensions" + (f", pictures {plan.image_dimension}" if plan.image_dimension else ""),
            f"{plan.resident:,}",
            f"{plan.float32:,}",
            f"{plan.saved:.1%}",
            graphs,
            f"{plan.resident / 1e3:.2f} GB",
        )
    return [recall, memory, _describe_files(files)]


def _describe_files(files: Mapping[str, Mapping[str, float]]) -> str:
    if not files:
        return "The files of the collection are not on this machine: computed from the settings alone."
    total = {part: sum(one[part] for one in files.values()) for part in ("quantized", "graph")}
    return f"Seen on disk, bytes a title: {total['quantized']:,.0f} quantized, {total['graph']:,.0f} graphs."


def build_choice_table(choices: Mapping[str, Choice]) -> Table:
    """What was chosen for each fusion, beside what is in use."""
    table = new_table("NDCG@10", "", (*HALVES, "against present", "vectors", "popularity"))
    for name, choice in choices.items():
        recipe = choice.recipe
        fusion = f"{recipe.fusion.value} k {recipe.rrf_k}" if recipe.fusion is Fusion.RRF else recipe.fusion.value
        vectors = (f"{vector} {weight:g}" for vector, weight in recipe.weights.items() if weight)
        table.add_row(
            f"{name}: {fusion}" if name == "present" else fusion,
            f"{choice.chosen_on:.4f}",
            f"{choice.reported_on:.4f}",
            show_test(choice.test),
            "\n".join(vectors),
            f"{recipe.popularity:g}",
        )
    return table


def build_section_table(section: Section) -> Table:
    """Methods with their means; differences to the best single one below them."""
    metrics = list(next(iter(section.means.values())))
    table = new_table(f"{section.name}: {section.queries} queries; tests against {section.best_single}", "", metrics)
    for method, means in section.means.items():
        tests = section.tests.get(method, {})
        cells = (f"{means[metric]:.3f}" + (f"\n{show_test(tests[metric])}" if tests else "") for metric in metrics)
        table.add_row(method, *cells)
    return table


def show_test(test: Comparison) -> str:
    """The difference, and how probable one of this size is by chance."""
    return f"{test.difference:+.3f} p {_show_p(test.p_randomisation)}"


def _show_p(value: float) -> str:
    return "< .001" if value < 0.001 else f"{value:.3f}"


def new_table(title: str, first: str, others: Sequence[str] | Mapping[str, Any]) -> Table:
    """A table of figures: names at the left, numbers at the right."""
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", show_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right")
    return table
