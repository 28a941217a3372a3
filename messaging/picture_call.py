"""The synchronous task `query.encode_pictures`: pictures and texts in, vectors of the picture encoder out.

Both ends of the wire format live here. An item that the encoder cannot take is refused alone, with the problem that its
caller is to read; the others get their vectors.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from core.errors import (
    ConflictError,
    DependencyUnavailableError,
    NoPictureEncoderError,
    NoTextTowerError,
    PermanentError,
)
from core.pictures import PictureRefusedError
from core.query_picture import QueryPicture
from core.settings import Settings
from messaging.names import TASK_ENCODE_PICTURES
from messaging.worker_call import TaskCall, WorkerCaller, pack_array, unpack_array

_CONFLICTS: dict[str, type[ConflictError]] = {one.code: one for one in (NoTextTowerError, NoPictureEncoderError)}


@dataclass(frozen=True, slots=True)
class WordsItem:
    """A text to be encoded by the text tower of the picture encoder."""

    text: str


PictureQueryItem: TypeAlias = QueryPicture | WordsItem


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPictures:
    """What the worker made of n items: for each a unit vector, float32 of shape (dimension,), or why it has none.

    `recipe` is the fingerprint of the picture encoder's recipe; blank if the worker has no such encoder.
    """

    recipe: str
    outcomes: list[NDArray[np.float32] | PermanentError]


def get_size(item: PictureQueryItem) -> int:
    """What an item weighs on the wire, in bytes, about."""
    return len(item.data) if isinstance(item, QueryPicture) else len(item.text)


def pack_items(items: Sequence[PictureQueryItem]) -> list[dict[str, str]]:
    """The items for JSON. The inverse of `unpack_items`, but for what the worker has no use for."""
    return [_pack_item(item) for item in items]


def unpack_items(packed: Sequence[Mapping[str, str]]) -> list[bytes | str]:
    """For the worker: files and texts."""
    return [base64.b64decode(one["picture"]) if "picture" in one else one["text"] for one in packed]


def build_picture_result(*, recipe: str, outcomes: Sequence[NDArray[np.float32] | PermanentError]) -> dict[str, Any]:
    """The JSON result of `query.encode_pictures`. The inverse of `parse_picture_result`."""
    rows = [outcome for outcome in outcomes if not isinstance(outcome, PermanentError)]
    refused = {str(place): _pack_error(one) for place, one in enumerate(outcomes) if isinstance(one, PermanentError)}
    return {
        "recipe": recipe,
        "count": len(outcomes),
        "dimension": len(rows[0]) if rows else 0,
        "dense": pack_array(np.asarray(rows, np.float32), "<f4"),
        "refused": refused,
    }


def parse_picture_result(result: Mapping[str, Any]) -> EncodedPictures:
    """The outcomes of a result. Raises ValueError or KeyError on what `build_picture_result` did not make."""
    refused = {int(place): _unpack_error(packed) for place, packed in result["refused"].items()}
    rows = unpack_array(result["dense"], "<f4").reshape(-1, result["dimension"] or 1)
    if len(rows) + len(refused) != result["count"]:
        raise ValueError(f"{len(rows)} vectors and {len(refused)} refusals for {result['count']} items")
    left = iter(rows)
    outcomes = [refused[place] if place in refused else next(left) for place in range(result["count"])]
    return EncodedPictures(result["recipe"], cast(list[NDArray[np.float32] | PermanentError], outcomes))


class PictureWorkerClient:
    """Sends pictures to the query worker and waits for their vectors. For one thread only."""

    def __init__(self, settings: Settings) -> None:
        self._caller = WorkerCaller(settings)

    def encode(self, items: Sequence[PictureQueryItem], timeout_s: float) -> EncodedPictures:
        """The outcomes of the items, in their order.

        Raises DependencyUnavailableError for `redis` or `query-worker`, DeadlineExceededError after `timeout_s`.
        """
        call = TaskCall(TASK_ENCODE_PICTURES, {"items": pack_items(items)}, shown=f"<{len(items)} pictures or texts>")
        encoded = parse_picture_result(self._caller.call(call, timeout_s))
        if len(encoded.outcomes) != len(items):
            raise DependencyUnavailableError("query-worker", f"{len(encoded.outcomes)} outcomes for {len(items)} items")
        return encoded

    def close(self) -> None:
        """Close the connections."""
        self._caller.close()


def _pack_item(item: PictureQueryItem) -> dict[str, str]:
    if isinstance(item, QueryPicture):
        return {"picture": base64.b64encode(item.data).decode("ascii")}
    return {"text": item.text}


def _pack_error(error: PermanentError) -> dict[str, str]:
    if isinstance(error, PictureRefusedError):
        return {"code": error.code, "field": error.field, "reason": error.reason, "word": error.code_word}
    return {"code": error.code, "reason": str(error)}


def _unpack_error(packed: Mapping[str, Any]) -> PermanentError:
    if packed["code"] == PictureRefusedError.code:
        return PictureRefusedError(packed["field"], packed["reason"], code_word=packed["word"])
    return _CONFLICTS.get(packed["code"], PermanentError)(packed["reason"])
