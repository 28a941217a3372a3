"""Texts for benchmarks: like the seeds, and never the same twice."""

from __future__ import annotations

import gzip
from pathlib import Path

from benchmarks.queries import QuerySource, load_seeds

_SEEDS = ["a quiet story about growing up", "dark psychological thriller", "giant robots"]


def test_no_text_is_given_twice() -> None:
    """Over several draws every text is new."""
    source = QuerySource(_SEEDS)
    texts = source.take(100) + source.take(100)
    assert len(set(texts)) == 200


def test_texts_keep_the_seeds_words_and_lengths() -> None:
    """A new text has as many words as some seed, all of them words of the seeds."""
    words = {word for seed in _SEEDS for word in seed.split()}
    lengths = {len(seed.split()) for seed in _SEEDS}
    for text in QuerySource(_SEEDS).take(50):
        assert set(text.split()) <= words
        assert len(text.split()) in lengths


def test_the_same_seed_draws_the_same_texts() -> None:
    """A draw can be repeated."""
    assert QuerySource(_SEEDS, seed=1).take(20) == QuerySource(_SEEDS, seed=1).take(20)


def test_seeds_come_from_real_requests_where_they_are_present(tmp_path: Path) -> None:
    """Titles of requests are read and folded, those of a single word left out."""
    folder = tmp_path / "gold" / "request-texts"
    folder.mkdir(parents=True)
    rows = 'id,title\n1,"Looking for  a\nsad anime"\n2,Recommendations?\n3,Looking for a sad anime\n'
    (folder / "Animesuggest.csv.gz").write_bytes(gzip.compress(rows.encode()))
    assert load_seeds(tmp_path) == ["Looking for a sad anime"]


def test_without_shared_data_the_sample_queries_are_the_seeds(tmp_path: Path) -> None:
    """A fresh clone can run the benchmarks."""
    assert len(load_seeds(tmp_path)) > 10
