"""What is to be done for a picture: its row compared with the ledger; and groups of pictures of a title."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import pytest

from core.recipe import EmbeddingRecipe
from indexing.pictures.payload import build_picture_payload
from indexing.pictures.planning import Task, plan_chunk
from indexing.pictures.titles import average_group, group_pictures
from storage.database.models import PictureKind
from storage.database.picture_ledger import PictureEntry, ShownPicture
from storage.database.picture_rows import PictureClaim
from storage.database.pictures import MediaFile, PictureRow

_ID = uuid.UUID(int=1)
_SHA, _OTHER = "a" * 64, "b" * 64
_RECIPE = EmbeddingRecipe("e", "1", 2, 1)


def _row(**changes: Any) -> PictureRow:
    sha256 = changes.get("sha256", _SHA)
    values: dict[str, Any] = {
        "id": _ID,
        "kind": PictureKind.COVER,
        "slug": "one",
        "character": None,
        "url": "https://user@Pictures.Test:8080/a.jpg?size=2",
        "sha256": _SHA,
        "name": "One",
        "tags": ("x",),
        "metadata": {"k": 1},
        "adult": False,
        "gone": False,
        "content_hash": "now",
        "excluded": False,
        "media": MediaFile(sha256, 10, "image/jpeg", 200, 300, -1, "#102030") if sha256 else None,
    }
    return PictureRow(**{**values, **changes})


def _choose(row: PictureRow | None, entry: tuple[str, str] | None) -> Task:
    known = {_ID: PictureEntry(_ID, *entry)} if entry else {}
    plan = plan_chunk([PictureClaim(_ID, 1)], pictures={_ID: row} if row else {}, known=known)
    [work] = [*plan.cheap, *(work for works in plan.by_content.values() for work in works)]
    assert (work.task is Task.VECTOR) == bool(plan.by_content)
    return work.task


@pytest.mark.parametrize(
    ("changes", "entry", "expected"),
    [
        ({}, None, Task.VECTOR),
        ({}, ("now", _SHA), Task.NOTHING),
        ({}, ("before", _SHA), Task.PAYLOAD),
        ({}, ("", ""), Task.VECTOR),
        ({}, ("now", _OTHER), Task.VECTOR),
        ({"gone": True}, ("now", _SHA), Task.REMOVAL),
        ({"excluded": True}, ("now", _SHA), Task.REMOVAL),
        ({"excluded": True}, None, Task.REMOVAL),
        ({"sha256": None}, ("now", _SHA), Task.REMOVAL),
        ({"sha256": None}, None, Task.REMOVAL),
    ],
)
def test_the_least_is_done(changes: dict[str, Any], entry: tuple[str, str] | None, expected: Task) -> None:
    """Encoded is only a new content; a point goes with its picture, its title's place in the index, or its content."""
    assert _choose(_row(**changes), entry) is expected


def test_a_point_outlives_its_row_by_one_job() -> None:
    """Without a row the point is removed, also one that was written and could not be recorded."""
    assert _choose(None, ("now", _SHA)) is Task.REMOVAL
    assert _choose(None, None) is Task.REMOVAL


def test_pictures_of_one_content_are_encoded_together() -> None:
    """The plan names a content once, with all pictures that show it."""
    rows = {uuid.UUID(int=number): _row(id=uuid.UUID(int=number)) for number in range(5)}
    plan = plan_chunk([PictureClaim(one, 1) for one in rows], pictures=rows, known={})
    assert {sha256: len(works) for sha256, works in plan.by_content.items()} == {_SHA: 5}


def test_the_payload_says_where_a_picture_is_from() -> None:
    """Host without user and port, hashes as texts, the title's name; a free picture has its own name instead."""
    payload = build_picture_payload(_row())
    assert (payload["source"], payload["phash"], payload["sha256"]) == ("pictures.test", "f" * 16, _SHA)
    assert (payload["title"], payload["image_id"], payload["width"]) == ("One", None, 200)
    free = build_picture_payload(_row(kind=PictureKind.FREE, slug=None, url=None))
    assert (free["title"], free["image_id"], free["source"]) == (None, "One", None)
    assert build_picture_payload(_row(url="http://[nowhere/a.jpg"))["source"] is None
    with pytest.raises(ValueError, match="no content"):
        build_picture_payload(_row(sha256=None))


def test_a_content_counts_once_in_a_vector() -> None:
    """Cover and thumbnail of equal bytes are one picture of image_vector; characters have a vector of their own."""
    shown = [
        ShownPicture(uuid.UUID(int=1), PictureKind.COVER, _SHA),
        ShownPicture(uuid.UUID(int=2), PictureKind.THUMBNAIL, _SHA),
        ShownPicture(uuid.UUID(int=3), PictureKind.BANNER, _OTHER),
        ShownPicture(uuid.UUID(int=4), PictureKind.CHARACTER, _SHA),
    ]
    groups = group_pictures(shown, _RECIPE)
    assert groups["image_vector"].points == (uuid.UUID(int=1), uuid.UUID(int=3))
    assert groups["character_image_vector"].points == (uuid.UUID(int=4),)
    assert group_pictures(reversed(shown), _RECIPE)["image_vector"].hash == groups["image_vector"].hash
    assert group_pictures(shown[:2], _RECIPE)["image_vector"].hash != groups["image_vector"].hash
    other = EmbeddingRecipe("other", "1", 2, 1)
    assert group_pictures(shown, other)["image_vector"].hash != groups["image_vector"].hash
    assert group_pictures([], _RECIPE) == {}


def test_the_mean_is_brought_to_length_1() -> None:
    """Two unit vectors at a right angle give the one between them."""
    one, two = uuid.UUID(int=1), uuid.UUID(int=2)
    vectors = {one: np.array([1, 0], np.float32), two: np.array([0, 1], np.float32)}
    np.testing.assert_allclose(average_group((one, two), vectors), [2**-0.5, 2**-0.5], rtol=1e-6)
    np.testing.assert_allclose(average_group((two,), vectors), [0, 1])
