"""A small catalogue of names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from search.names.hits import LiveSegment
from search.names.index import NameIndex
from search.names.segment import build_segment
from storage.database.names import TitleNames

ATTACK_ON_TITAN = ("Shingeki no Kyojin", "Attack on Titan", "進撃の巨人", "진격의 거인", "进击的巨人")
BuildTitle = Callable[..., TitleNames]


@pytest.fixture
def title() -> BuildTitle:
    """Build a title from its names; the first is the main one."""

    def build(slug: str, *names: str, main: int = 1, popularity: float = 0.5, **more: object) -> TitleNames:
        fields = {"type": "TV", "year": 2000, "adult": False, "excluded": False, "version": 1} | more
        return TitleNames(slug=slug, names=names, main_count=main, popularity=popularity, **fields)  # type: ignore[arg-type]

    return build


@pytest.fixture
def build_index() -> Callable[..., NameIndex]:
    """Build an index over titles."""

    def build(*titles: TitleNames) -> NameIndex:
        return NameIndex([LiveSegment(build_segment([titles]), np.zeros(len(titles), bool))])

    return build


@pytest.fixture
def index(title: BuildTitle, build_index: Callable[..., NameIndex]) -> NameIndex:
    """Names in several languages, some of them shared."""
    return build_index(
        title("attack-on-titan", *ATTACK_ON_TITAN, main=3, popularity=0.7),
        title("attack-on-titan-3", "Shingeki no Kyojin Season 3", "Attack on Titan", popularity=0.9),
        title("naruto", "Naruto", popularity=0.8, year=2002),
        title("naruto-new", "Naruto (New)", "Naruto", popularity=0.9, year=None),
        title("bleach", "Bleach", "ブリーチ", popularity=0.6),
        title("steins-gate", "Steins;Gate", "シュタインズ・ゲート", popularity=0.8),
        title("shounen", "Kidou Shōnen", popularity=0.2),
        title("dark-garden", "Dark Garden", popularity=0.1),
        title("dark-house", "Dark House", popularity=0.1, labels=("dark",)),
        title("dark-tower", "Dark Garden Tower", popularity=0.1, labels=("garden",)),
        title("k-on", "K-On!", popularity=0.7),
        title("k-on-2", "K-On!!", popularity=0.5),
        title("exclaim", "!!!", popularity=0.1),
        title("night", "Midnight Orchid", adult=True, popularity=0.9),
    )
