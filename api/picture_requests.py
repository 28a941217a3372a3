"""From validated bodies with a picture to the requests of the search services."""

from __future__ import annotations

from typing import Any

from api.requests import read_options
from api.schemas.picture_searching import ImageSearchBody, MultimodalBody, PictureBody, VisualQuery
from core.errors import InvalidInputError
from core.query_picture import QueryPicture
from search.pictures.request import MultimodalRequest, PictureRequest, VisualRequest


def to_picture_request(
    body: ImageSearchBody, picture: QueryPicture | None, *, is_streamed: bool = False
) -> PictureRequest:
    """A search by a picture, or by a text in the space of pictures."""
    return PictureRequest(picture=picture, query=body.query, **_read_options(body, is_streamed=is_streamed))


def to_multimodal_request(
    body: MultimodalBody, picture: QueryPicture | None, *, is_streamed: bool = False
) -> MultimodalRequest:
    """A search by text and picture."""
    return MultimodalRequest(
        query=body.query,
        expand=body.expand,
        picture=picture,
        text_weight=body.text_weight,
        image_weight=body.image_weight,
        **_read_options(body, is_streamed=is_streamed),
    )


def to_visual_request(identifier: str, query: VisualQuery) -> VisualRequest:
    """What looks like a title or a picture."""
    if query.target == "pictures" and query.include_related:
        raise InvalidInputError("include_related", "has no meaning for pictures")
    return VisualRequest(
        like=identifier,
        include_related=query.include_related,
        limit=query.limit,
        offset=query.offset,
        cursor=query.cursor,
        min_score=query.min_score,
        fields=None if query.fields is None else tuple(name for name in query.fields.split(",") if name),
        diversity=query.diversity,
        explain=query.explain,
        include_adult=query.include_adult,
    )


def _read_options(body: PictureBody, *, is_streamed: bool) -> dict[str, Any]:
    options = read_options(body, is_streamed=is_streamed)
    if body.top_k is not None:
        if "limit" in body.model_fields_set and body.limit != body.top_k:
            raise InvalidInputError("top_k", "is another name of limit: send one of them")
        options["limit"] = body.top_k
    if not body.include_metadata:
        if body.fields:
            raise InvalidInputError("include_metadata", "is false, and fields names some: send one of them")
        options["fields"] = ()
    return options
