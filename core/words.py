"""The words of a text: the terms of BM25, and what explanations call them.

Folded (NFKC, case, Latin accents) and stemmed as English; runs of Chinese, Japanese and Korean become character
bigrams, for they have no spaces to cut at.
"""

from __future__ import annotations

import hashlib
import re
import threading
import unicodedata
from functools import lru_cache
from itertools import chain

import snowballstemmer

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

_stemmer = snowballstemmer.stemmer("english")
_stemmer_lock = threading.Lock()  # a stemmer keeps the word that it works on in itself


# Explanations name every word of a title.
@lru_cache(maxsize=200_000)
def hash_to_index(name: str) -> int:
    """A uint32 that is the same in every process and release: the sparse index of a word or a feature."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big")


def split_runs(text: str) -> list[str]:
    """Stretches of one kind of writing, folded: each is a word, or a run of Chinese, Japanese or Korean."""
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return _RUN.findall(folded)


def split_terms(text: str) -> list[str]:
    """The terms of a text before hashing, in order."""
    return list(chain.from_iterable(map(split_run, split_runs(text))))


# Stemming is slow and words come back.
@lru_cache(maxsize=100_000)
def split_run(run: str) -> tuple[str, ...]:
    """The terms of one stretch of writing."""
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
