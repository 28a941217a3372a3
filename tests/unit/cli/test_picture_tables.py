"""The reports about pictures as a terminal shows them."""

from __future__ import annotations

from cli.picture_tables import build_finding_tables
from evaluation.pictures.changes import CHANGES
from evaluation.pictures.finding import FindingReport
from tests.unit.cli.test_evaluation_tables import show


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
