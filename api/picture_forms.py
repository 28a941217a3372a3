"""Bodies that hold a picture: JSON, or multipart/form-data with the file `image` and the other fields beside it.

Views that take such a body read it themselves, for flask-openapi3 reads one kind of body only:

    def search_image() -> Response:
        body, upload = read_picture_body(ImageSearchBody, settings)
        picture = pictures.read_query(PictureSource(upload, body.image_data, body.image_url))

    blueprint.post("/image", openapi_extensions=takes_picture(ImageSearchBody), ...)(search_image)
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import orjson
from flask import Flask, abort, current_app, request
from pydantic import BaseModel, ValidationError
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import UnsupportedMediaType

from api.picture_errors import PictureMissingError
from api.problems import refuse_invalid
from core.errors import InvalidInputError, OverloadedError
from core.settings import Settings

FILE_FIELD = "image"
# Large bodies that are worked on at once: each takes four times its size, and request threads are many.
LARGE_BYTES = 1_000_000
_PLACES = 16
_WAIT_S = 2.0
_EXTENSION = "avs-large-bodies"
# The operation's note to `api.contract`, which writes both kinds of body out.
MARK = "x-picture-body"
# What a body may say beside its picture.
_REST_BYTES = 200_000
ModelT = TypeVar("ModelT", bound=BaseModel)


def register_picture_bodies(app: Flask, *, places: int = _PLACES, wait_s: float = _WAIT_S) -> None:
    """Bound how many large bodies the views of this application work on at once."""
    app.extensions[_EXTENSION] = (threading.BoundedSemaphore(places), wait_s)
    app.teardown_request(_leave)


def takes_picture(model: type[BaseModel]) -> dict[str, Any]:
    """For `openapi_extensions`: the route's body is this model, as JSON or as a form."""
    return {MARK: model.__name__}


def get_body_limit(settings: Settings) -> int:
    """Bytes of a request with the largest picture as base64."""
    return 4 * -(-settings.picture_max_bytes // 3) + _REST_BYTES


def read_picture_body(model: type[ModelT], settings: Settings) -> tuple[ModelT, FileStorage | None]:
    """The request's body, and the file of a form. Aborts with a problem document for what the model refuses.

    Raises InvalidInputError, MalformedBodyError, UnsupportedMediaType and RequestEntityTooLarge, and OverloadedError
    when too many large bodies are being worked on.
    """
    request.max_content_length = get_body_limit(settings)
    request.max_form_memory_size = get_body_limit(settings)
    if request.is_json:
        # All of it has come before it takes a place: who sends slowly keeps nobody out.
        _enter(len(request.get_data()))
        return _validate(model, request.get_json()), None
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMediaType("the body must be application/json, or multipart/form-data with the file `image`")
    upload = _find_file()
    _enter(request.content_length or get_body_limit(settings))
    return _validate(model, _read_fields(model)), upload


def _enter(size: int) -> None:
    if size <= LARGE_BYTES:
        return
    places, wait_s = current_app.extensions[_EXTENSION]
    if not places.acquire(timeout=wait_s):
        raise OverloadedError("too many large pictures are being worked on", retry_after_s=wait_s)
    request.environ[_EXTENSION] = places


def _leave(_error: BaseException | None) -> None:
    places = request.environ.pop(_EXTENSION, None)
    if places is not None:
        places.release()


def _find_file() -> FileStorage | None:
    files = request.files
    if unknown := next((name for name in files if name != FILE_FIELD), None):
        raise InvalidInputError(unknown[:80], f"is a file; the picture is sent as the file {FILE_FIELD}")
    found = files.getlist(FILE_FIELD)
    if len(found) > 1:
        raise InvalidInputError(FILE_FIELD, "is given more than once")
    if FILE_FIELD in request.form:
        raise InvalidInputError(FILE_FIELD, "must be a file, with a file name, and not a field of text")
    if not found and not request.form:
        raise PictureMissingError(FILE_FIELD, "is missing: the form is empty")
    return found[0] if found else None


def _read_fields(model: type[BaseModel]) -> dict[str, Any]:
    """The form's fields as the values of a JSON body."""
    kinds = {name: _find_kinds(schema) for name, schema in model.model_json_schema()["properties"].items()}
    fields: dict[str, Any] = {}
    for name, values in request.form.lists():
        kind = kinds.get(name, frozenset())
        if "array" in kind and not (len(values) == 1 and values[0].lstrip().startswith("[")):
            fields[name] = values
        elif len(values) > 1:
            raise InvalidInputError(name[:80], "is given more than once")
        else:
            fields[name] = values[0] if "string" in kind else _parse(values[0])
    return fields


def _find_kinds(schema: dict[str, Any]) -> frozenset[str]:
    """The JSON types that a field may have: a text stays a text, everything else is written as in JSON."""
    return frozenset(str(one.get("type", "object")) for one in (schema, *schema.get("anyOf", ())))


def _parse(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _validate(model: type[ModelT], values: dict[str, Any]) -> ModelT:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        abort(refuse_invalid(error))
