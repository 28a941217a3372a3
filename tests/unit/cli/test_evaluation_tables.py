"""The reports of `avs eval` as a terminal shows them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from rich.console import Console

from cli.evaluation_tables import (
    build_choice_table,
    build_recall_tables,
    build_search_tables,
    build_similar_tables,
)
from core.settings import Settings
from core.vectors import Priority
from evaluation.choosing import Choice
from evaluation.fusing import Recipe
from evaluation.memory import build_memory_plan
from evaluation.metrics import Comparison
from evaluation.recall import RecallOfVector
from evaluation.report import Measured, Section, build_section
from evaluation.search_quality import SearchReport
from evaluation.similar_quality import SimilarReport
from search.plan import Fusion


def show(*parts: Any) -> str:
    """What a wide terminal prints."""
    console = Console(file=io.StringIO(), width=200)
    console.print(*parts)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def make_section(name: str) -> Section:
    """Two single methods and ours, which finds everything."""
    values = {
        "weak": {"mrr": np.zeros(20)},
        "strong": {"mrr": np.tile([0.0, 1.0], 10)},
        "ours": {"mrr": np.ones(20)},
    }
    measured = Measured(values, frozenset({"weak", "strong"}))
    return build_section(measured, name, np.ones(20, bool), metrics=["mrr"], decided_by="mrr", seed=1)


def test_sections_name_the_best_single_method_and_test_against_it() -> None:
    """Ours gains a half over the stronger one, and by chance that hardly happens."""
    section = make_section("known-item")
    assert section.best_single == "strong"
    assert set(section.tests) == {"ours"}
    text = show(*build_search_tables(SearchReport((section,), {"title": {"weak": 0.25, "ours": 1.0}})))
    assert "known-item: 20 queries" in text
    assert "tests against strong" in text
    assert "+0.500 p 0.00" in text
    assert "0.250" in text


def test_a_gain_is_shown_in_percent() -> None:
    """With the half that it was measured on."""
    text = show(*build_similar_tables(SimilarReport((make_section("chosen on"), make_section("reported on")), 0.4)))
    assert "default: +40.0% in ndcg@10 over the best of the others, on the half reported on" in text


def test_memory_says_whether_anybody_looked() -> None:
    """Figures of the settings alone are not passed off as seen."""
    found = [RecallOfVector("title_vector", Priority.HIGH, 39_736, 0.9995, 0.9925, 0.8, 400)]
    found.append(RecallOfVector("image_vector", Priority.HIGH, 39_000, 0.9871, None, 0.7, 200))
    settings = Settings(_env_file=None)
    computed = show(*build_recall_tables(found, [build_memory_plan(settings, dimension=384)], {}))
    assert "not on this machine" in computed
    assert "not seen" in computed
    assert "0.9925" in computed and "0.9871" in computed
    files = {"title_vector": {"quantized": 388.0, "graph": 74.0}}
    seen = show(*build_recall_tables(found, [build_memory_plan(settings, dimension=384, graphs=74.0)], files))
    assert "388 quantized, 74 graphs" in seen
    assert "79.2%" in seen


def test_choices_are_shown_beside_what_is_in_use() -> None:
    """Vectors that take no part are left out; k is told of rank fusion only."""
    test = Comparison(0.01, 0.0004, 0.0)
    rrf = Choice(Recipe(Fusion.RRF, {"title_vector": 1.0, "genre_vector": 0.0}, 5, 0.0), 0.5, 0.4, test)
    dbsf = Choice(Recipe(Fusion.DBSF, {"lexical_sparse": 3.0}, 5, 1.0), 0.6, 0.5, test)
    text = show(build_choice_table({"present": rrf, "dbsf": dbsf}))
    assert "present: rrf k 5" in text
    assert "lexical_sparse 3" in text
    assert "genre_vector" not in text
    assert "+0.010 p < .001" in text
