"""Jobs of the pipeline. A job is a row in Postgres first and a hint to the workers second."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from functools import partial
from typing import Any

import orjson
from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from api.job_params import build_params
from api.schemas.base import Problem
from api.schemas.jobs import (
    DeadLetterListResponse,
    JobBody,
    JobListResponse,
    JobPath,
    JobResponse,
    JobsQuery,
    PageQuery,
)
from core.errors import NotFoundError
from core.providers import why_not
from core.settings import Settings
from messaging.hints import HintSender
from messaging.names import TASK_RUN_JOB
from storage.database.jobs import DeadLetter, Job, JobRepository
from storage.database.models import JobState

_TAG = Tag(name="jobs", description="Import, enrich, index and download")
_PROBLEMS = {400: Problem, 404: Problem, 409: Problem, 422: Problem, 503: Problem}
_LONG = ("documents", "ids", "points", "urls")

_CREATE = "The job is stored before this returns; workers start on it by themselves. Location names it."
_LIST = "Jobs in the order of their beginning, the newest first, without their progress."
_ONE = "Counts by stage and state, titles a second, and how long it may still take."
_CANCEL = "Ends a job that is not over. What a worker has begun it brings to its end."
_RETRY = "Gives the dead and open titles of a job that is over a fresh start."
_DEAD = "Titles, or lines of a file, that a job gave up after several attempts or refused, with the reason."


def build_blueprint(jobs: JobRepository, hints: HintSender, settings: Settings) -> Any:
    """The routes under /api/v1/jobs."""
    blueprint = APIBlueprint("jobs", __name__, url_prefix="/api/v1/jobs", abp_tags=[_TAG], abp_responses=_PROBLEMS)

    def create(body: JobBody) -> Response:
        params = build_params(body, import_root=settings.import_root, why_not=partial(why_not, settings))
        job_id = jobs.create(body.kind, params)
        # A hint that is lost is sent again by the reconciler: the row is there.
        hints.send(TASK_RUN_JOB, job_id=str(job_id))
        response = _answer(show_job(jobs.get(job_id), jobs), status=202)
        response.headers["Location"] = f"/api/v1/jobs/{job_id}"
        return response

    def list_jobs(query: JobsQuery) -> Response:
        state = JobState(query.state) if query.state else None
        found = jobs.list_recent(limit=query.limit, offset=query.offset, state=state)
        return _answer({"jobs": [show_job(job) for job in found]})

    def get_job(path: JobPath) -> Response:
        return _answer(show_job(jobs.get(_parse_id(path.job_id)), jobs))

    def cancel(path: JobPath) -> Response:
        return _answer(show_job(jobs.cancel(_parse_id(path.job_id)), jobs))

    def retry(path: JobPath) -> Response:
        job_id = _parse_id(path.job_id)
        jobs.retry(job_id)
        hints.send(TASK_RUN_JOB, job_id=str(job_id))
        return _answer(show_job(jobs.get(job_id), jobs), status=202)

    def dead_letters(path: JobPath, query: PageQuery) -> Response:
        job = jobs.get(_parse_id(path.job_id))
        found = jobs.list_dead_letters(job.id, limit=query.limit, offset=query.offset)
        return _answer({"dead_letters": [_show_dead_letter(letter) for letter in found]})

    blueprint.post("", responses={202: JobResponse}, summary="Start a job", description=_CREATE)(create)
    blueprint.get("", responses={200: JobListResponse}, summary="The newest jobs", description=_LIST)(list_jobs)
    blueprint.get("/<job_id>", responses={200: JobResponse}, summary="One job with its progress", description=_ONE)(
        get_job
    )
    blueprint.post("/<job_id>/cancel", responses={200: JobResponse}, summary="Stop a job", description=_CANCEL)(cancel)
    blueprint.post(
        "/<job_id>/retry", responses={202: JobResponse}, summary="Try dead and open titles again", description=_RETRY
    )(retry)
    blueprint.get(
        "/<job_id>/dead-letters",
        responses={200: DeadLetterListResponse},
        summary="What was given up",
        description=_DEAD,
    )(dead_letters)
    return blueprint


def _parse_id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise NotFoundError("job", text) from None


def _answer(value: Any, *, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status=status, content_type="application/json")


def show_job(job: Job, jobs: JobRepository | None = None) -> dict[str, Any]:
    """A job as JSON; with its progress when the repository is given."""
    shown: dict[str, Any] = {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "params": {name: len(value) if name in _LONG else value for name, value in job.params.items()},
        "message": job.message,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
    }
    if jobs is not None:
        progress = jobs.get_progress(job)
        shown["progress"] = {
            "stages": progress.stages,
            "titles_per_s": progress.titles_per_s,
            "seconds_left": progress.seconds_left,
            "dead_letters": progress.dead_letters,
            "open_rows": progress.open_rows,
            "downloads": None if progress.downloads is None else asdict(progress.downloads),
            "enrichment": None if progress.enrichment is None else asdict(progress.enrichment),
        }
    return shown


def _show_dead_letter(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "stage": letter.stage,
        "slug": letter.slug,
        "reason": letter.reason,
        "detail": letter.detail,
        "attempts": letter.attempts,
        "created_at": letter.created_at,
    }
