"""Numbers and health for operators, and titles by hand: documents, ready vectors, exclusion."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson
from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from api.administration import Administration
from api.given_vectors import build_given_params
from api.job_params import build_params
from api.routes.jobs import show_job
from api.schemas.admin import (
    AdminHealthResponse,
    AdminStatsResponse,
    CollectionInfoResponse,
    ExclusionResponse,
    NoBody,
    UpsertBody,
)
from api.schemas.base import Problem
from api.schemas.jobs import JobBody, JobResponse
from api.schemas.titles import TitlePath
from api.services import ApiServices
from core.errors import NotFoundError
from core.recipe import EmbeddingRecipe, RecipeSet
from messaging.names import TASK_RUN_JOB
from search.live import NothingIndexedError
from search.referring import check_identifier
from storage.database.generations import Generation

TAG = Tag(name="admin", description="For operators")
PROBLEMS = {400: Problem, 404: Problem, 409: Problem, 413: Problem, 415: Problem, 422: Problem, 503: Problem}

_STATS = "Titles (adult and excluded ones apart), points, how many titles have each vector, jobs and dead letters."
_HEALTH = "As /health, with the workers of every queue and the state of the live generation."
_INFO = "Vectors, their sizes and settings, payload indexes and recipes, as Qdrant describes them."
_UPSERT = (
    "Documents go through the pipeline like those of an import job. Ready vectors are taken for known titles, if they "
    "are of the recipe that is live. Answers with the job; `wait` waits for its end."
)
_EXCLUDE = "Takes a title out of the index for good: no reindex brings it back, and its id answers 404."
_RESTORE = "Lets an excluded title back in; a job writes it to the index."


def build_blueprint(services: ApiServices) -> Any:
    """The routes under /api/v1/admin that neither make nor move generations."""
    blueprint = APIBlueprint("admin", __name__, url_prefix="/api/v1/admin", abp_tags=[TAG], abp_responses=PROBLEMS)
    admin = services.admin

    def admin_stats() -> Response:
        return answer(_describe_stats(services))

    def admin_health() -> Response:
        report, workers = services.health.check(), admin.workers.check()
        live = admin.generations.get_live(admin.alias) if report.checks["postgres"].ok else None
        body = {
            "status": report.status,
            "checks": {name: asdict(check) for name, check in report.checks.items()},
            "workers": {name: asdict(check) for name, check in workers.checks.items()},
            "generation": _describe_state(admin, live) if live and report.checks["qdrant"].ok else None,
        }
        response = answer(body, status=200 if report.is_ready else 503)
        response.headers["Cache-Control"] = "no-store"
        return response

    def collection_info() -> Response:
        return answer(_describe_collection(admin))

    def upsert_vectors(body: UpsertBody) -> Response:
        if body.documents is not None:
            params = build_params(
                JobBody(kind="import", documents=body.documents), import_root=services.settings.import_root
            )
            return start_job(services, "import", params, wait_s=body.wait)
        recipes = services.live.get().recipes
        params = build_given_params(body.recipe or "", body.points or [], recipes=recipes, titles=services.titles)
        return start_job(services, "vectors", params, wait_s=body.wait)

    def exclude_title(path: TitlePath) -> Response:
        slug = _find_slug(services, path.id)
        job_id = admin.exclusions.exclude(slug)
        removed = admin.remove_points(slug)
        jobs = [] if job_id is None else [job_id]
        return _answer_exclusion(services, slug, jobs, excluded=True, removed_from=removed)

    def restore_title(path: TitlePath, body: NoBody) -> Response:
        slug = _find_slug(services, path.id)
        return _answer_exclusion(services, slug, admin.exclusions.restore(slug), excluded=False, removed_from=[])

    blueprint.get(
        "/stats", responses={200: AdminStatsResponse}, summary="What is stored and what ran", description=_STATS
    )(admin_stats)
    blueprint.get(
        "/health",
        responses={200: AdminHealthResponse, 503: AdminHealthResponse},
        summary="Servers, workers, generation",
        description=_HEALTH,
    )(admin_health)
    blueprint.get(
        "/collection/info", responses={200: CollectionInfoResponse}, summary="The live collection", description=_INFO
    )(collection_info)
    blueprint.post(
        "/vectors/upsert",
        responses={200: JobResponse, 202: JobResponse},
        summary="Documents, or ready vectors",
        description=_UPSERT,
    )(upsert_vectors)
    blueprint.delete(
        "/vectors/<id>", responses={200: ExclusionResponse}, summary="Exclude a title", description=_EXCLUDE
    )(exclude_title)
    blueprint.post(
        "/vectors/<id>/restore", responses={200: ExclusionResponse}, summary="Bring a title back", description=_RESTORE
    )(restore_title)
    return blueprint


def answer(value: Any, *, status: int = 200) -> Response:
    """JSON."""
    return Response(orjson.dumps(value), status=status, content_type="application/json")


def start_job(services: ApiServices, kind: str, params: dict[str, Any], *, wait_s: float = 0.0) -> Response:
    """Store a job, tell the workers, and wait for its end as long as the caller likes: 200 if it came, else 202."""
    job_id = services.jobs.create(kind, params)
    # A hint that is lost is sent again by the reconciler: the row is there.
    services.hints.send(TASK_RUN_JOB, job_id=str(job_id))
    job = services.admin.wait_for_end(job_id, wait_s=wait_s)
    response = answer(show_job(job, services.jobs), status=200 if job.is_closed else 202)
    response.headers["Location"] = f"/api/v1/jobs/{job_id}"
    return response


def describe_recipes(recipes: RecipeSet) -> dict[str, Any]:
    """The recipes by kind, with their fingerprints."""
    members = {"text": recipes.text, "lexical": recipes.lexical, "metadata": recipes.metadata, "image": recipes.image}
    return {kind: describe_recipe(recipe) for kind, recipe in members.items() if recipe is not None}


def describe_recipe(recipe: EmbeddingRecipe) -> dict[str, Any]:
    """One recipe with its fingerprint."""
    return {"fingerprint": recipe.fingerprint, **asdict(recipe)}


def _find_slug(services: ApiServices, identifier: str) -> str:
    slug = services.titles.resolve_slug(check_identifier(identifier, "id"))
    if slug is None:
        raise NotFoundError("title", identifier)
    return slug


def _answer_exclusion(
    services: ApiServices, slug: str, jobs: Sequence[uuid.UUID], *, excluded: bool, removed_from: list[str]
) -> Response:
    """The last of the jobs is the title's own: the one that callers wait for."""
    for job_id in jobs:
        services.hints.send(TASK_RUN_JOB, job_id=str(job_id))
    if jobs:
        # What this process remembers of the index is out of date at once; other processes look again by themselves.
        services.forget_index()
    return answer(
        {"id": slug, "excluded": excluded, "removed_from": removed_from, "job_id": jobs[-1] if jobs else None}
    )


def _describe_stats(services: ApiServices) -> dict[str, Any]:
    admin, counts = services.admin, services.admin.counts.count()
    live = admin.generations.get_live(admin.alias)
    state = admin.store.get_state(live.collection) if live else None
    return {
        "titles": counts.titles,
        "points": state.points if state else None,
        "generation": live.collection if live else None,
        "coverage": admin.ledger.count_by_vector(live.collection) if live else {},
        "pictures": admin.pictures.count(),
        "jobs": counts.jobs,
        "dead_letters": counts.dead_letters,
        "search": {**services.search.get_stats(), "pictures": services.picture_search.get_stats()},
    }


def _describe_state(admin: Administration, live: Generation) -> dict[str, Any]:
    state = admin.store.get_state(live.collection)
    return {
        "collection": live.collection,
        "exists": state is not None,
        "is_optimised": state.is_optimised if state else None,
        "points": state.points if state else None,
        "titles": admin.ledger.count(live.collection),
        "alias_is_right": admin.store.get_alias_target(admin.alias) == live.collection,
    }


def _describe_collection(admin: Administration) -> dict[str, Any]:
    live = admin.generations.get_live(admin.alias)
    found = admin.collections.describe(live.collection) if live else None
    if live is None or found is None:
        raise NothingIndexedError("there is no live collection")
    config = found["config"]
    return {
        "collection": live.collection,
        "alias": admin.alias,
        "status": found["status"],
        "points": found["points_count"] or 0,
        "titles": admin.ledger.count(live.collection),
        "indexed_vectors": found["indexed_vectors_count"] or 0,
        "segments": found["segments_count"],
        "vectors": config["params"]["vectors"],
        "sparse_vectors": config["params"]["sparse_vectors"] or {},
        "payload_indexes": {
            name: {"type": schema["data_type"], "points": schema["points"]}
            for name, schema in sorted(found["payload_schema"].items())
        },
        "optimizers": config["optimizer_config"],
        "recipes": describe_recipes(live.recipes),
        "layout": live.layout,
        "pictures": admin.pictures.describe(),
    }
