"""How many titles have each value of a field."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from api.schemas.base import Problem
from api.schemas.faceting import FacetBody, FacetResponse
from search.facets import FacetRequest, FacetService

_TAG = Tag(name="facets", description="Count values")
_PROBLEMS = {400: Problem, 409: Problem, 413: Problem, 415: Problem, 422: Problem, 503: Problem}

_FACETS = (
    "For each field its values and how many of the titles that pass the filters have them, the most frequent first."
)


def build_blueprint(service: FacetService) -> Any:
    """The route /api/v1/facets."""
    blueprint = APIBlueprint("facets", __name__, url_prefix="/api/v1", abp_tags=[_TAG], abp_responses=_PROBLEMS)

    def facets(body: FacetBody) -> Response:
        request = FacetRequest(
            fields=tuple(body.fields), filters=body.filters, limit=body.limit, include_adult=body.include_adult
        )
        return Response(service.count(request), content_type="application/json")

    blueprint.post(
        "/facets", responses={200: FacetResponse}, summary="Count the values of fields", description=_FACETS
    )(facets)
    return blueprint
