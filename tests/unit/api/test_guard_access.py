"""The table of roles covers every route, and what it does not cover is for admins."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from api.app import create_app
from api.guard.access import ACCESS, PUBLIC, find_entry, get_least_role
from api.services import build_services
from core.keys import Role
from core.settings import Settings

# Public for good reason; whoever adds to them says here that it was meant.
OPEN_ROUTES = {
    "/",
    "/docs",
    "/redoc",
    "/swagger",
    "/openapi.json",
    "/health",
    "/health/live",
    "/health/ready",
    "/api/v1/health",
    "/static/<path:filename>",
    "/swagger/<path:filename>",
    "/redoc/<path:filename>",
}


@pytest.fixture(scope="module")
def app() -> Iterator[Flask]:
    """The whole application, without servers."""
    services = build_services(Settings(_env_file=None))
    yield create_app(services)
    services.close()


def _list_routes(app: Flask) -> list[tuple[str, str]]:
    return [
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"OPTIONS"})
    ]


def test_every_route_has_an_entry(app: Flask) -> None:
    """No route is left to the default: whoever adds one decides who may use it."""
    assert [route for route in _list_routes(app) if find_entry(*route) is None] == []


def test_nothing_else_is_public(app: Flask) -> None:
    """Exactly the routes that are meant to be open need no key."""
    assert {rule for method, rule in _list_routes(app) if get_least_role(method, rule) is PUBLIC} == OPEN_ROUTES


def test_nobody_changes_anything_as_a_reader(app: Flask) -> None:
    """A route that is not GET is a search, or needs a higher role."""
    reading = ("/api/v1/search", "/api/v1/similarity", "/api/v1/facets")
    for method, rule in _list_routes(app):
        if method not in ("GET", "HEAD") and not rule.startswith(reading):
            least = get_least_role(method, rule)
            assert least is not None and least is not Role.READER, (method, rule)


@pytest.mark.parametrize(
    ("method", "rule", "least"),
    [
        ("GET", "/", None),
        ("POST", "/", Role.ADMIN),
        ("GET", "/nowhere", Role.ADMIN),
        ("GET", "/healthy", Role.ADMIN),
        ("GET", "/api/v1", Role.ADMIN),
        ("POST", "/api/v1/search", Role.READER),
        ("POST", "/api/v1/search/batch", Role.READER),
        ("GET", "/api/v1/searching", Role.ADMIN),
        ("HEAD", "/api/v1/jobs/<job_id>", Role.READER),
        ("POST", "/api/v1/jobs/<job_id>/retry", Role.EDITOR),
        ("DELETE", "/api/v1/jobs/<job_id>", Role.ADMIN),
        ("POST", "/api/v1/suggest", Role.ADMIN),
        ("POST", "/api/v1/admin/vectors", Role.EDITOR),
        ("DELETE", "/api/v1/index/<path:image_id>", Role.EDITOR),
        ("GET", "/api/v1/index", Role.ADMIN),
        ("DELETE", "/api/v1/admin/vectors/<id>", Role.EDITOR),
        ("GET", "/api/v1/admin/stats", Role.EDITOR),
        ("GET", "/api/v1/titles/<id>/provenance", Role.READER),
        ("GET", "/api/v1/admin/providers", Role.EDITOR),
        ("POST", "/api/v1/admin/providers", Role.ADMIN),
        ("PUT", "/api/v1/admin/titles/<id>/overrides/<field>", Role.EDITOR),
        ("GET", "/api/v1/admin/links", Role.EDITOR),
        ("PUT", "/api/v1/admin/titles/<id>/links/<provider>", Role.EDITOR),
        ("POST", "/api/v1/admin/stats", Role.ADMIN),
        ("GET", "/api/v1/admin/snapshots", Role.ADMIN),
        ("POST", "/api/v1/admin/reindex", Role.ADMIN),
    ],
)
def test_the_longest_entry_counts(method: str, rule: str, least: Role | None) -> None:
    """An entry covers its path and what is below it, by whole parts; where there is none it is the admin's."""
    assert get_least_role(method, rule) is least


def test_every_entry_is_a_path() -> None:
    """Entries end without a slash, or they would cover nothing."""
    assert all(path == "/" or (path.startswith("/") and not path.endswith("/")) for _, path in ACCESS)


def test_the_contract_names_role_and_refusals(app: Flask) -> None:
    """/openapi.json says of each guarded route which role it needs and how it may refuse; of public ones neither."""
    document = app.test_client().get("/openapi.json").get_json()
    assert set(document["components"]["securitySchemes"]) == {"bearer", "header"}
    search = document["paths"]["/api/v1/search"]["post"]
    assert search["x-least-role"] == "reader" and search["security"]
    assert {"401", "403", "429"} <= set(search["responses"])
    assert document["paths"]["/api/v1/jobs/{job_id}/retry"]["post"]["x-least-role"] == "editor"
    live = document["paths"]["/health/live"]["get"]
    assert "security" not in live and "401" not in live["responses"]
