"""The similarity of two vectors in another measure. Dense vectors have length 1, so one follows from the other."""

from __future__ import annotations

import math
from typing import Literal

import orjson

from core.errors import InvalidInputError
from core.vectors import BY_NAME

Measure = Literal["cosine", "dot", "euclid"]


def check_measure(measure: Measure, *, vector: str, boost: float | None) -> None:
    """Raises InvalidInputError if the search over this vector cannot tell the distance in this measure."""
    if vector not in BY_NAME or not BY_NAME[vector].is_sparse:
        return
    if measure != "dot":
        raise InvalidInputError("distance", f"{vector} is sparse: it is compared by dot product only")
    if boost:
        raise InvalidInputError("boost", f"changes the score, and the dot product of {vector} is read from it")


def add_distances(body: bytes, *, measure: Measure, vector: str) -> bytes:
    """The answer of a search over one vector with a `distance` for each result, in a measure that was checked."""
    answer = orjson.loads(body)
    for result in answer["results"]:
        similarity = result["score"] if BY_NAME[vector].is_sparse else result["similarity"]
        result["distance"] = None if similarity is None else convert(similarity, measure)
    return orjson.dumps(answer)


def convert(cosine: float, measure: Measure) -> float:
    """Euclid is a length, 0 for equal vectors and 2 for opposite ones; dot and cosine are the same at length 1."""
    return round(math.sqrt(max(0.0, 2.0 - 2.0 * cosine)), 6) if measure == "euclid" else cosine
