"""Stored pictures, in the sizes that pages need."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag

from api.conditional import choose_audience
from api.media_shelf import MediaFound, MediaShelf
from api.schemas.base import Problem
from api.schemas.media import MediaPath, MediaQuery

_TAG = Tag(name="media", description="Stored pictures")
_PROBLEMS = {404: Problem, 422: Problem, 503: Problem}
_MAX_AGE_S = 31_536_000
_ONE = (
    "The picture itself, or a thumbnail of it as WebP, never larger than the picture. What has this SHA-256 never "
    "changes, so it may be kept for a year. Pictures of adult titles are there with `include_adult` only."
)
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_CONTENT = {"content": {"image/*": _BINARY}, "description": "The picture"}


def build_blueprint(shelf: MediaShelf) -> Any:
    """The route under /api/v1/media."""
    blueprint = APIBlueprint("media", __name__, url_prefix="/api/v1/media", abp_tags=[_TAG], abp_responses=_PROBLEMS)

    def get_media(path: MediaPath, query: MediaQuery) -> Response:
        found = shelf.find(path.sha256, width=query.width, include_adult=query.include_adult)
        if request.if_none_match.contains_weak(found.tag):
            return _finish(Response(status=304), found)
        return _finish(Response(shelf.read(found), content_type=found.media_type), found)

    blueprint.get("/<sha256>", responses={200: _CONTENT}, summary="A stored picture", description=_ONE)(get_media)
    return blueprint


def _finish(response: Response, found: MediaFound) -> Response:
    response.set_etag(found.tag)
    # What only some may see is for no shared cache.
    audience = "private" if found.shown.is_adult else choose_audience()
    response.headers["Cache-Control"] = f"{audience}, max-age={_MAX_AGE_S}, immutable"
    response.headers["Content-Disposition"] = "inline"
    return response
