"""The front door: service information, a plain search page for a browser, and the API's documentation."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import orjson
from flask import Blueprint, Flask, Response, current_app, render_template, request
from flask_openapi3 import OpenAPI
from flask_openapi3_redoc.plugins import RegisterPlugin as Redoc  # type: ignore[import-untyped, unused-ignore]
from flask_openapi3_swagger.plugins import RegisterPlugin as Swagger  # type: ignore[import-untyped, unused-ignore]

from api.problems import show_detail
from core.errors import ServiceError
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
_log = Log("api")


def register_pages(app: Flask, service: SearchService) -> None:
    """Add /, /docs, /redoc and /openapi.json."""
    app.register_blueprint(_build_front(service))
    app.register_blueprint(_build_docs())
    # Both bring their scripts with them: nothing is loaded from elsewhere. /redoc is a route of its own package.
    app.register_blueprint(Swagger.register(doc_url="openapi.json"))
    app.register_blueprint(Redoc.register(doc_url="openapi.json"))


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
            fields = ("title", "year", "type", "genres", "synopsis")
            found = service.search(SearchRequest(query=query, limit=_PAGE_LIMIT, fields=fields))
            answer = orjson.loads(found.to_bytes())
        except ServiceError as error:
            fault = show_detail(error)
            _log.warning(Event.REQUEST_FAILED, reason=str(error))
    return render_template("search.html", query=query, answer=answer, fault=fault, links=_LINKS, name=NAME)


def _build_docs() -> Blueprint:
    blueprint = Blueprint("documentation", __name__)

    @blueprint.get("/openapi.json")
    def openapi_document() -> Response:
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        assert isinstance(app, OpenAPI)
        return Response(orjson.dumps(app.api_doc), content_type="application/json")

    @blueprint.get("/docs")
    def docs() -> Any:
        return current_app.view_functions["swagger.swagger"]()

    return blueprint
