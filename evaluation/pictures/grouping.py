"""TITLE_PICTURES by measurement: the mean of a title's pictures against its best picture, on changed pictures.

`better of two means` is what the setting `mean` does: a mean of the character pictures and one of all others. `best or
mean` is what `group` does: the best picture, or the better mean where that is nearer. The other two stand beside them.
In memory and exact, with vectors of the index's own encoder: what the two ways can tell apart, without graphs,
quantization or anything else of the search around them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from covers.album import draw_albums, load_documents, plan_album
from evaluation.metrics import Comparison, Values, compare, score_lists
from evaluation.pictures.changes import CHANGES, Change, build_heavy
from evaluation.pictures.embedding import Progress, Rows, Vectors, embed
from evaluation.pictures.sets import SAMPLE, Item
from inference.pictures.base import PictureEncoder

METRICS: Final = ("success@1", "ndcg@10")
# The plain changes that hurt, and a heavy one.
CHANGED: Final[Mapping[str, Change]] = {
    "centre crop 70%": CHANGES["centre crop 70%"],
    "JPEG quality 30": CHANGES["JPEG quality 30"],
    "mirrored": CHANGES["mirrored"],
    "piece of two fifths": build_heavy(0.4, mirrored=False),
}
KINDS: Final = ("cover", "banner", "character")
# By name as reports show them.
MEAN, BETTER, BEST, GROUP = "mean of all", "better of two means", "best picture", "best or mean"
_LIMIT: Final = 10
_STORED_KINDS: Final = (*KINDS, "thumbnail")


@dataclass(frozen=True, slots=True)
class TitlePicture:
    """One picture of a title. `kind` is cover, thumbnail, banner or character."""

    title: str
    kind: str
    item: Item


@dataclass(frozen=True)
class GroupingReport:
    """Means by kind of picture, change, way and metric; `tests` of `group` against `mean`, by kind."""

    titles: int
    pictures: int
    means: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]
    tests: Mapping[str, Mapping[str, Comparison]]

    def to_json(self) -> dict[str, Any]:
        """Rounded for a report."""
        return {
            "titles": self.titles,
            "pictures": self.pictures,
            "means": {
                kind: {
                    change: {
                        way: {metric: round(value, 4) for metric, value in figures.items()}
                        for way, figures in ways.items()
                    }
                    for change, ways in changes.items()
                }
                for kind, changes in self.means.items()
            },
            "group_against_mean": {
                kind: {metric: test.to_json() for metric, test in tests.items()} for kind, tests in self.tests.items()
            },
        }


def list_title_pictures(folder: Path, sample: Path | None = None) -> tuple[TitlePicture, ...]:
    """All pictures of the sample titles, drawn in `folder` where they are not there yet."""
    documents = load_documents(sample or SAMPLE)
    draw_albums(documents, folder)
    pictures: list[TitlePicture] = []
    for document in documents:
        album, title = plan_album(document), document["title"]
        named = [("cover", album.cover), ("thumbnail", album.thumbnail), ("banner", album.banner)]
        named += [("character", portrait) for portrait in album.portraits]
        pictures += [TitlePicture(title, kind, Item(name, folder / name, name)) for kind, name in named]
    return tuple(pictures)


def evaluate_grouping(
    pictures: Sequence[TitlePicture], encoder: PictureEncoder, *, seed: int, progress: Progress
) -> GroupingReport:
    """Search for every changed cover, banner and character picture, by each way."""
    vectors = embed(encoder, [picture.item for picture in pictures], CHANGED, seed=seed, progress=progress)
    titles = list(dict.fromkeys(picture.title for picture in pictures))
    ways = build_ways(pictures, vectors.stored, titles)
    means: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    tests: dict[str, dict[str, Comparison]] = {}
    for kind in KINDS:
        asked = [place for place, picture in enumerate(pictures) if picture.kind == kind]
        values = _measure(pictures, vectors, ways, titles, asked)
        means[kind] = {
            change: {way: {metric: float(one.mean()) for metric, one in found.items()} for way, found in by_way.items()}
            for change, by_way in values.items()
        }
        # The changes of one picture are not independent of each other: their mean is what a picture says.
        joined = {
            way: {metric: np.mean([by_way[way][metric] for by_way in values.values()], axis=0) for metric in METRICS}
            for way in (GROUP, BETTER)
        }
        tests[kind] = {metric: compare(joined[GROUP][metric], joined[BETTER][metric], seed=seed) for metric in METRICS}
    return GroupingReport(len(titles), len(pictures), means, tests)


def build_ways(pictures: Sequence[TitlePicture], stored: Rows, titles: Sequence[str]) -> dict[str, list[Rows]]:
    """For each way and title the vectors that stand for it: the nearest of them is the title's similarity."""
    rows: dict[str, dict[str, list[Rows]]] = {title: {kind: [] for kind in _STORED_KINDS} for title in titles}
    for picture, row in zip(pictures, stored, strict=True):
        rows[picture.title][picture.kind].append(row)
    ways: dict[str, list[Rows]] = {MEAN: [], BETTER: [], BEST: [], GROUP: []}
    for by_kind in rows.values():
        own = [row for kind in _STORED_KINDS if kind != "character" for row in by_kind[kind]]
        every = np.stack(own + by_kind["character"])
        ways[MEAN].append(_mean(every)[None])
        parts = [own, by_kind["character"]]
        means = np.stack([_mean(np.stack(part)) for part in parts if part])
        ways[BETTER].append(means)
        ways[BEST].append(every)
        ways[GROUP].append(np.concatenate([every, means]))
    return ways


def _measure(
    pictures: Sequence[TitlePicture],
    vectors: Vectors,
    ways: Mapping[str, Sequence[Rows]],
    titles: Sequence[str],
    asked: Sequence[int],
) -> dict[str, dict[str, dict[str, Values]]]:
    relevant = [{pictures[place].title: 1} for place in asked]
    return {
        change: {
            way: score_lists(relevant, _rank(queries[list(asked)], stands, titles), METRICS)
            for way, stands in ways.items()
        }
        for change, queries in vectors.changed.items()
    }


def _rank(queries: Rows, stands: Sequence[Rows], titles: Sequence[str]) -> list[list[str]]:
    similarities = np.stack([(queries @ rows.T).max(axis=1) for rows in stands], axis=1)
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :_LIMIT]
    return [[titles[place] for place in row] for row in order.tolist()]


def _mean(rows: Rows) -> Rows:
    mean = rows.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)
