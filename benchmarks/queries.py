"""Query texts as people write them, endlessly many, no two alike.

The seeds are titles of real requests, where the shared data is present, else the sample queries. A new text is a seed
with its words in another order and one of them swapped for a word of another seed: numbers of words, and so of
tokens, stay distributed as in the seeds, and nothing that was asked before is found in a cache.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import orjson

from core.text import clean_text, normalise_query

_ROOT = Path(__file__).resolve().parents[1]
_REQUESTS = Path("gold") / "request-texts" / "Animesuggest.csv.gz"
_SAMPLE = _ROOT / "data" / "sample-queries.jsonl"
_MAX_WORDS = 40


def find_shared_data() -> Path:
    """Where the large real data lie: AVS_SHARED_DATA, else beside the checkout. It may be absent."""
    return Path(os.environ.get("AVS_SHARED_DATA", _ROOT.parent / "shared" / "data"))


def load_seeds(shared_data: Path) -> list[str]:
    """Real texts of at least two words; never empty."""
    requests = shared_data / _REQUESTS
    texts = _read_requests(requests) if requests.exists() else _read_sample()
    normalised = dict.fromkeys(normalise_query(clean_text(text)) for text in texts)
    return [text for text in normalised if 2 <= len(text.split()) <= _MAX_WORDS]


class QuerySource:
    """Draws new texts; `seed` makes the draw repeatable."""

    def __init__(self, seeds: list[str], *, seed: int = 20_261_121) -> None:
        self._seeds = [text.split() for text in seeds]
        self._words = [word for words in self._seeds for word in words]
        self._random = random.Random(seed)
        self._given: set[str] = set()

    def take(self, count: int) -> list[str]:
        """As many texts as asked for; none of them was given before."""
        return list(islice(self._draw(), count))

    def _draw(self) -> Iterator[str]:
        while True:
            words = self._random.choice(self._seeds).copy()
            self._random.shuffle(words)
            words[self._random.randrange(len(words))] = self._random.choice(self._words)
            text = " ".join(words)
            if text not in self._given:
                self._given.add(text)
                yield text


def _read_requests(path: Path) -> list[str]:
    with gzip.open(path) as packed:
        return [row["title"] for row in csv.DictReader(io.TextIOWrapper(packed, encoding="utf-8"))]


def _read_sample() -> list[str]:
    return [orjson.loads(line)["query"] for line in _SAMPLE.read_bytes().splitlines()]
