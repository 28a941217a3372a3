"""BM25 terms and weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.words import split_terms
from inference.base import SparseVector
from inference.bm25 import Bm25Encoder, count_terms


def dot(left: SparseVector, right: SparseVector) -> float:
    """Score of a document for a query, without IDF."""
    common, at_left, at_right = np.intersect1d(left.indices, right.indices, return_indices=True)
    return float((left.values[at_left] * right.values[at_right]).sum()) if len(common) else 0.0


@pytest.fixture
def encoder() -> Bm25Encoder:
    """BM25 with its default parameters."""
    return Bm25Encoder(template_version=1)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The Hunters of the Dark", ["hunter", "dark"]),
        ("Pokémon: Ōkami", ["pokemon", "okami"]),
        ("進撃の巨人", ["進撃", "撃の", "の巨", "巨人"]),
        ("鬼", ["鬼"]),
        ("ポケットモンスター・水", ["ポケ", "ケッ", "ット", "トモ", "モン", "ンス", "スタ", "ター", "水"]),
        ("진격의 거인", ["진격", "격의", "거인"]),
        ("Атака ТИТАНОВ", ["атака", "титанов"]),
        ("ＦＵＬＬ　ｗｉｄｔｈ ｱﾆﾒ", ["full", "width", "アニ", "ニメ"]),
        ("TV版2nd", ["tv", "版", "2nd"]),
        ("!!! --- …", []),
    ],
)
def test_terms(text: str, terms: list[str]) -> None:
    """Folding, stop words, stems and character bigrams give these terms."""
    assert split_terms(text) == terms


@given(st.text(max_size=200))
def test_counting_agrees_with_splitting(text: str) -> None:
    """The quick path counts exactly the terms that the plain one names, whatever the text."""
    text = text.encode(errors="ignore").decode()
    assert sum(count_terms(text).values()) == len(split_terms(text))


def test_query_and_document_meet_across_word_forms(encoder: Bm25Encoder) -> None:
    """A plural in the query finds the singular in the document."""
    document = encoder.encode_passages(["A titan besieges the walled city."])[0]
    assert dot(document, encoder.encode_queries(["titans besieging cities"])[0]) > 0
    assert dot(document, encoder.encode_queries(["romantic comedy"])[0]) == 0


def test_more_occurrences_count_more_but_ever_less(encoder: Bm25Encoder) -> None:
    """Term frequency grows the weight and saturates below k1 + 1."""
    weights = [float(encoder.encode_passages(["wolf " * n + "filler " * (50 - n)])[0].values.max()) for n in (30, 45)]
    assert weights[0] < weights[1] < 2.2


def test_long_documents_weigh_a_word_less(encoder: Bm25Encoder) -> None:
    """The same word counts less in a longer text."""
    query = encoder.encode_queries(["wolf"])[0]
    short, long = encoder.encode_passages(["wolf spice", "wolf spice " + "other words here " * 60])
    assert dot(short, query) > dot(long, query) > 0


def test_query_weights_are_occurrences(encoder: Bm25Encoder) -> None:
    """Rarity is left to the index: a query term weighs as often as it was asked for."""
    assert sorted(encoder.encode_queries(["wolf wolf spice"])[0].values.tolist()) == [1.0, 2.0]
    assert encoder.needs_idf


def test_indices_are_ascending_unique_and_typed(encoder: Bm25Encoder) -> None:
    """Qdrant wants ascending, unique indices; types are as the protocol says."""
    vector = encoder.encode_passages(["a giant robot fights another giant robot on the moon"])[0]
    assert vector.indices.dtype == np.uint32
    assert vector.values.dtype == np.float32
    assert (np.diff(vector.indices.astype(np.int64)) > 0).all()


def test_a_text_without_words_gives_an_empty_vector(encoder: Bm25Encoder) -> None:
    """Nothing to look for is an empty vector, not an error."""
    assert len(encoder.encode_passages(["!!!"])[0].indices) == 0


def test_empty_text_is_refused(encoder: Bm25Encoder) -> None:
    """No content means no vector, on both sides."""
    with pytest.raises(ValueError, match="empty"):
        encoder.encode_passages([""])
    with pytest.raises(ValueError, match="empty"):
        encoder.encode_queries([" "])


def test_term_ids_never_change() -> None:
    """Stored vectors depend on these numbers: a change needs a new TOKENS_VERSION."""
    assert count_terms("titan 巨人") == {3154166316: 1, 3027677843: 1}


def test_the_recipe_follows_the_parameters() -> None:
    """Other parameters give other weights, hence another recipe."""
    fingerprints = {
        Bm25Encoder(template_version=1).recipe.fingerprint,
        Bm25Encoder(template_version=2).recipe.fingerprint,
        Bm25Encoder(template_version=1, k1=1.5).recipe.fingerprint,
        Bm25Encoder(template_version=1, b=0.4).recipe.fingerprint,
        Bm25Encoder(template_version=1, average_length=10).recipe.fingerprint,
    }
    assert len(fingerprints) == 5
