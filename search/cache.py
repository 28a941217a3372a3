"""What the read side keeps in Redis: query vectors by recipe, encoded results by plan and state of the index.

Only answers that succeeded are kept. A key holds everything that the value depends on, so nothing is ever deleted:
a new recipe, generation or finished job simply asks for other keys.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from messaging.query_call import SparseRow
from search.encoding import EncodedQuery
from storage.cache import Cache

# Dimension, and number of lexical weights; the largest number means that there is no lexical vector.
_HEADER = struct.Struct("<II")
_NO_LEXICAL = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class CacheKeys:
    """The two keys of one search."""

    result: str
    vector: str


@dataclass(frozen=True, slots=True)
class Cached:
    """What was found; None for what was not."""

    result: bytes | None
    vector: EncodedQuery | None


def build_keys(*, index_state: str, plan_fingerprint: str, recipes_fingerprint: str, query: str) -> CacheKeys:
    """`index_state` names the live collection and what was last written to it; `query` is normalised."""
    text = hashlib.blake2b(query.encode(), digest_size=16).hexdigest()
    return CacheKeys(result=f"avs:r:{index_state}:{plan_fingerprint}", vector=f"avs:v:{recipes_fingerprint}:{text}")


class SearchCache:
    """Reads both keys in one round trip, writes what was made."""

    def __init__(self, cache: Cache, *, result_ttl_s: int, vector_ttl_s: int) -> None:
        self._cache = cache
        self._result_ttl_s = result_ttl_s
        self._vector_ttl_s = vector_ttl_s

    def load(self, keys: CacheKeys, *, recipes_fingerprint: str) -> Cached:
        """Both values, where they are kept."""
        return self.load_many([keys], recipes_fingerprint=recipes_fingerprint)[0]

    def load_many(self, keys: Sequence[CacheKeys], *, recipes_fingerprint: str) -> list[Cached]:
        """The same for many searches, in one round trip."""
        if self._result_ttl_s <= 0 and self._vector_ttl_s <= 0:
            return [Cached(None, None)] * len(keys)
        values = self._cache.get_many([name for key in keys for name in (key.result, key.vector)])
        return [
            Cached(result, None if vector is None else unpack_query(vector, recipes_fingerprint))
            for result, vector in zip(values[::2], values[1::2], strict=True)
        ]

    def save(self, keys: CacheKeys, *, result: bytes | None, vector: EncodedQuery | None) -> None:
        """Keep what was made of an encoded answer and the query's vectors, in one round trip."""
        values = {} if result is None else {keys.result: (result, self._result_ttl_s)}
        if vector is not None and self._vector_ttl_s > 0:
            values[keys.vector] = (pack_query(vector), self._vector_ttl_s)
        self._cache.set_many(values)


def pack_query(query: EncodedQuery) -> bytes:
    """Header, float32 dense, uint32 indices, float32 values; little-endian."""
    if query.lexical is None:
        return _HEADER.pack(len(query.dense), _NO_LEXICAL) + query.dense.astype("<f4").tobytes()
    indices, values = query.lexical
    return b"".join(
        (
            _HEADER.pack(len(query.dense), len(indices)),
            query.dense.astype("<f4").tobytes(),
            indices.astype("<u4").tobytes(),
            values.astype("<f4").tobytes(),
        )
    )


def unpack_query(data: bytes, recipes_fingerprint: str) -> EncodedQuery | None:
    """The inverse of `pack_query`; None for bytes of another form, such as those of an older release."""
    if len(data) < _HEADER.size:
        return None
    dimension, terms = _HEADER.unpack_from(data)
    sparse_bytes = 0 if terms == _NO_LEXICAL else 8 * terms
    if len(data) != _HEADER.size + 4 * dimension + sparse_bytes:
        return None
    dense = np.frombuffer(data, "<f4", dimension, _HEADER.size)
    lexical: SparseRow | None = None
    if terms != _NO_LEXICAL:
        start = _HEADER.size + 4 * dimension
        lexical = (np.frombuffer(data, "<u4", terms, start), np.frombuffer(data, "<f4", terms, start + 4 * terms))
    return EncodedQuery(recipes=recipes_fingerprint, dense=dense, lexical=lexical)
