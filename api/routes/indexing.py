"""One picture or one document, searchable on return; and pictures taken out again."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response, abort
from flask_openapi3 import APIBlueprint, Tag
from pydantic import ValidationError
from werkzeug.datastructures import FileStorage

from api.guard.hooks import charge
from api.instant_index import Indexed, InstantIndex
from api.job_params import check_texts
from api.picture_forms import read_picture_body, takes_picture
from api.picture_input import PICTURE_COST, PictureSource
from api.problems import refuse_invalid
from api.routes.admin import answer
from api.routes.jobs import show_job
from api.schemas.base import Problem
from api.schemas.media import ImagePath, IndexBody, IndexResponse, RemovalResponse
from api.services import ApiServices
from core.document import AnimeDocument
from core.errors import InvalidInputError
from core.pictures import STORED_FORMATS
from messaging.names import TASK_RUN_JOB
from storage.database.pictures import FreePicture

_TAG = Tag(name="index", description="One picture or one document at once")
_PROBLEMS = {400: Problem, 409: Problem, 413: Problem, 415: Problem, 422: Problem, 503: Problem}
_METADATA_BYTES = 16_384
_INDEX = (
    "A picture under an id of your own (JSON, or multipart/form-data with the file `image`), or a title document. "
    "200: searches find it from now on. 202: the job goes on, Location names it. The same id again replaces the "
    "picture; the same document again changes nothing."
)
_REMOVE = (
    "Takes a picture that was indexed or listed by itself out of the index: no search finds it from now on, and `GET "
    "media` shows its content no more unless another picture has it. Twice is as good as once; the same id may be "
    "given again. Pictures that a title's document names go when the document names them no more: 409."
)


def build_blueprint(services: ApiServices) -> Any:
    """The routes under /api/v1/index."""
    blueprint = APIBlueprint("index", __name__, url_prefix="/api/v1/index", abp_tags=[_TAG], abp_responses=_PROBLEMS)
    instant = services.pictures.instant

    def index_one() -> Response:
        body, upload = read_picture_body(IndexBody, services.settings)
        if body.document is not None:
            if upload is not None:
                raise InvalidInputError("image", "belongs to a picture; a document is given")
            return _answer(services, _index_document(instant, body))
        charge(PICTURE_COST, field="image_data")
        return _answer(services, _index_picture(services, body, upload))

    def remove_one(path: ImagePath) -> Response:
        removal = services.admin.removals.remove(path.image_id)
        removed_from = services.admin.remove_pictures([removal.id])
        if removal.job_id is not None:
            services.hints.send(TASK_RUN_JOB, job_id=str(removal.job_id))
        services.forget_index()
        shown = {"id": removal.id, "removed": removal.is_new, "removed_from": removed_from, "job_id": removal.job_id}
        return answer(shown)

    blueprint.post(
        "",
        responses={200: IndexResponse, 202: IndexResponse},
        summary="Index one picture or document",
        description=_INDEX,
        openapi_extensions=takes_picture(IndexBody),
    )(index_one)
    blueprint.delete(
        "/<path:image_id>",
        responses={200: RemovalResponse, 404: Problem},
        summary="Take a picture out again",
        description=_REMOVE,
    )(remove_one)
    return blueprint


def _index_document(instant: InstantIndex, body: IndexBody) -> Indexed:
    check_texts(body.document, "document")
    try:
        document = AnimeDocument.model_validate(body.document)
    except ValidationError as error:
        abort(refuse_invalid(error, within=("document",)))
    return instant.index_document(document, wait_s=body.wait)


def _index_picture(services: ApiServices, body: IndexBody, upload: FileStorage | None) -> Indexed:
    instant = services.pictures.instant
    instant.check_encoder()
    metadata = body.metadata or {}
    check_texts(metadata, "metadata")
    if len(orjson.dumps(metadata)) > _METADATA_BYTES:
        raise InvalidInputError("metadata", f"has more than {_METADATA_BYTES} bytes as JSON")
    slug = None if body.title is None else instant.find_title(body.title)
    source = PictureSource(upload, body.image_data, body.image_url)
    given = services.pictures.reader.read(source, formats=STORED_FORMATS)
    picture = FreePicture(
        name=body.image_id,
        url=given.url,
        slug=slug,
        tags=body.tags or (),
        metadata=metadata,
        adult=bool(body.adult),
    )
    return instant.index_picture(given, picture, wait_s=body.wait)


def _answer(services: ApiServices, indexed: Indexed) -> Response:
    # What this process remembers of the index is out of date at once; other processes look again by themselves.
    services.forget_index()
    job = indexed.job
    shown = {
        "id": indexed.id,
        "sha256": indexed.sha256,
        "searchable": job.is_closed,
        "job": show_job(job, services.jobs),
    }
    response = answer(shown, status=200 if job.is_closed else 202)
    response.headers["Location"] = f"/api/v1/jobs/{job.id}"
    return response
