"""Where titles are at providers: what is doubtful, and the decisions of persons."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from api.guard.hooks import get_caller
from api.routes.admin import answer
from api.schemas.base import Problem
from api.schemas.linking import (
    LinkBody,
    LinkListResponse,
    LinkPath,
    LinkResponse,
    LinksQuery,
    LinkWithdrawnResponse,
)
from api.services import ApiServices
from core.errors import NotFoundError
from core.links import check_external_id, check_provider
from core.providers import why_not
from messaging.names import TASK_RUN_JOB
from search.referring import check_identifier
from storage.database.enrichment_models import LinkState
from storage.database.links import ListedLink, StoredLink

_TAG = Tag(name="admin", description="For operators")
_PROBLEMS = {404: Problem, 422: Problem, 503: Problem}
_WRITE_PROBLEMS = {400: Problem, 409: Problem, 413: Problem, 415: Problem, **_PROBLEMS}

_LIST = "Titles at providers, doubtful ones unless another state is asked for, with the candidates and what is known."
_DECIDE = (
    "A person's word on where a title is. It is never overwritten by what tables or titles say, and what came by "
    "another link goes with it. An id that another title has by guess is taken from that; one that it has by its "
    "catalogue or by a person is a conflict. The same again changes nothing."
)
_WITHDRAW = "Takes a decision back: the title is looked for again when it is next enriched."


def build_blueprint(services: ApiServices) -> Any:
    """GET /api/v1/admin/links, and the links under /api/v1/admin/titles."""
    blueprint = APIBlueprint(
        "links", __name__, url_prefix="/api/v1/admin", abp_tags=[_TAG], abp_responses=_WRITE_PROBLEMS
    )
    links = services.links

    def list_links(query: LinksQuery) -> Response:
        provider = None if query.provider is None else check_provider(query.provider)
        found = links.list_by_state(LinkState(query.state), provider=provider, limit=query.limit, offset=query.offset)
        return answer({"links": [_show_listed(one) for one in found], "counts": links.count_by_state()})

    def decide_link(path: LinkPath, body: LinkBody) -> Response:
        provider = check_provider(path.provider)
        external_id = None if body.external_id is None else check_external_id(provider, body.external_id)
        link, job_id = links.decide(
            _find_slug(services, path.id),
            provider,
            external_id=external_id,
            by=get_caller(),
            then_ask=why_not(services.settings, provider) is None,
        )
        return answer({"link": _show(link), "job_id": _send(services, job_id)})

    def withdraw_link(path: LinkPath) -> Response:
        provider, slug = check_provider(path.provider), _find_slug(services, path.id)
        job_id = links.withdraw(slug, provider)
        shown = {"id": slug, "provider": provider, "changed": job_id is not None}
        return answer({**shown, "job_id": _send(services, job_id)})

    blueprint.get("/links", responses={200: LinkListResponse}, summary="What is doubtful", description=_LIST)(
        list_links
    )
    blueprint.put(
        "/titles/<id>/links/<provider>", responses={200: LinkResponse}, summary="Decide a link", description=_DECIDE
    )(decide_link)
    blueprint.delete(
        "/titles/<id>/links/<provider>",
        responses={200: LinkWithdrawnResponse},
        summary="Take a decision back",
        description=_WITHDRAW,
    )(withdraw_link)
    return blueprint


def _find_slug(services: ApiServices, identifier: str) -> str:
    """Of any title that is stored: editors decide about excluded and adult ones, too."""
    slug = services.titles.resolve_slug(check_identifier(identifier, "id"))
    if slug is None:
        raise NotFoundError("title", identifier)
    return slug


def _send(services: ApiServices, job_id: uuid.UUID | None) -> str | None:
    if job_id is None:
        return None
    # A hint that is lost is sent again by the reconciler: the row is there.
    services.hints.send(TASK_RUN_JOB, job_id=str(job_id))
    return str(job_id)


def _show(link: StoredLink) -> dict[str, Any]:
    return {
        "id": link.slug,
        "provider": link.provider,
        "state": link.state.value,
        "external_id": link.external_id,
        "method": link.method,
        "probability": link.probability,
        "decided_by": link.decided_by,
        "decided_at": None if link.decided_at is None else link.decided_at.isoformat(),
        "candidates": [
            {
                "external_id": one["external_id"],
                "titles": one.get("titles", []),
                "type": one.get("type"),
                "year": one.get("year"),
                "episodes": one.get("episodes"),
                "probability": one.get("probability"),
                "why": one.get("why", []),
            }
            for one in link.candidates
        ],
    }


def _show_listed(listed: ListedLink) -> dict[str, Any]:
    return {
        **_show(listed.link),
        "title": listed.title,
        "type": listed.type,
        "year": listed.year,
        "episodes": listed.episodes,
        "adult": listed.adult,
    }
