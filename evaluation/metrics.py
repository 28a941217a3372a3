"""Metrics of ranked lists, and whether a difference between two methods is more than chance.

The metrics are ranx's, the tests scipy's; both come with the `evaluation` extra and are imported when they are used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigurationError

# Our names and ranx's, in the order that reports show them.
METRICS: Mapping[str, str] = {
    "success@1": "hit_rate@1",
    "success@10": "hit_rate@10",
    "mrr": "mrr@10",
    "ndcg@10": "ndcg@10",
    "recall@20": "recall@20",
}
_RESAMPLES = 9_999
# Sign flips that are in memory at once.
_BATCH = 500
_NO_VARIANCE = 1e-9
# ranx knows no empty list: a name that no title has.
_NOTHING = {"": 0.0}

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`difference` is the mean of ours less theirs over the queries; two-sided p by randomisation and by paired t."""

    difference: float
    p_randomisation: float
    p_paired_t: float

    def to_json(self) -> dict[str, float]:
        """Rounded for a report."""
        return {name: round(value, 5) for name, value in asdict(self).items()}


def score_lists(
    relevant: Sequence[Mapping[str, int]], ranked: Sequence[Sequence[str]], metrics: Sequence[str]
) -> dict[str, Values]:
    """{metric: value of each query}. `relevant` are grades by slug, none of them empty; `ranked` are best first."""
    from_ranx = _import_ranx()
    names = [f"q{number:06d}" for number in range(len(relevant))]
    qrels = from_ranx.Qrels.from_dict(dict(zip(names, map(dict, relevant), strict=True)))
    lists = (_to_scores(slugs) for slugs in ranked)
    run = from_ranx.Run.from_dict(dict(zip(names, lists, strict=True)))
    asked = [METRICS[metric] for metric in metrics]
    scores = from_ranx.evaluate(qrels, run, asked, return_mean=False)
    # With one metric ranx answers its values, with several a mapping.
    by_name = {asked[0]: scores} if len(asked) == 1 else scores
    return {metric: np.asarray(by_name[METRICS[metric]], np.float64) for metric in metrics}


def compare(ours: Values, theirs: Values, *, seed: int) -> Comparison:
    """Paired tests over the same queries: Fisher's randomisation of signs, and Student's t."""
    stats = _import_stats()
    differences = ours - theirs
    mean = float(differences.mean())
    if not differences.any():
        return Comparison(0.0, 1.0, 1.0)
    if len(differences) < 2:
        return Comparison(mean, 1.0, 1.0)
    test = stats.permutation_test(
        (differences,),
        _mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=_RESAMPLES,
        batch=_BATCH,
        rng=np.random.default_rng(seed),
    )
    # Without any variance t is infinite, and the randomisation says all there is to say.
    p_t = float(stats.ttest_1samp(differences, 0.0).pvalue) if np.ptp(differences) > _NO_VARIANCE else 0.0
    return Comparison(mean, float(test.pvalue), p_t)


def _mean(values: Values, axis: int) -> Values:
    return np.asarray(np.mean(values, axis=axis))


def _to_scores(slugs: Sequence[str]) -> dict[str, float]:
    return {slug: float(len(slugs) - place) for place, slug in enumerate(slugs)} or _NOTHING


def _import_ranx() -> Any:
    try:
        import ranx
    except ImportError as error:
        raise _missing("ranx") from error
    return ranx


def _import_stats() -> Any:
    try:
        from scipy import stats
    except ImportError as error:
        raise _missing("scipy") from error
    return stats


def _missing(name: str) -> ConfigurationError:
    return ConfigurationError(f"{name} is not installed: pip install 'anime-vector-service[evaluation]'")
