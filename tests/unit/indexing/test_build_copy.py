"""What a copied point may hold, and what its ledger row may say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from qdrant_client import models

from core.document import AnimeDocument, content_hash
from indexing.copying import build_copy
from indexing.gate import _share
from storage.database.copying import LedgerRow
from storage.database.titles import StoredTitle

_DOCUMENT = AnimeDocument(title="Title", synopsis="Story").to_json()
_HASH = content_hash(_DOCUMENT)
_TITLE = StoredTitle("title", _DOCUMENT, _HASH, adult=False, excluded=False)
_PASSAGES = {"title_vector": "a1", "genre_vector": "b2", "lexical_sparse": "c3"}
_ROW = LedgerRow("title", _HASH, _PASSAGES, datetime(2026, 11, 21, tzinfo=UTC))
_VECTORS: dict[str, Any] = {
    "title_vector": [1.0, 0.0],
    "genre_vector": [0.0, 1.0],
    "lexical_sparse": models.SparseVector(indices=[3], values=[0.5]),
}
_NAMES = frozenset(_PASSAGES)


def test_a_row_that_is_up_to_date_is_copied_whole() -> None:
    """Vectors, hashes and document hash are taken over, and the payload is that of the document."""
    point, row = build_copy(_TITLE, _ROW, _VECTORS, names=_NAMES, is_whole=True)
    assert point.vector == _VECTORS
    assert (row.document_hash, row.passages) == (_HASH, _PASSAGES)
    assert point.payload is not None
    assert (point.payload["id"], point.payload["title"], point.payload["adult"]) == ("title", "Title", False)


@pytest.mark.parametrize(
    ("row", "vectors", "kept"),
    [
        (replace(_ROW, document_hash="old"), _VECTORS, set(_PASSAGES)),
        (replace(_ROW, document_hash=""), _VECTORS, set(_PASSAGES)),
        (replace(_ROW, passages={**_PASSAGES, "genre_vector": ""}), _VECTORS, {"title_vector", "lexical_sparse"}),
        (_ROW, {**_VECTORS, "genre_vector": None}, {"title_vector", "lexical_sparse"}),
    ],
    ids=["document changed", "payload being written", "vector being written", "vector lost"],
)
def test_what_is_not_vouched_for_is_looked_at_again(row: LedgerRow, vectors: dict[str, Any], kept: set[str]) -> None:
    """The vectors that hold are taken, the others are in neither point nor ledger, and the title counts as stale."""
    present = {name: vector for name, vector in vectors.items() if vector is not None}
    point, copied = build_copy(_TITLE, row, present, names=_NAMES, is_whole=True)
    assert set(point.vector or {}) == kept == set(copied.passages)
    assert copied.document_hash == ""


def test_a_sparse_vector_may_be_missing() -> None:
    """A text without a word has a hash and no vector: the title is up to date all the same."""
    vectors = {name: vector for name, vector in _VECTORS.items() if name != "lexical_sparse"}
    point, row = build_copy(_TITLE, _ROW, vectors, names=_NAMES, is_whole=True)
    assert set(point.vector or {}) == {"title_vector", "genre_vector"}
    assert (row.document_hash, row.passages) == (_HASH, _PASSAGES)


def test_vectors_that_the_new_collection_lacks_are_left_out() -> None:
    """With sparse vectors turned off they are copied neither into the point nor into the ledger."""
    point, row = build_copy(_TITLE, _ROW, _VECTORS, names=_NAMES - {"lexical_sparse"}, is_whole=True)
    assert set(point.vector or {}) == {"title_vector", "genre_vector"} == set(row.passages)
    assert row.document_hash == _HASH


def test_another_layout_has_every_title_looked_at() -> None:
    """Where the new collection has vectors that the old one lacks, no title is up to date yet."""
    _, row = build_copy(_TITLE, _ROW, _VECTORS, names=_NAMES, is_whole=False)
    assert (row.document_hash, row.passages) == ("", _PASSAGES)


def _hits(*pairs: tuple[int, float]) -> list[models.ScoredPoint]:
    return [models.ScoredPoint(id=identifier, version=0, score=score) for identifier, score in pairs]


def test_ties_at_the_end_are_no_differences() -> None:
    """Another title of the last one's similarity counts as found, a less similar one does not."""
    wanted = _hits((1, 0.9), (2, 0.8), (3, 0.7))
    assert _share(wanted, _hits((1, 0.9), (2, 0.8), (4, 0.7))) == 1.0
    assert _share(wanted, _hits((1, 0.9), (2, 0.8), (4, 0.69))) == pytest.approx(2 / 3)
    assert _share(wanted, _hits((5, 0.2))) == 0.0
