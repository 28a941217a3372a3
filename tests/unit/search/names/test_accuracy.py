"""The aims of issue 3 on the sample catalogue; on the whole one they are measured by `python -m benchmarks.names`."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from search.names.folding import fold
from search.names.index import NameIndex
from storage.database.names import TitleNames, measure_popularity

SAMPLE = Path(__file__).resolve().parents[4] / "data" / "sample-catalogue.jsonl"
SEED = 3


@pytest.fixture(scope="module")
def documents() -> list[dict[str, object]]:
    """The sample catalogue."""
    return [orjson.loads(line) for line in SAMPLE.read_bytes().splitlines()]


@pytest.fixture
def sample(documents: list[dict[str, object]], build_index: Callable[..., NameIndex]) -> NameIndex:
    """Its names."""
    titles = []
    for number, document in enumerate(documents):
        main = [str(document[key]) for key in ("title", "title_english", "title_japanese") if document.get(key)]
        synonyms = [str(name) for name in document.get("synonyms", [])]  # type: ignore[attr-defined]
        names = tuple(dict.fromkeys([*main, *synonyms]))
        known = measure_popularity(document.get("members"), synonyms=len(synonyms), score=None)  # type: ignore[arg-type]
        titles.append(TitleNames(str(number), names, len(set(main)), "TV", None, known, False, False, 1))
    return build_index(*titles)


def add_error(name: str, rng: random.Random) -> str:
    """The name with a letter too many, one missing, a wrong one, or two that changed places."""
    place = rng.choice([place for place, letter in enumerate(name) if letter.isalnum()])
    letter = rng.choice([letter for letter in name if letter.isalnum()])
    swapped = name[:place] + name[place + 1 : place + 2] + name[place] + name[place + 2 :]
    inserted, deleted = name[:place] + letter + name[place:], name[:place] + name[place + 1 :]
    return rng.choice([inserted, deleted, name[:place] + letter + name[place + 1 :], swapped])


def test_names_are_found_as_they_are_and_with_an_error(sample: NameIndex) -> None:
    """All names are found, and of those of four characters and more at least 95% with a typing error, first."""
    rng = random.Random(SEED)
    segment = sample.segments[0].segment
    names = [segment.names[place] for place in range(len(segment.names))]
    chosen = [name for name in rng.sample(names, 700) if len(fold(name).replace(" ", "")) >= 4]
    found = 0
    for name in chosen:
        assert fold(sample.match(name)[0].name) == fold(name)
        best = sample.match(add_error(name, rng))
        found += bool(best) and fold(best[0].name) == fold(name)
    assert found / len(chosen) >= 0.95


@pytest.mark.parametrize(
    "text",
    [
        "dark fantasy with demons",
        "school romance",
        "giant robots fighting in space",
        "a boy who wants to become king",
        "funny slice of life about high school girls",
        "sad movie about war orphans",
        "異世界転生もの",
        "학원 로맨스",
        "校园恋爱",
    ],
)
def test_descriptions_are_no_names(sample: NameIndex, text: str) -> None:
    """A title is pinned to the top only when it is named."""
    assert sample.match(text) == ()
