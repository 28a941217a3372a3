"""BM25 as sparse vectors. The index multiplies in the IDF (Qdrant's IDF modifier), so weights here need no corpus.

Document side: term frequency saturated by k1 and normalised by length against a constant average, since a moving
average would change stored vectors. Query side: 1 for each occurrence. Words are folded (NFKC, case, Latin accents) and
stemmed as English; runs of Chinese, Japanese and Korean become character bigrams, for they have no spaces to cut at.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

import numpy as np
import snowballstemmer

from core.recipe import EmbeddingRecipe
from inference.base import SparseVector, build_sparse, hash_to_index, refuse_empty

# Raise it when folding, stop words or hashing change: stored vectors would no longer match queries.
TOKENS_VERSION = 1

# Hangul jamo and syllables, kana, CJK ideographs with their extensions; U+30FB (middle dot) separates names.
_CJK = (
    "\u1100-\u11ff\u3005-\u3007\u3041-\u3096\u3099-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U000323af"
)
_RUN = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+")
_IS_CJK = re.compile(f"[{_CJK}]")
_LATIN_MARKS = re.compile("[\u0300-\u036f]")

STOP_WORDS = frozenset(
    """
    a an and are as at be been but by for from had has have he her his if in into is it its of on or s she so t that
    the their them then there these they this to was were which while who will with
    """.split()  # noqa: SIM905 - words read better in lines of text
)

# The name in its recipe; the index weighs terms by rarity for this encoder only.
ENCODER = "bm25"
_stemmer = snowballstemmer.stemmer("english")
_stemmer_lock = threading.Lock()  # a stemmer keeps the word that it works on in itself


class Bm25Encoder:
    """`average_length` is in terms: the mean over the 39,736 titles of the full catalogue's lexical texts."""

    needs_idf = True

    def __init__(
        self, *, template_version: int, k1: float = 1.2, b: float = 0.75, average_length: float = 85.0
    ) -> None:
        self._k1 = k1
        self._b = b
        self._average_length = average_length
        revision = f"tokens{TOKENS_VERSION};k1={k1};b={b};avg={average_length}"
        self.recipe = EmbeddingRecipe(ENCODER, revision, 0, template_version)

    def encode_passages(self, texts: Sequence[str]) -> list[SparseVector]:
        """Saturated term frequencies. Raises ValueError for an empty text."""
        refuse_empty(texts)
        return [self._saturate(count_terms(text)) for text in texts]

    def encode_queries(self, texts: Sequence[str]) -> list[SparseVector]:
        """How often each term was asked for. Raises ValueError for an empty text."""
        refuse_empty(texts)
        return [build_sparse(count_terms(text)) for text in texts]

    def _saturate(self, terms: Counter[int]) -> SparseVector:
        indices, counts = build_sparse(terms)
        length = float(counts.sum())
        norm = self._k1 * (1.0 - self._b + self._b * length / self._average_length)
        return SparseVector(indices, (counts * (self._k1 + 1.0) / (counts + norm)).astype(np.float32))


def count_terms(text: str) -> Counter[int]:
    """{uint32 term id: occurrences}; ids that collide are summed."""
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return Counter(chain.from_iterable(map(_run_to_ids, _RUN.findall(folded))))


def split_terms(text: str) -> list[str]:
    """The terms of a text before hashing, in order."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return list(chain.from_iterable(map(_run_to_terms, _RUN.findall(folded))))


@lru_cache(maxsize=300_000)
def _run_to_ids(run: str) -> tuple[int, ...]:
    return tuple(hash_to_index(term) for term in _run_to_terms(run))


def _run_to_terms(run: str) -> tuple[str, ...]:
    if _IS_CJK.match(run):
        return (run,) if len(run) == 1 else tuple(run[start : start + 2] for start in range(len(run) - 1))
    if not run.isascii():
        run = _LATIN_MARKS.sub("", unicodedata.normalize("NFD", run))
    if run in STOP_WORDS:
        return ()
    if not run.isascii():
        return (unicodedata.normalize("NFC", run),)
    with _stemmer_lock:
        return (_stemmer.stemWord(run),)
