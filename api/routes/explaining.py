"""Why titles say what they say, and the word of persons, which goes before every source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from api.guard.hooks import get_caller
from api.job_params import check_texts
from api.routes.admin import answer
from api.schemas.base import Problem
from api.schemas.provenance import (
    OverrideBody,
    OverrideListResponse,
    OverridePath,
    OverrideResponse,
    ProvenanceQuery,
    ProvenanceResponse,
)
from api.schemas.titles import TitlePath
from api.services import ApiServices
from core.errors import NotFoundError
from core.explaining import explain_fields
from core.overrides import check_field, check_value
from messaging.names import TASK_RUN_JOB
from search.referring import check_identifier
from storage.database.bases import OverrideChange
from storage.database.provenance import Provenance
from storage.database.titles import StoredTitle

_TITLES = Tag(name="titles", description="Where facts come from")
_ADMIN = Tag(name="admin", description="For operators")
_PROBLEMS = {404: Problem, 422: Problem, 503: Problem}
_WRITE_PROBLEMS = {400: Problem, 413: Problem, 415: Problem, **_PROBLEMS}

_WHY = (
    "Each field with its sources, how sure we are, when it was said, how it was chosen, and what other sources say "
    "instead; and the quality of the title, in parts."
)
_LIST = "What persons said of a title, with who, when and why."
_SET = (
    "A person's word for a field goes before every source, imports too, until it is removed. It is kept at once; the "
    "job of the answer brings it into the document and the index. The same again changes nothing."
)
_REMOVE = "Lets the sources decide again; the job of the answer brings their value back."


def build_blueprints(services: ApiServices) -> list[Any]:
    """The routes under /api/v1/titles, and those of overrides under /api/v1/admin/titles."""
    return [_build_reading(services), _build_deciding(services)]


def _build_reading(services: ApiServices) -> Any:
    blueprint = APIBlueprint(
        "titles", __name__, url_prefix="/api/v1/titles", abp_tags=[_TITLES], abp_responses=_PROBLEMS
    )

    def provenance(path: TitlePath, query: ProvenanceQuery) -> Response:
        title = services.explaining.find(path.id, include_adult=query.include_adult)
        return answer(_describe(title, services.explaining.provenance.load(title.slug)))

    blueprint.get(
        "/<id>/provenance", responses={200: ProvenanceResponse}, summary="Why a title says so", description=_WHY
    )(provenance)
    return blueprint


def _build_deciding(services: ApiServices) -> Any:
    blueprint = APIBlueprint(
        "overrides", __name__, url_prefix="/api/v1/admin/titles", abp_tags=[_ADMIN], abp_responses=_WRITE_PROBLEMS
    )
    bases = services.explaining.bases

    def list_overrides(path: TitlePath) -> Response:
        slug = _find_slug(services, path.id)
        overrides = bases.load_overrides(slug)
        return answer({"id": slug, "overrides": {field: one.to_json() for field, one in overrides.items()}})

    def set_override(path: OverridePath, body: OverrideBody) -> Response:
        check_texts(body.value, "value")
        value, slug = check_value(path.field, body.value), _find_slug(services, path.id)
        return _finish(services, bases.set_override(slug, path.field, value, by=get_caller(), note=body.note))

    def remove_override(path: OverridePath) -> Response:
        field, slug = check_field(path.field), _find_slug(services, path.id)
        return _finish(services, bases.remove_override(slug, field))

    blueprint.get(
        "/<id>/overrides", responses={200: OverrideListResponse}, summary="What persons said", description=_LIST
    )(list_overrides)
    blueprint.put(
        "/<id>/overrides/<field>", responses={200: OverrideResponse}, summary="Decide a field", description=_SET
    )(set_override)
    blueprint.delete(
        "/<id>/overrides/<field>", responses={200: OverrideResponse}, summary="Take it back", description=_REMOVE
    )(remove_override)
    return blueprint


def _find_slug(services: ApiServices, identifier: str) -> str:
    """Of any title that is stored: editors mend excluded and adult ones, too."""
    slug = services.titles.resolve_slug(check_identifier(identifier, "id"))
    if slug is None:
        raise NotFoundError("title", identifier)
    return slug


def _finish(services: ApiServices, change: OverrideChange) -> Response:
    if change.job_id is not None:
        # A hint that is lost is sent again by the reconciler: the row is there.
        services.hints.send(TASK_RUN_JOB, job_id=str(change.job_id))
    job_id = None if change.job_id is None else str(change.job_id)
    return answer({"id": change.slug, "field": change.field, "changed": change.changed, "job_id": job_id})


def _describe(title: StoredTitle, found: Provenance | None) -> dict[str, Any]:
    reasons: Mapping[str, Any] = {} if found is None else found.fields
    return {
        "id": title.slug,
        "quality": None if found is None else found.quality,
        "quality_parts": {} if found is None else found.quality_parts,
        "model_version": None if found is None else found.model_version,
        "merged_at": None if found is None else found.merged_at.isoformat(),
        "fields": explain_fields(title.document, reasons),
    }
