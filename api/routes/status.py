"""Health and statistics, under /api/v1 and without it."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from api.health import HealthChecker
from api.schemas.base import Problem
from api.schemas.status import HealthResponse, LiveResponse, StatsResponse
from api.services import ApiServices
from core.errors import NoPictureEncoderError
from search.live import LiveIndexReader, NothingIndexedError
from search.pictures.live import LivePicturesReader
from storage.vectors.store import CollectionState, PointsMissingError, VectorStore

_TAG = Tag(name="status", description="Health and numbers")

_LIVE = "Asks nobody. Restart the process if this does not answer."
_READY = "Each server and worker with what it said. 503 while one that is required is away: send no traffic then."
_STATS = "Titles, points, hit rates and batch sizes, of this process. Adult titles are not counted."


def build_blueprint(services: ApiServices) -> Any:
    """The routes for probes and dashboards."""
    blueprint = APIBlueprint("status", __name__, abp_tags=[_TAG])

    def live() -> Response:
        return Response(b'{"status":"alive"}', content_type="application/json")

    def report_health() -> Response:
        return _report(services.health)

    def report_stats() -> Response:
        return _count(services)

    blueprint.get("/health/live", responses={200: LiveResponse}, summary="The process answers", description=_LIVE)(live)
    for rule, endpoint in (("/health", "health"), ("/health/ready", "ready"), ("/api/v1/health", "health_v1")):
        blueprint.get(
            rule,
            responses={200: HealthResponse, 503: HealthResponse},
            summary="Everything that a search needs is there",
            description=_READY,
            operation_id=endpoint,
        )(_named(report_health, endpoint))
    for rule, endpoint in (("/stats", "stats"), ("/api/v1/stats", "stats_v1")):
        blueprint.get(
            rule,
            responses={200: StatsResponse, 503: Problem},
            summary="Sizes and counts",
            description=_STATS,
            operation_id=endpoint,
        )(_named(report_stats, endpoint))
    return blueprint


def _named(view: Any, name: str) -> Any:
    """The same view as a function of another name: Flask wants one endpoint a rule."""

    def named() -> Response:
        answer: Response = view()
        return answer

    named.__name__ = name
    return named


def _report(health: HealthChecker) -> Response:
    report = health.check()
    body = orjson.dumps({"status": report.status, "checks": report.checks})
    response = Response(body, status=200 if report.is_ready else 503, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def _count(services: ApiServices) -> Response:
    collection, state = _find_collection(services.live, services.store)
    body = {
        "titles": services.titles.count(),
        "points": services.store.count_visible(collection) if collection and state else None,
        "pictures": _count_pictures(services.live_pictures, services.store),
        "generation": collection,
        "is_optimised": state.is_optimised if state else None,
        "search": {**services.search.get_stats(), "pictures": services.picture_search.get_stats()},
    }
    return Response(orjson.dumps(body), content_type="application/json")


def _count_pictures(live: LivePicturesReader, store: VectorStore) -> int | None:
    """Pictures that anybody may find; None before there are any collections of them."""
    try:
        collection = live.get().collection
        return store.count_visible(collection)
    except (NoPictureEncoderError, PointsMissingError):
        return None


def _find_collection(live: LiveIndexReader, store: VectorStore) -> tuple[str | None, CollectionState | None]:
    try:
        collection = live.get().collection
    except NothingIndexedError:
        return None, None
    return collection, store.get_state(collection)
