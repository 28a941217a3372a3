"""The providers of enrichment, as operators see them."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask_openapi3 import APIBlueprint

from api.routes.admin import TAG, answer
from api.schemas.base import Problem
from api.schemas.providers import ProviderListResponse
from api.services import ApiServices

_WHY = (
    "For each provider: whether it is configured, its limits and what is left of them, pause and circuit, requests and "
    "errors of the last hour and day, the newest answer, and the parts of titles by state."
)


def build_blueprint(services: ApiServices) -> Any:
    """The route /api/v1/admin/providers."""
    blueprint = APIBlueprint(
        "providers", __name__, url_prefix="/api/v1/admin", abp_tags=[TAG], abp_responses={503: Problem}
    )

    def list_providers() -> Response:
        response = answer(services.admin.providers.read())
        response.headers["Cache-Control"] = "no-store"
        return response

    blueprint.get(
        "/providers", responses={200: ProviderListResponse}, summary="Health of the providers", description=_WHY
    )(list_providers)
    return blueprint
