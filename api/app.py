"""The Flask application, put together without side effects."""

from __future__ import annotations

from flask_openapi3 import Info, OpenAPI

from api.http import register_hooks
from api.problems import refuse_invalid, register_error_handlers
from api.repeat import RepeatLane
from api.routes import jobs, pages, searching, similar, status
from api.schemas.base import Problem
from api.services import ApiServices


def create_app(services: ApiServices) -> OpenAPI:
    """All routes over the given services."""
    app = OpenAPI(
        __name__,
        info=Info(title=pages.NAME, version=pages.VERSION, description="Find anime by meaning."),
        doc_ui=False,
        validation_error_callback=refuse_invalid,
        validation_error_model=Problem,
    )
    app.config["MAX_CONTENT_LENGTH"] = services.settings.max_body_bytes
    register_hooks(app)
    register_error_handlers(app)
    app.register_api(searching.build_blueprint(services.search))
    app.register_api(similar.build_blueprint(services.search))
    app.register_api(jobs.build_blueprint(services.jobs, services.hints, services.settings))
    app.register_api(status.build_blueprint(services))
    pages.register_pages(app, services.search)
    app.wsgi_app = RepeatLane(app.wsgi_app, services.search)
    return app
