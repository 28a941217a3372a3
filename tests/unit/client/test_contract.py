"""The client against the service's own OpenAPI document: a new endpoint or option without a method fails here."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.services import build_services
from client import Client, ClientError, options, routes
from client.routes import Route, list_routes
from core.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
ANY_ID = "an-id"

# Each method with the least that it takes. Streams are left out: they use routes that are here already.
CALLS: dict[Route, Callable[[Client], Any]] = {
    routes.SEARCH: lambda client: client.search("x"),
    routes.SEARCH_BATCH: lambda client: client.search_batch(["x"]),
    routes.GET_TITLE: lambda client: client.get_title(ANY_ID),
    routes.SIMILAR: lambda client: client.similar(ANY_ID),
    routes.SIMILAR_BY_VECTOR: lambda client: client.similar_by_vector(ANY_ID, "title_vector"),
    routes.SIMILAR_BATCH: lambda client: client.similar_each([ANY_ID]),
    routes.FACETS: lambda client: client.get_facets(["genres"]),
    routes.SUGGEST: lambda client: client.suggest("x"),
    routes.CREATE_JOB: lambda client: client.jobs.create_index(),
    routes.LIST_JOBS: lambda client: client.jobs.list(),
    routes.GET_JOB: lambda client: client.jobs.get(ANY_ID),
    routes.CANCEL_JOB: lambda client: client.jobs.cancel(ANY_ID),
    routes.RETRY_JOB: lambda client: client.jobs.retry(ANY_ID),
    routes.DEAD_LETTERS: lambda client: client.jobs.list_dead_letters(ANY_ID),
    routes.ALIVE: lambda client: client.is_alive(),
    routes.HEALTH: lambda client: client.get_health(),
    routes.STATS: lambda client: client.get_stats(),
}


@pytest.fixture(scope="module")
def document() -> Iterator[dict[str, Any]]:
    """The OpenAPI document of the application. Building it connects to nothing."""
    services = build_services(Settings(_env_file=None))
    yield create_app(services).api_doc
    services.close()


def test_every_endpoint_has_a_method_and_every_method_an_endpoint(document: dict[str, Any]) -> None:
    """The client's table of routes is the document's, but for the other names of health and stats."""
    theirs = {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
        if path not in routes.ALIASES
    }
    assert {(route.method, route.path) for route in list_routes()} == theirs
    assert set(document["paths"]) >= routes.ALIASES


@pytest.mark.parametrize("route", sorted(list_routes(), key=str), ids=str)
def test_the_method_of_each_route_calls_it(client: Client, service: Any, route: Route) -> None:
    """With the route's method and path, whatever it thinks of the answer."""
    service.replies = [httpx.Response(418, json={})]
    with pytest.raises(ClientError):
        CALLS[route](client)
    request = service.requests[0]
    assert request.method == route.method
    assert request.url.path == re.sub(r"\{\w+\}", ANY_ID, route.path)


@pytest.mark.parametrize(
    ("schema", "kind", "elsewhere"),
    [
        # `threshold` is another name of min_score.
        ("SearchBody", options.SearchQuery, {"threshold"}),
        ("SortBody", options.Sort, set()),
        ("SimilarBatchBody", options.SimilarBatchOptions, {"threshold", "mode", "references", "positive", "negative"}),
    ],
)
def test_bodies_have_the_same_options(document: dict[str, Any], schema: str, kind: Any, elsewhere: set[str]) -> None:
    """Each field of a request's schema is an option or an argument, and each option a field."""
    fields = set(document["components"]["schemas"][schema]["properties"])
    assert set(kind.__annotations__) == fields - elsewhere


@pytest.mark.parametrize(
    ("route", "elsewhere"), [(routes.SIMILAR, {"id"}), (routes.SIMILAR_BY_VECTOR, {"id", "vector", "distance"})]
)
def test_address_lines_have_the_same_options(document: dict[str, Any], route: Route, elsewhere: set[str]) -> None:
    """As for bodies."""
    parameters = document["paths"][route.path][route.method.lower()]["parameters"]
    assert set(options.SimilarOptions.__annotations__) == {entry["name"] for entry in parameters} - elsewhere


def test_the_client_stands_alone() -> None:
    """Importing it loads no other package of this repository, and neither Flask nor Qdrant's client."""
    ours = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"client"}
    assert {"api", "core", "search"} <= ours
    script = "import client, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "client" in loaded
    assert not loaded & {*ours, "flask", "qdrant_client", "celery", "sqlalchemy", "structlog"}


def test_all_that_is_exported_is_there_and_documented() -> None:
    """`from client import *` works, and each name has a docstring or is a type of options."""
    import client

    assert sorted(client.__all__) == client.__all__
    for name in client.__all__:
        assert getattr(client, name).__doc__, name
