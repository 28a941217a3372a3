"""The Flask application, put together without side effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_openapi3 import Info, OpenAPI
from werkzeug.middleware.proxy_fix import ProxyFix

from api.contract import build_document
from api.guard.headers import HeaderLane
from api.guard.hooks import register_guard
from api.http import register_hooks
from api.picture_forms import register_picture_bodies
from api.problems import refuse_invalid, register_error_handlers
from api.repeat import RepeatLane
from api.routes import (
    admin,
    explaining,
    faceting,
    generations,
    indexing,
    jobs,
    linking,
    media,
    pages,
    picture_searching,
    providers,
    searching,
    similar,
    status,
    suggesting,
)
from api.schemas.base import Problem
from api.services import ApiServices

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


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
    register_guard(app, services.guard)
    register_error_handlers(app)
    register_picture_bodies(app)
    app.register_api(searching.build_blueprint(services.search))
    app.register_api(similar.build_blueprint(services.search))
    for blueprint in picture_searching.build_blueprints(services):
        app.register_api(blueprint)
    app.register_api(jobs.build_blueprint(services.jobs, services.hints, services.settings))
    app.register_api(faceting.build_blueprint(services.facets))
    app.register_api(admin.build_blueprint(services))
    app.register_api(generations.build_blueprint(services))
    app.register_api(indexing.build_blueprint(services))
    app.register_api(providers.build_blueprint(services))
    for blueprint in explaining.build_blueprints(services):
        app.register_api(blueprint)
    app.register_api(linking.build_blueprint(services))
    app.register_api(media.build_blueprint(services.pictures.shelf))
    app.register_api(suggesting.build_blueprint(services.names))
    app.register_api(status.build_blueprint(services))
    pages.register_pages(app, services.search, document=build_document(app, is_open=not services.settings.needs_keys))
    app.wsgi_app = _wrap(app.wsgi_app, services)
    return app


def _wrap(flask_app: WSGIApplication, services: ApiServices) -> WSGIApplication:
    """Flask within what is before it: a proxy's headers are read first, and every answer gets its own headers."""
    wrapped = HeaderLane(RepeatLane(flask_app, services.search, services.guard), services.settings)
    count = services.settings.trusted_proxies
    return ProxyFix(wrapped, x_for=count, x_proto=count) if count else wrapped
