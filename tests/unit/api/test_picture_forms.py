"""Bodies with a picture: a form says the same as JSON."""

from __future__ import annotations

import io
from typing import Any

import pytest
from flask import Flask
from pydantic import Field
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, UnsupportedMediaType

from api.http import StrictRequest
from api.picture_errors import PictureMissingError
from api.picture_forms import LARGE_BYTES, get_body_limit, read_picture_body, register_picture_bodies
from api.schemas.base import StrictBody
from core.errors import InvalidInputError, OverloadedError
from core.settings import Settings

SETTINGS = Settings(_env_file=None)


class Body(StrictBody):
    """Fields of every kind."""

    query: str | None = None
    image_data: str | None = None
    limit: int = Field(10, ge=1)
    min_score: float | None = None
    explain: bool = False
    fields: list[str] | None = None
    filters: dict[str, Any] | None = None


class _Flask(Flask):
    request_class = StrictRequest


def read(settings: Settings = SETTINGS, **sent: Any) -> tuple[Body, bytes | None]:
    """What the view of such a body gets."""
    app = _Flask(__name__)
    register_picture_bodies(app)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    with app.test_request_context("/", method="POST", **sent):
        body, upload = read_picture_body(Body, settings)
        return body, None if upload is None else upload.read()


def send_form(*fields: tuple[str, Any]) -> dict[str, Any]:
    """A multipart body."""
    return {"data": MultiDict(fields), "content_type": "multipart/form-data"}


def build_file(data: bytes = b"picture", name: str = "a.jpg") -> tuple[io.BytesIO, str]:
    """A file as werkzeug's test client takes it."""
    return io.BytesIO(data), name


def test_a_form_says_the_same_as_json() -> None:
    """Texts stay texts, everything else is read as JSON, a list may come as several fields."""
    values = {
        "query": "10",
        "limit": 5,
        "min_score": 0.5,
        "explain": True,
        "fields": ["title", "year"],
        "filters": {"year": {"gte": 2000}},
    }
    as_json, nothing = read(json=values)
    as_form, data = read(
        **send_form(
            ("image", build_file()),
            ("query", "10"),
            ("limit", "5"),
            ("min_score", "0.5"),
            ("explain", "true"),
            ("fields", "title"),
            ("fields", "year"),
            ("filters", '{"year": {"gte": 2000}}'),
        )
    )
    assert as_json == as_form == Body.model_validate(values)
    assert (nothing, data) == (None, b"picture")


def test_a_list_may_be_one_field() -> None:
    """A single name is a list of one, and JSON of a list is that list."""
    assert read(**send_form(("image", build_file()), ("fields", "title")))[0].fields == ["title"]
    assert read(**send_form(("image", build_file()), ("fields", '["title", "year"]')))[0].fields == ["title", "year"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ([("image", build_file()), ("image", build_file())], "image"),
        ([("picture", build_file())], "picture"),
        ([("image", "not a file")], "image"),
        ([("image", build_file()), ("limit", "5"), ("limit", "6")], "limit"),
    ],
)
def test_a_wrong_form_names_the_field(fields: list[tuple[str, Any]], named: str) -> None:
    """Two pictures, a file of another name, a picture without a file name, a field given twice."""
    with pytest.raises(InvalidInputError) as caught:
        read(**send_form(*fields))
    assert caught.value.field == named


def test_an_empty_form_lacks_its_picture() -> None:
    """Neither a file nor a field."""
    with pytest.raises(PictureMissingError):
        read(data=b"--x--\r\n", content_type="multipart/form-data; boundary=x")


@pytest.mark.parametrize(
    "fields",
    [[("limit", "many")], [("limit", "0")], [("explain", "yes")], [("colour", "red")], [("filters", "year")]],
)
def test_a_wrong_value_is_refused_as_in_json(fields: list[tuple[str, str]]) -> None:
    """What is no number, no flag, no field, no object is a 422 as it would be there."""
    with pytest.raises(HTTPException) as caught:
        read(**send_form(("image", build_file()), *fields))
    assert caught.value.response is not None
    assert caught.value.response.status_code == 422


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "image/jpeg", ""])
def test_another_media_type_is_refused(content_type: str) -> None:
    """A body is JSON or a form with files; a bare picture is neither."""
    with pytest.raises(UnsupportedMediaType):
        read(data=b"x", content_type=content_type)


def test_the_largest_picture_fits_and_not_much_more() -> None:
    """A picture of the largest size passes as base64 and as a file; what cannot hold one is not read."""
    settings = Settings(_env_file=None, picture_max_bytes=60_000, max_body_bytes=1_000)
    text = "A" * 80_000
    assert read(settings, json={"image_data": text})[0].image_data == text
    assert read(settings, **send_form(("image_data", text)))[0].image_data == text
    assert read(settings, **send_form(("image", build_file(bytes(60_000)))))[1] == bytes(60_000)
    for sent in (
        {"data": bytes(get_body_limit(settings) + 1), "content_type": "application/json"},
        send_form(("image", build_file(bytes(get_body_limit(settings) + 1)))),
    ):
        with pytest.raises(RequestEntityTooLarge):
            read(settings, **sent)


def test_large_bodies_wait_for_each_other() -> None:
    """While all places are taken another large one is sent away, a small one is not; each gives its place back."""
    app = _Flask(__name__)
    register_picture_bodies(app, places=1, wait_s=0.01)
    large = {"method": "POST", "json": {"image_data": "A" * LARGE_BYTES}}
    small = {"method": "POST", "json": {"image_data": "A"}}
    for _ in range(3):
        with app.test_request_context("/", **large):
            read_picture_body(Body, SETTINGS)
            with app.test_request_context("/", **small):
                assert read_picture_body(Body, SETTINGS)[0].image_data == "A"
            with app.test_request_context("/", **large), pytest.raises(OverloadedError):
                read_picture_body(Body, SETTINGS)


def test_a_body_that_is_refused_gives_its_place_back() -> None:
    """A large body with a wrong field does not keep the next one out."""
    app = _Flask(__name__)
    register_picture_bodies(app, places=1, wait_s=0.01)
    for _ in range(3):
        sent = {"image_data": "A" * LARGE_BYTES, "colour": "red"}
        with app.test_request_context("/", method="POST", json=sent), pytest.raises(HTTPException):
            read_picture_body(Body, SETTINGS)
