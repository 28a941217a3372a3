"""The front door: service information, a plain search page for a browser, and the API's documentation."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import flask_openapi3_redoc as redoc_package  # type: ignore[import-untyped, unused-ignore]
import flask_openapi3_swagger as swagger_package  # type: ignore[import-untyped, unused-ignore]
import orjson
from flask import Blueprint, Flask, Response, render_template, request

from api.conditional import answer_conditionally
from api.guard.hooks import require
from api.problems import show_detail
from core.errors import ServiceError
from core.keys import Role
from core.log import Event, Log
from search.request import SearchRequest
from search.service import SearchService

NAME = "Anime Vector Service"
VERSION = version("anime-vector-service")
_LINKS = {
    "search": "/api/v1/search",
    "jobs": "/api/v1/jobs",
    "health": "/health",
    "stats": "/stats",
    "docs": "/docs",
    "redoc": "/redoc",
    "openapi": "/openapi.json",
}
_PAGE_LIMIT = 20
_DOCUMENT_MAX_AGE_S = 300
_log = Log("api")


def register_pages(app: Flask, service: SearchService, *, document: Mapping[str, Any]) -> None:
    """Add /, /docs, /redoc and /openapi.json, which shows the document."""
    app.register_blueprint(_build_front(service))
    app.register_blueprint(_build_docs(orjson.dumps(document)))
    # Both bring their scripts with them: nothing is loaded from elsewhere. The pages are ours: theirs have scripts
    # in their text, which no page here may.
    for name, package in (("swagger", swagger_package), ("redoc", redoc_package)):
        folder = Path(str(package.__file__)).parent / "templates" / name
        app.register_blueprint(Blueprint(name, __name__, static_folder=folder, static_url_path=f"/{name}"))


def _build_front(service: SearchService) -> Blueprint:
    blueprint = Blueprint("front", __name__)

    @blueprint.get("/")
    def front() -> Response | str:
        if request.accept_mimetypes.best_match(["application/json", "text/html"]) != "text/html":
            info = {"name": NAME, "version": VERSION, "links": _LINKS}
            return Response(orjson.dumps(info), content_type="application/json")
        return _render_page(service, request.args.get("q", ""))

    return blueprint


def _render_page(service: SearchService, query: str) -> str:
    answer: dict[str, Any] = {}
    fault = None
    if query.strip():
        try:
            # The page is for everybody, its search for those who may search.
            require(Role.READER)
            fields = ("title", "year", "type", "genres", "synopsis")
            found = service.search(SearchRequest(query=query, limit=_PAGE_LIMIT, fields=fields))
            answer = orjson.loads(found.to_bytes())
        except ServiceError as error:
            fault = show_detail(error)
            _log.warning(Event.REQUEST_FAILED, reason=str(error))
    return render_template("search.html", query=query, answer=answer, fault=fault, links=_LINKS, name=NAME)


def _build_docs(document: bytes) -> Blueprint:
    blueprint = Blueprint("documentation", __name__)

    @blueprint.get("/openapi.json")
    def openapi_document() -> Response:
        return answer_conditionally(document, max_age_s=_DOCUMENT_MAX_AGE_S)

    @blueprint.get("/docs")
    @blueprint.get("/swagger")
    def docs() -> str:
        return render_template("swagger.html", name=NAME)

    @blueprint.get("/redoc")
    def redoc() -> str:
        return render_template("redoc.html", name=NAME)

    return blueprint
