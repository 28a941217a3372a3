"""Search by text, one or many, and one title by its id."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag

from api.conditional import MAX_AGE_S, answer_conditionally
from api.guard.hooks import charge
from api.ndjson import answer_as_stream, wants_stream
from api.requests import to_search_request
from api.schemas.base import Problem
from api.schemas.searching import BatchBody, BatchResponse, SearchBody, SearchResponse
from api.schemas.titles import TitlePath, TitleQuery, TitleResponse
from search.service import SearchService

_TAG = Tag(name="search", description="Find titles")
_PROBLEMS = {400: Problem, 409: Problem, 413: Problem, 415: Problem, 422: Problem, 503: Problem}

_SEARCH = (
    "Titles for a text, in the order of `score`; without `query` a list of what passes the filters. Any language. "
    "With `Accept: application/x-ndjson` the answer comes line by line and may have 10,000 results."
)
_BATCH = "One answer a search, in their order. One that is wrong refuses them all and is named: `queries.3.limit`."
_TITLE = "The whole document of a title, by its slug or by the id that a provider knows it by."


def build_blueprint(service: SearchService) -> Any:
    """The routes under /api/v1/search."""
    blueprint = APIBlueprint("search", __name__, url_prefix="/api/v1/search", abp_tags=[_TAG], abp_responses=_PROBLEMS)

    def search(body: SearchBody) -> Response:
        if wants_stream(request):
            return answer_as_stream(*service.stream(to_search_request(body, is_streamed=True)))
        answer = service.search(to_search_request(body), token=request.get_data())
        return Response(answer.to_bytes(), content_type="application/json")

    def search_batch(body: BatchBody) -> Response:
        charge(len(body.queries), field="queries")
        answers = service.search_batch([to_search_request(query) for query in body.queries])
        return Response(join_answers([answer.to_bytes() for answer in answers]), content_type="application/json")

    def by_id(path: TitlePath, query: TitleQuery) -> Response:
        title = service.get_by_id(path.id, include_adult=query.include_adult)
        return answer_conditionally(orjson.dumps(title), max_age_s=MAX_AGE_S)

    blueprint.post("", responses={200: SearchResponse}, summary="Search by text", description=_SEARCH)(search)
    blueprint.post("/batch", responses={200: BatchResponse}, summary="Many searches at once", description=_BATCH)(
        search_batch
    )
    blueprint.get("/by-id/<id>", responses={200: TitleResponse, 404: Problem}, summary="One title", description=_TITLE)(
        by_id
    )
    return blueprint


def join_answers(answers: list[bytes]) -> bytes:
    """{"answers": [...]} of answers that are JSON already."""
    return b'{"answers":[' + b",".join(answers) + b"]}"
