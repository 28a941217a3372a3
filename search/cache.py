"""Query vectors as bytes, and the key that they are kept by: they depend on the recipe and the normalised text only."""

from __future__ import annotations

import hashlib
import struct

import numpy as np

from messaging.query_call import SparseRow
from search.encoding import EncodedQuery

VECTOR_PREFIX = "avs:v:"
# Dimension, and number of lexical weights; the largest number means that there is no lexical vector.
_HEADER = struct.Struct("<II")
_NO_LEXICAL = 0xFFFFFFFF


def build_vector_key(*, recipes_fingerprint: str, text: str) -> str:
    """The Redis key of a text's vectors; `text` is normalised."""
    digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return f"{VECTOR_PREFIX}{recipes_fingerprint}:{digest}"


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
