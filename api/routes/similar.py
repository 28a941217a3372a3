"""Titles like titles."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag

from api.conditional import MAX_AGE_S, answer_conditionally
from api.guard.hooks import charge
from api.ndjson import answer_as_stream, wants_stream
from api.requests import to_similar_request, to_similar_requests
from api.routes.searching import join_answers
from api.schemas.base import Problem
from api.schemas.searching import BatchResponse, SearchResponse, SimilarBatchBody, SimilarQuery, SimilarVectorQuery
from api.schemas.titles import TitlePath
from search.distance import add_distances, check_measure
from search.service import SearchService

_TAG = Tag(name="similarity", description="Find titles like titles")
_PROBLEMS = {400: Problem, 404: Problem, 409: Problem, 413: Problem, 415: Problem, 422: Problem, 503: Problem}

_CONTENT = "What a viewer of this title may like: by story, genres and names, without its sequels and other relatives."
_VECTOR = "The nearest titles by one of the vectors alone, where wanted with the distance in another measure."
_MANY = (
    "`each`: a list for each of up to 100 titles. `combined`: one list of titles that are like the positive ones and "
    "unlike the negative ones."
)


def build_blueprint(service: SearchService) -> Any:
    """The routes under /api/v1/similarity."""
    blueprint = APIBlueprint(
        "similarity", __name__, url_prefix="/api/v1/similarity", abp_tags=[_TAG], abp_responses=_PROBLEMS
    )

    def by_content(path: TitlePath, query: SimilarQuery) -> Response:
        answer = service.search(to_similar_request(path.id, query))
        return answer_conditionally(answer.to_bytes(), etag_of=answer.body, max_age_s=MAX_AGE_S)

    def by_vector(path: TitlePath, query: SimilarVectorQuery) -> Response:
        if query.distance is not None:
            check_measure(query.distance, vector=query.vector, boost=query.boost)
        answer = service.search(to_similar_request(path.id, query))
        body, steady = answer.to_bytes(), answer.body
        if query.distance is not None:
            body = add_distances(body, measure=query.distance, vector=query.vector)
            steady += query.distance.encode()
        return answer_conditionally(body, etag_of=steady, max_age_s=MAX_AGE_S)

    def batch(body: SimilarBatchBody) -> Response:
        is_streamed = body.mode == "combined" and wants_stream(request)
        requests = to_similar_requests(body, is_streamed=is_streamed)
        charge(len(requests), field="references")
        if is_streamed:
            return answer_as_stream(*service.stream(requests[0]))
        answers = (
            [service.search(requests[0])]
            if body.mode == "combined"
            else (service.search_batch(requests, field="references"))
        )
        return Response(join_answers([answer.to_bytes() for answer in answers]), content_type="application/json")

    blueprint.get("/anime/<id>", responses={200: SearchResponse}, summary="Titles like a title", description=_CONTENT)(
        by_content
    )
    blueprint.get(
        "/vector/<id>", responses={200: SearchResponse}, summary="Titles alike by one vector", description=_VECTOR
    )(by_vector)
    blueprint.post(
        "/batch",
        responses={200: BatchResponse},
        summary="Lists for many titles, or one list for all",
        description=_MANY,
    )(batch)
    return blueprint
