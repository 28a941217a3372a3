"""`avs eval images`: changed copies of known pictures, searched exactly among all of their set, by encoder.

Right is the picture itself, and a near duplicate of it in the same set (`sets.build_set`): nobody could say which of
the two a copy was made from. `itself` in the report counts the very picture alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.catalogue import NothingToEvaluateError
from evaluation.metrics import score_lists
from evaluation.pictures.changes import CHANGES, Change
from evaluation.pictures.embedding import Progress, embed, rank
from evaluation.pictures.sets import PictureSet
from inference.pictures.base import PictureEncoder

METRICS = ("success@1", "success@10", "mrr")
# The changes that the aim for the classical descriptor is about.
AIMED = tuple(CHANGES)[:4]
AIM = 0.95
_DEPTH = 10
_TWO = 2


@dataclass(frozen=True)
class FindingReport:
    """One set by one encoder. `means` by change and metric; `itself` is success@1 of the very picture."""

    pictures: str
    encoder: str
    count: int
    twins: int
    means: Mapping[str, Mapping[str, float]]
    itself: Mapping[str, float]

    @property
    def reaches_aim(self) -> bool:
        """True if success@1 is at least AIM for each of the first four changes."""
        return all(self.means[change]["success@1"] >= AIM for change in AIMED)

    def to_json(self) -> dict[str, Any]:
        """Rounded for a report."""
        return {
            "pictures": self.pictures,
            "encoder": self.encoder,
            "count": self.count,
            "near_duplicates": self.twins,
            "reaches_aim": self.reaches_aim,
            "changes": {
                change: {
                    **{metric: round(value, 4) for metric, value in means.items()},
                    "itself@1": round(self.itself[change], 4),
                }
                for change, means in self.means.items()
            },
        }


def evaluate_finding(
    pictures: PictureSet,
    encoder: PictureEncoder,
    *,
    seed: int,
    progress: Progress,
    changes: Mapping[str, Change] = CHANGES,
) -> FindingReport:
    """Search for every changed copy of every picture. Raises NothingToEvaluateError for fewer than two pictures."""
    if len(pictures.items) < _TWO:
        raise NothingToEvaluateError(f"{pictures.name}: there is nothing to find one picture among")
    vectors = embed(encoder, pictures.items, changes, seed=seed, progress=progress)
    right = _list_right(pictures)
    own = [{item.name: 1} for item in pictures.items]
    means: dict[str, dict[str, float]] = {}
    itself: dict[str, float] = {}
    for change, queries in vectors.changed.items():
        places = rank(queries, vectors.stored, depth=_DEPTH)
        found = [[pictures.items[place].name for place in row] for row in places.tolist()]
        means[change] = {metric: float(values.mean()) for metric, values in score_lists(right, found, METRICS).items()}
        itself[change] = float(score_lists(own, found, ("success@1",))["success@1"].mean())
    name = encoder.recipe.encoder
    return FindingReport(pictures.name, name, len(pictures.items), pictures.twins, means, itself)


def _list_right(pictures: PictureSet) -> list[dict[str, int]]:
    members: dict[str, list[str]] = {}
    for item in pictures.items:
        members.setdefault(item.group, []).append(item.name)
    return [dict.fromkeys(members[item.group], 1) for item in pictures.items]


def describe(reports: Sequence[FindingReport]) -> dict[str, Any]:
    """All reports as JSON."""
    return {"aim": {"changes": AIMED, "success@1": AIM}, "reports": [report.to_json() for report in reports]}
