"""Search by text, and one title by its id."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag

from api.schemas.base import Problem
from api.schemas.searching import SearchBody, SearchResponse
from api.schemas.titles import TitlePath, TitleQuery, TitleResponse
from core.errors import InvalidInputError
from search.request import SearchRequest
from search.service import SearchService

_TAG = Tag(name="search", description="Find titles")
_PROBLEMS = {400: Problem, 409: Problem, 413: Problem, 415: Problem, 422: Problem, 503: Problem}


def build_blueprint(service: SearchService) -> Any:
    """The routes under /api/v1/search."""
    blueprint = APIBlueprint("search", __name__, url_prefix="/api/v1/search", abp_tags=[_TAG], abp_responses=_PROBLEMS)

    def search(body: SearchBody) -> Response:
        answer = service.search(to_request(body), token=request.get_data())
        return Response(answer.to_bytes(), content_type="application/json")

    def by_id(path: TitlePath, query: TitleQuery) -> Response:
        title = service.get_by_id(path.id, include_adult=query.include_adult)
        return Response(orjson.dumps(title), content_type="application/json")

    blueprint.post("", responses={200: SearchResponse}, summary="Search by text")(search)
    blueprint.get("/by-id/<id>", responses={200: TitleResponse, 404: Problem}, summary="One title")(by_id)
    return blueprint


def to_request(body: SearchBody) -> SearchRequest:
    """The validated body as a request of the search service."""
    if body.min_score is not None and body.threshold is not None:
        raise InvalidInputError("threshold", "is another name of min_score: send one of them")
    return SearchRequest(
        query=body.query,
        limit=body.limit,
        offset=body.offset,
        filters=body.filters,
        min_score=body.min_score if body.threshold is None else body.threshold,
        fields=None if body.fields is None else tuple(body.fields),
        vectors=body.vectors,
        include_adult=body.include_adult,
    )
