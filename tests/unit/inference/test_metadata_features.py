"""Metadata features by rules."""

from __future__ import annotations

import numpy as np
import pytest

from core.document import AnimeDocument
from core.features import WEIGHTS, build_passage_features, feature_index, normalise_studio
from inference.metadata_features import build_metadata_recipe, encode_features


def features(**fields: object) -> dict[str, float]:
    """Features of a document as it is stored."""
    return build_passage_features(AnimeDocument.model_validate({"title": "x", **fields}).to_json())


def test_a_full_title_has_the_weights_of_the_table() -> None:
    """Each kind of feature has its documented weight."""
    found = features(
        genres=["Action"],
        demographics=["Shounen"],
        studios=["Wit Studio, Inc."],
        source="Manga",
        year=2013,
        awards=["Tokyo Anime Award"],
        score=8.5,
        popularity=1,
        type="TV",
        episodes=25,
    )
    assert found == {
        "genre:action": 1.0,
        "demographic:shounen": 0.9,
        "studio:wit studio": 0.7,
        "source:manga": 0.6,
        "decade:2010": 0.4,
        "award:winner": 1.2,
        "score:8+": 1.1,
        "popular": 0.8,
        "format:tv": 0.3,
        "cours:2": 0.5,
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"studios": ["Studio Ghibli"]}, {"studio:studio ghibli": 0.8}),
        ({"year": 1998}, {"decade:1990": 0.3}),
        ({"tags": ["science fiction", "sci fi", "gore"]}, {"genre:sci-fi": 1.0}),
        ({"tags": ["seinen", "based on a light novel"]}, {"demographic:seinen": 0.9, "source:light novel": 0.6}),
        ({"genres": ["award winning"]}, {"award:winner": 1.2}),
        ({"score": 7.99, "popularity": 1001, "members": 10}, {}),
        ({"popularity": 0}, {}),
        ({"members": 200_000}, {"popular": 0.8}),
        ({"type": "TV", "episodes": 12}, {"format:tv": 0.3, "cours:1": 0.5}),
        ({"type": "TV", "episodes": 500}, {"format:tv": 0.3, "long-running": 0.3}),
        ({"type": "MOVIE", "episodes": 12}, {"format:movie": 0.3}),
        ({"source": "Unknown"}, {}),
        ({}, {}),
    ],
)
def test_rules(fields: dict[str, object], expected: dict[str, float]) -> None:
    """Each rule says this and nothing more; a title that says nothing has no features."""
    assert features(**fields) == expected


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("J.C. Staff Co., Ltd.", "j c staff"),
        ("j.c.staff", "j c staff"),
        ("Production I.G, Inc.", "production i g"),
        ("Coco", "coco"),
        ("Company", "company"),
    ],
)
def test_studio_names_are_freed_of_company_forms(name: str, bare: str) -> None:
    """Spellings of one studio by different providers are one feature."""
    assert normalise_studio(name) == bare


def test_alike_titles_score_higher() -> None:
    """The dot product of features orders titles by what they share."""
    first = encode_features(features(genres=["action", "drama"], studios=["Wit Studio"], year=2013))
    near = encode_features(features(genres=["action", "drama"], studios=["WIT STUDIO Inc."], year=2017))
    far = encode_features(features(genres=["comedy"], studios=["Madhouse"], year=2017))

    def score(left, right) -> float:  # type: ignore[no-untyped-def]
        _, at_left, at_right = np.intersect1d(left.indices, right.indices, return_indices=True)
        return float((left.values[at_left] * right.values[at_right]).sum())

    assert score(first, near) > score(first, far) > 0


def test_indices_are_ascending_and_stable() -> None:
    """Stored vectors depend on these numbers: a change needs a new RULES_VERSION."""
    vector = encode_features({"genre:action": 1.0, "popular": 0.8})
    assert sorted([feature_index("genre:action"), feature_index("popular")]) == vector.indices.tolist()
    assert feature_index("genre:action") == 1821681037


def test_the_recipe_follows_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed weight is a changed recipe, so the vectors are made again."""
    before = build_metadata_recipe(1)
    monkeypatch.setitem(WEIGHTS, "genre", 2.0)
    assert build_metadata_recipe(1).fingerprint != before.fingerprint
