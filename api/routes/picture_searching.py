"""Search by picture, by text and picture, and by what looks like a title or a picture."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag
from werkzeug.datastructures import FileStorage

from api.conditional import MAX_AGE_S, answer_conditionally
from api.guard.hooks import charge
from api.ndjson import answer_as_stream, wants_stream
from api.picture_errors import PictureMissingError
from api.picture_forms import read_picture_body, takes_picture
from api.picture_input import PICTURE_COST, PictureSource
from api.picture_requests import to_multimodal_request, to_picture_request, to_visual_request
from api.schemas.base import Problem
from api.schemas.picture_searching import ImageSearchBody, MultimodalBody, VisualPath, VisualQuery
from api.schemas.searching import SearchResponse
from api.services import ApiServices
from core.errors import InvalidInputError
from core.query_picture import QueryPicture
from search.answer import SearchAnswer
from search.pictures.planning import NEITHER

_SEARCH_TAG = Tag(name="search", description="Find titles")
_SIMILARITY_TAG = Tag(name="similarity", description="Find titles like titles")
_PROBLEMS = {400: Problem, 409: Problem, 413: Problem, 415: Problem, 422: Problem, 503: Problem}
_FORMS = "JSON, or multipart/form-data with the file `image`."

_IMAGE = (
    f"Titles whose pictures look like the one that is sent, or those pictures themselves (`target`). {_FORMS} Crops, "
    "recompressed and resized copies of a known picture find its title. With `query` instead of a picture: what is to "
    "be seen, in words."
)
_BOTH = (
    f"Titles for a text and a picture together, weighed by `text_weight` and `image_weight`. {_FORMS} With one of both "
    "alone it is the search by that."
)
_VISUAL = "What looks like this title, by its pictures, or like this picture; the title itself is left out."


_Body = ImageSearchBody | MultimodalBody


def build_blueprints(services: ApiServices) -> list[Any]:
    """The routes with pictures below /api/v1/search and /api/v1/similarity."""
    return [_build_search(services), _build_similarity(services)]


def _build_search(services: ApiServices) -> Any:
    blueprint = APIBlueprint(
        "picture_search", __name__, url_prefix="/api/v1/search", abp_tags=[_SEARCH_TAG], abp_responses=_PROBLEMS
    )

    def by_picture() -> Response:
        body, upload = read_picture_body(ImageSearchBody, services.settings)
        picture = _read_picture(services, body, upload)
        is_streamed = wants_stream(request)
        asked = to_picture_request(body, picture, is_streamed=is_streamed)
        service = services.picture_search if body.target == "pictures" else services.search
        return answer_as_stream(*service.stream(asked)) if is_streamed else _answer(service.search(asked))

    def by_text_and_picture() -> Response:
        body, upload = read_picture_body(MultimodalBody, services.settings)
        is_streamed = wants_stream(request)
        asked = to_multimodal_request(body, _read_picture(services, body, upload), is_streamed=is_streamed)
        service = services.search
        return answer_as_stream(*service.stream(asked)) if is_streamed else _answer(service.search(asked))

    blueprint.post(
        "/image",
        responses={200: SearchResponse},
        summary="Search by a picture",
        description=_IMAGE,
        openapi_extensions=takes_picture(ImageSearchBody),
    )(by_picture)
    blueprint.post(
        "/multimodal",
        responses={200: SearchResponse},
        summary="Search by text and picture",
        description=_BOTH,
        openapi_extensions=takes_picture(MultimodalBody),
    )(by_text_and_picture)
    return blueprint


def _build_similarity(services: ApiServices) -> Any:
    blueprint = APIBlueprint(
        "visual", __name__, url_prefix="/api/v1/similarity", abp_tags=[_SIMILARITY_TAG], abp_responses=_PROBLEMS
    )

    def visual(path: VisualPath, query: VisualQuery) -> Response:
        asked = to_visual_request(path.id, query)
        service = services.picture_search if query.target == "pictures" else services.search
        answer = service.search(asked)
        return answer_conditionally(answer.to_bytes(), etag_of=answer.body, max_age_s=MAX_AGE_S)

    blueprint.get(
        "/visual/<id>",
        responses={200: SearchResponse, 404: Problem},
        summary="What looks alike",
        description=_VISUAL,
    )(visual)
    return blueprint


def _read_picture(services: ApiServices, body: _Body, upload: FileStorage | None) -> QueryPicture | None:
    """The picture of a request, None if it has none; it costs what a picture costs."""
    source = PictureSource(upload, body.image_data, body.image_url)
    if not source.names:
        if body.query is None:
            raise PictureMissingError("query", NEITHER)
        return None
    if isinstance(body, ImageSearchBody) and body.query is not None:
        raise InvalidInputError("query", "is one too many beside a picture: search/multimodal takes both")
    charge(PICTURE_COST, field=source.names[0])
    return services.pictures.reader.read_query(source)


def _answer(answer: SearchAnswer) -> Response:
    return Response(answer.to_bytes(), content_type="application/json")
