"""The wire format of `query.encode_pictures`, both ways."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from core.errors import NoPictureEncoderError, NoTextTowerError, PermanentError
from core.pictures import PictureRefusedError
from core.query_picture import QueryPicture
from messaging.picture_call import (
    EncodedPictures,
    WordsItem,
    build_picture_result,
    get_size,
    pack_items,
    parse_picture_result,
    unpack_items,
)


def send(recipe: str, outcomes: list[Any]) -> EncodedPictures:
    """The outcomes after their way over the wire."""
    return parse_picture_result(json.loads(json.dumps(build_picture_result(recipe=recipe, outcomes=outcomes))))


def test_items_arrive_as_they_were() -> None:
    """Files and texts keep their order and their bytes."""
    items = [
        QueryPicture("a" * 64, b"\x00\xffpicture", 1, 1),
        WordsItem("a red coat"),
        QueryPicture("b" * 64, b"", 1, 1),
    ]
    assert unpack_items(json.loads(json.dumps(pack_items(items)))) == [b"\x00\xffpicture", "a red coat", b""]
    assert [get_size(item) for item in items] == [9, 10, 0]


def test_vectors_arrive_as_they_were() -> None:
    """Every float32 is exact, whatever its neighbours are."""
    rows = [np.asarray(row, np.float32) for row in np.random.default_rng(1).standard_normal((3, 5))]
    refusal = NoTextTowerError("set IMAGE_EMBEDDING_MODEL")
    arrived = send("recipe", [rows[0], refusal, rows[1], rows[2]])
    assert arrived.recipe == "recipe"
    found = [outcome for outcome in arrived.outcomes if not isinstance(outcome, PermanentError)]
    assert all(np.array_equal(one, row) and one.dtype == np.float32 for one, row in zip(found, rows, strict=True))
    assert isinstance(arrived.outcomes[1], NoTextTowerError)


@pytest.mark.parametrize(
    "error",
    [
        NoTextTowerError("set IMAGE_EMBEDDING_MODEL to another"),
        NoPictureEncoderError("set IMAGE_EMBEDDING_MODEL"),
        PictureRefusedError("picture", "is cut off", code_word="truncated"),
    ],
)
def test_refusals_arrive_as_what_they_were(error: PermanentError) -> None:
    """The API answers with the same status and the same words as if the encoder were in its process."""
    [arrived] = send("", [error]).outcomes
    assert type(arrived) is type(error) and str(arrived) == str(error)
    assert getattr(arrived, "code_word", None) == getattr(error, "code_word", None)


def test_a_result_that_is_short_of_vectors_is_refused() -> None:
    """A worker that loses a vector is noticed: no picture gets the vector of another."""
    result = build_picture_result(recipe="r", outcomes=[np.ones(4, np.float32), np.ones(4, np.float32)])
    with pytest.raises(ValueError, match="2 vectors and 0 refusals for 3 items"):
        parse_picture_result({**result, "count": 3})
