"""What an evaluation says: figures by method and part of the gold set, with tests against the best single method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.metrics import Comparison, Values, compare

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """Values of every query by method and metric. `single` are the methods that the others have to beat."""

    values: Mapping[str, Mapping[str, Values]]
    single: frozenset[str]

    @property
    def methods(self) -> tuple[str, ...]:
        """In the order of the report."""
        return tuple(self.values)


@dataclass(frozen=True)
class Section:
    """A part of the gold set: means by method and metric; for each method that is not single, tests by metric."""

    name: str
    queries: int
    means: Mapping[str, Mapping[str, float]]
    best_single: str
    tests: Mapping[str, Mapping[str, Comparison]]

    def to_json(self) -> dict[str, Any]:
        """Rounded for a report."""
        return {
            "queries": self.queries,
            "methods": {
                method: {metric: round(value, 4) for metric, value in means.items()}
                for method, means in self.means.items()
            },
            "best_single": self.best_single,
            "against_best_single": {
                method: {metric: test.to_json() for metric, test in tests.items()}
                for method, tests in self.tests.items()
            },
        }


def build_section(
    measured: Measured, name: str, mask: Mask, *, metrics: Sequence[str], decided_by: str, seed: int
) -> Section:
    """The figures of the queries that `mask` picks. The best single method is the one best in `decided_by`."""
    parts = {
        method: {metric: measured.values[method][metric][mask] for metric in metrics} for method in measured.methods
    }
    means = {method: {metric: float(part[metric].mean()) for metric in metrics} for method, part in parts.items()}
    best = max(sorted(measured.single), key=lambda method: means[method][decided_by])
    tests = {
        method: {metric: compare(parts[method][metric], parts[best][metric], seed=seed) for metric in metrics}
        for method in measured.methods
        if method not in measured.single
    }
    return Section(name, int(mask.sum()), means, best, tests)
