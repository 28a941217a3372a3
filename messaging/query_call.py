"""The synchronous task `query.encode`: texts in, vectors out. Both ends of its wire format live here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import DependencyUnavailableError
from core.settings import Settings
from messaging.names import TASK_ENCODE_QUERIES
from messaging.worker_call import TaskCall, WorkerCaller, pack_array, unpack_array

SparseRow = tuple[NDArray[np.uint32], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class EncodedQueries:
    """What the worker made of n texts.

    `recipes` is the text fingerprint of its RecipeSet. `dense` is float32 of shape (n, dimension), rows of length 1.
    `lexical` holds (indices, values) for each text, None when the worker has no lexical encoder.
    """

    recipes: str
    dense: NDArray[np.float32]
    lexical: list[SparseRow] | None


def build_query_result(
    *, recipes: str, dense: NDArray[np.float32], lexical: Sequence[SparseRow] | None
) -> dict[str, Any]:
    """The JSON result of `query.encode`; `dense` has shape (n, dimension). The inverse of `parse_query_result`."""
    return {
        "recipes": recipes,
        "dimension": int(dense.shape[1]),
        "dense": pack_array(dense, "<f4"),
        "lexical": None
        if lexical is None
        else [
            {"indices": pack_array(indices, "<u4"), "values": pack_array(values, "<f4")} for indices, values in lexical
        ],
    }


def parse_query_result(result: Mapping[str, Any]) -> EncodedQueries:
    """The arrays of a result. Raises ValueError or KeyError on anything that `build_query_result` did not make."""
    lexical = result["lexical"]
    return EncodedQueries(
        recipes=result["recipes"],
        dense=unpack_array(result["dense"], "<f4").reshape(-1, result["dimension"]),
        lexical=None
        if lexical is None
        else [(unpack_array(row["indices"], "<u4"), unpack_array(row["values"], "<f4")) for row in lexical],
    )


class QueryWorkerClient:
    """Sends texts to the query worker and waits for their vectors. For one thread only."""

    def __init__(self, settings: Settings) -> None:
        self._caller = WorkerCaller(settings)

    def encode(self, texts: Sequence[str], timeout_s: float) -> EncodedQueries:
        """The vectors of the texts, in their order.

        Raises DependencyUnavailableError for `redis` or `query-worker`, DeadlineExceededError after `timeout_s`.
        """
        call = TaskCall(TASK_ENCODE_QUERIES, {"texts": list(texts)}, shown=f"<{len(texts)} texts>")
        encoded = parse_query_result(self._caller.call(call, timeout_s))
        if len(encoded.dense) != len(texts) or (encoded.lexical is not None and len(encoded.lexical) != len(texts)):
            raise DependencyUnavailableError("query-worker", f"{len(encoded.dense)} vectors for {len(texts)} texts")
        return encoded

    def close(self) -> None:
        """Close the connections."""
        self._caller.close()


def _pack_row(indices: NDArray[np.uint32], values: NDArray[np.float32]) -> dict[str, str]:
    return {"indices": pack_array(indices, "<u4"), "values": pack_array(values, "<f4")}
