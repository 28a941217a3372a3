"""Generations for operators: made anew, swapped, rolled back, dropped, saved and restored."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask_openapi3 import APIBlueprint

from api.administration import Administration
from api.routes.admin import PROBLEMS, TAG, answer, describe_recipes, start_job
from api.schemas.admin import (
    CollectionPath,
    GenerationListResponse,
    NoBody,
    ReindexBody,
    SnapshotBody,
    SnapshotListResponse,
    SnapshotPath,
    SwapBody,
    SwapResponse,
)
from api.schemas.jobs import JobResponse
from api.services import ApiServices
from core.errors import ConflictError, NotFoundError
from messaging.names import TASK_RUN_JOB
from search.referring import check_identifier
from storage.database.generations import Generation
from storage.database.models import GenerationState
from storage.database.snapshots import Snapshot
from storage.switching import Swap
from storage.vectors.administration import SnapshotFile

_REINDEX = "Searches are answered from the live generation until the new one has passed its gate; then the alias moves."
_LIST = "Each collection of titles with its recipes, its counts, and how many titles changed since it was written."
_SWAP = "Moves the alias in one step and starts a job that brings the generation up to date."
_ROLLBACK = "Swaps to the generation that was live before the present one."
_DROP = "Deletes a collection for good. Never the live one, and none that a job is writing."
_SAVE = "Takes a snapshot of the live collection, with the ledger of what its points were made from."
_SNAPSHOTS = "The newest first; files of Qdrant that have no manifest of ours among them."
_DELETE = "Deletes the file and its manifest."
_RESTORE = "A job makes a generation of it that stands by, to be swapped to."


def build_blueprint(services: ApiServices) -> Any:
    """The routes under /api/v1/admin that make or move generations."""
    blueprint = APIBlueprint(
        "generations", __name__, url_prefix="/api/v1/admin", abp_tags=[TAG], abp_responses=PROBLEMS
    )
    admin = services.admin

    def reindex(body: ReindexBody) -> Response:
        _refuse_second(admin)
        params = {"reason": body.reason, "wait_for_gate": body.wait_for_gate, "swap": body.swap}
        return start_job(services, "reindex", {name: value for name, value in params.items() if value is not None})

    def list_generations() -> Response:
        present = admin.collections.list_names()
        known = admin.generations.list_all(admin.alias)
        return answer({"alias": admin.alias, "generations": [_show(admin, one, present=present) for one in known]})

    def swap_generation(path: CollectionPath, body: SwapBody) -> Response:
        return _announce(services, admin.switch.swap(path.collection, force=body.force))

    def rollback(body: NoBody) -> Response:
        return _announce(services, admin.switch.rollback())

    def drop_generation(path: CollectionPath) -> Response:
        admin.switch.drop(path.collection)
        return Response(status=204)

    def take_snapshot(body: SnapshotBody) -> Response:
        return start_job(services, "snapshot", {"reason": body.reason} if body.reason else {}, wait_s=body.wait)

    def list_snapshots() -> Response:
        return answer({"snapshots": _list_snapshots(admin)})

    def delete_snapshot(path: SnapshotPath) -> Response:
        _delete_snapshot(admin, path.name)
        return Response(status=204)

    def restore_snapshot(path: SnapshotPath, body: NoBody) -> Response:
        # Raises NotFoundError now rather than in the job.
        snapshot = admin.snapshots.get(check_identifier(path.name, "name"))
        return start_job(services, "restore", {"snapshot": snapshot.name})

    blueprint.post(
        "/reindex",
        responses={202: JobResponse},
        summary="Make the index anew beside the live one",
        description=_REINDEX,
    )(reindex)
    blueprint.get(
        "/generations", responses={200: GenerationListResponse}, summary="All generations", description=_LIST
    )(list_generations)
    blueprint.post(
        "/generations/<collection>/swap",
        responses={200: SwapResponse},
        summary="Make a generation live",
        description=_SWAP,
    )(swap_generation)
    blueprint.post(
        "/rollback", responses={200: SwapResponse}, summary="Go back to the generation before", description=_ROLLBACK
    )(rollback)
    blueprint.delete(
        "/generations/<collection>", responses={204: None}, summary="Drop a generation", description=_DROP
    )(drop_generation)
    blueprint.post(
        "/snapshots",
        responses={200: JobResponse, 202: JobResponse},
        summary="Save the live collection",
        description=_SAVE,
    )(take_snapshot)
    blueprint.get("/snapshots", responses={200: SnapshotListResponse}, summary="All snapshots", description=_SNAPSHOTS)(
        list_snapshots
    )
    blueprint.delete("/snapshots/<name>", responses={204: None}, summary="Delete a snapshot", description=_DELETE)(
        delete_snapshot
    )
    blueprint.post(
        "/snapshots/<name>/restore",
        responses={202: JobResponse},
        summary="Make a generation of a snapshot",
        description=_RESTORE,
    )(restore_snapshot)
    return blueprint


def _refuse_second(admin: Administration) -> None:
    """Raises ConflictError if a generation is being built, or nothing is live. The job itself looks again."""
    known = admin.generations.list_all(admin.alias)
    building = next((one for one in known if one.state is GenerationState.BUILDING), None)
    if building is not None:
        raise ConflictError(f"{building.collection} is being built already")
    if (waiting := admin.jobs.list_open_of("reindex")) != []:
        raise ConflictError(f"job {waiting[0].id} is about to make the index anew")
    if not any(one.state is GenerationState.LIVE for one in known):
        raise ConflictError("nothing is live yet: there is nothing to make anew")


def _announce(services: ApiServices, swap: Swap) -> Response:
    services.hints.send(TASK_RUN_JOB, job_id=str(swap.job_id))
    services.live.forget()
    return answer(swap)


def _show(admin: Administration, one: Generation, *, present: set[str]) -> dict[str, Any]:
    exists = one.collection in present and not one.is_dropped
    return {
        "collection": one.collection,
        "state": one.state,
        "recipes": describe_recipes(one.recipes),
        "points": admin.store.count(one.collection) if exists else None,
        "titles": admin.ledger.count(one.collection),
        "stale": admin.copies.count_stale(one.collection) if exists else None,
        "withdrawn": one.withdrawn,
        "job_id": one.job_id,
        "message": one.message,
        "created_at": one.created_at,
        "live_at": one.live_at,
        "retired_at": one.retired_at,
    }


def _list_snapshots(admin: Administration) -> list[dict[str, Any]]:
    """Snapshots with a manifest, then files that Qdrant has and nobody can account for."""
    known = admin.snapshots.list_all(admin.alias)
    names = {one.name for one in known}
    present = admin.collections.list_names()
    files = [
        (one.collection, file)
        for one in admin.generations.list_all(admin.alias)
        if one.collection in present
        for file in admin.collections.list_snapshots(one.collection)
    ]
    strange = [_show_file(collection, file) for collection, file in files if file.name not in names]
    return [*map(_show_snapshot, known), *strange]


def _delete_snapshot(admin: Administration, name: str) -> None:
    """Qdrant first: a manifest without its file would promise what is not there. Raises NotFoundError."""
    for shown in _list_snapshots(admin):
        if shown["name"] == name:
            admin.collections.delete_snapshot(shown["collection"], name)
            admin.snapshots.delete(name)
            return
    raise NotFoundError("snapshot", name)


def _show_snapshot(one: Snapshot) -> dict[str, Any]:
    return {
        "name": one.name,
        "collection": one.collection,
        "has_manifest": True,
        "reason": one.reason,
        "titles": one.titles,
        "points": one.points,
        "size_bytes": one.size_bytes,
        "checksum": one.checksum,
        "created_at": one.created_at,
    }


def _show_file(collection: str, file: SnapshotFile) -> dict[str, Any]:
    return {
        "name": file.name,
        "collection": collection,
        "has_manifest": False,
        "reason": None,
        "titles": None,
        "points": None,
        "size_bytes": file.size_bytes,
        "checksum": file.checksum,
        "created_at": file.created_at,
    }
