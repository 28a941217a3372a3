"""The reports about pictures as a terminal shows them."""

from __future__ import annotations

from cli.picture_tables import build_finding_tables, build_grouping_tables, build_multimodal_tables
from evaluation.metrics import Comparison
from evaluation.pictures.changes import CHANGES
from evaluation.pictures.finding import FindingReport
from evaluation.pictures.grouping import BETTER, GROUP, MEAN, GroupingReport
from evaluation.pictures.multimodal import evaluate_multimodal
from tests.unit.cli.test_evaluation_tables import show
from tests.unit.evaluation.pictures.test_mixing import StubSearch, make_queries


def make_report(encoder: str, value: float) -> FindingReport:
    """The same figure for all changes."""
    means = {change: {"success@1": value, "success@10": 1.0, "mrr": value} for change in CHANGES}
    return FindingReport("shared pictures", encoder, 385, 4, means, dict.fromkeys(CHANGES, value))


def test_encoders_stand_beside_each_other_and_the_aim_is_told() -> None:
    """One row a change, two columns an encoder; who misses the aim is told by how much."""
    text = show(*build_finding_tables([make_report("good", 0.99), make_report("bad", 0.5)]))
    assert "shared pictures: 385 pictures; 4 have a near duplicate" in text
    row = next(line for line in text.splitlines() if "centre crop" in line)
    assert row.split()[-4:] == ["0.990", "1.000", "0.500", "1.000"]
    assert "good: success@1 of 0.95 on the first four changes reached." in text
    assert "bad: success@1 of 0.95 on the first four changes missed: JPEG quality 30 0.500." in text


def test_multimodal_tables_tell_gain_curve_and_fusions() -> None:
    """A table a pair of noises, the curve over all weights, and every fusion."""
    queries = make_queries(8)
    report = evaluate_multimodal(StubSearch(queries), queries, seed=7, progress=lambda _: None)
    text = show(*build_multimodal_tables(report))
    assert "two facts + centre crop 70%: 4 queries" in text
    assert "+100.0% in ndcg@10 (aim +15%)" in text
    assert "ranks (k 60)" in text
    curve = next(
        line for line in text.splitlines() if line.startswith(" three facts + centre") and "queries" not in line
    )
    assert len(curve.split()) >= 11


def test_grouping_tables_name_both_ways() -> None:
    """Figures by change and way, and the test between the two."""
    figures = {way: {"success@1": 0.5, "ndcg@10": 0.6} for way in (MEAN, BETTER, GROUP)}
    test = Comparison(0.125, 0.01, 0.02)
    report = GroupingReport(2, 9, {"cover": {"mirrored": figures}}, {"cover": {"success@1": test, "ndcg@10": test}})
    text = show(*build_grouping_tables(report))
    assert "2 titles with 9 pictures" in text
    assert "best or mean against better of two means: +0.125 p 0.010" in text
