"""The client against the service's own OpenAPI document: a new endpoint or option without a method fails here."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from api.app import create_app
from api.contract import build_document
from api.services import build_services
from client import Client, ClientError, options, routes, values
from client.routes import Route, list_routes
from client.values.base import Value
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
    routes.SEARCH_IMAGE: lambda client: client.search_image(b"x"),
    routes.SEARCH_MULTIMODAL: lambda client: client.search_multimodal("x", b"x"),
    routes.SIMILAR_VISUAL: lambda client: client.similar_visual(ANY_ID),
    routes.FACETS: lambda client: client.get_facets(["genres"]),
    routes.SUGGEST: lambda client: client.suggest("x"),
    routes.GET_PROVENANCE: lambda client: client.get_provenance(ANY_ID),
    routes.GET_MEDIA: lambda client: client.get_media(ANY_ID),
    routes.INDEX: lambda client: client.index_document({"title": "x"}),
    routes.REMOVE_PICTURE: lambda client: client.remove_picture(ANY_ID),
    routes.CREATE_JOB: lambda client: client.jobs.create_index(),
    routes.LIST_JOBS: lambda client: client.jobs.list(),
    routes.GET_JOB: lambda client: client.jobs.get(ANY_ID),
    routes.CANCEL_JOB: lambda client: client.jobs.cancel(ANY_ID),
    routes.RETRY_JOB: lambda client: client.jobs.retry(ANY_ID),
    routes.DEAD_LETTERS: lambda client: client.jobs.list_dead_letters(ANY_ID),
    routes.ADMIN_STATS: lambda client: client.admin.get_stats(),
    routes.ADMIN_HEALTH: lambda client: client.admin.get_health(),
    routes.COLLECTION: lambda client: client.admin.get_collection(),
    routes.UPSERT: lambda client: client.admin.upsert_documents([{"title": "x"}]),
    routes.EXCLUDE_TITLE: lambda client: client.admin.exclude_title(ANY_ID),
    routes.RESTORE_TITLE: lambda client: client.admin.restore_title(ANY_ID),
    routes.LIST_OVERRIDES: lambda client: client.admin.list_overrides(ANY_ID),
    routes.SET_OVERRIDE: lambda client: client.admin.set_override(ANY_ID, ANY_ID, 1),
    routes.REMOVE_OVERRIDE: lambda client: client.admin.remove_override(ANY_ID, ANY_ID),
    routes.LIST_LINKS: lambda client: client.admin.list_links(),
    routes.DECIDE_LINK: lambda client: client.admin.decide_link(ANY_ID, ANY_ID, "1"),
    routes.WITHDRAW_LINK: lambda client: client.admin.withdraw_link(ANY_ID, ANY_ID),
    routes.REINDEX: lambda client: client.admin.reindex(),
    routes.LIST_PROVIDERS: lambda client: client.admin.get_providers(),
    routes.LIST_GENERATIONS: lambda client: client.admin.list_generations(),
    routes.SWAP_GENERATION: lambda client: client.admin.swap_generation(ANY_ID),
    routes.ROLLBACK: lambda client: client.admin.rollback(),
    routes.DROP_GENERATION: lambda client: client.admin.drop_generation(ANY_ID),
    routes.TAKE_SNAPSHOT: lambda client: client.admin.take_snapshot(),
    routes.LIST_SNAPSHOTS: lambda client: client.admin.list_snapshots(),
    routes.DELETE_SNAPSHOT: lambda client: client.admin.delete_snapshot(ANY_ID),
    routes.RESTORE_SNAPSHOT: lambda client: client.admin.restore_snapshot(ANY_ID),
    routes.ALIVE: lambda client: client.is_alive(),
    routes.HEALTH: lambda client: client.get_health(),
    routes.STATS: lambda client: client.get_stats(),
}

# Bodies of which nothing stands in `client.options`: calls that between them send every field.
FULL_CALLS: dict[Route, tuple[Callable[[Client], Any], ...]] = {
    routes.SEARCH_BATCH: (lambda client: client.search_batch(["x"]),),
    routes.FACETS: (lambda client: client.get_facets(["genres"], filters={"year": 2000}),),
    routes.INDEX: (
        lambda client: client.index_picture("x", b"x", title="x", metadata={}),
        lambda client: client.index_picture("x", "https://example.org/x.jpg"),
        lambda client: client.index_document({"title": "x"}),
    ),
    routes.CREATE_JOB: (
        lambda client: client.jobs.create_index(["x"]),
        lambda client: client.jobs.create_import([{"title": "x"}]),
        lambda client: client.jobs.create_import(path="x", then_enrich=True),
        lambda client: client.jobs.create_download(["x"]),
        lambda client: client.jobs.create_download(urls=["https://example.org/x.jpg"], refresh=True, then_index=True),
        lambda client: client.jobs.create_enrich(["x"], providers=["jikan"], stages=["staff"], stale=True),
        lambda client: client.jobs.create_enrich(refresh=True, merge_only=True),
    ),
    routes.UPSERT: (
        lambda client: client.admin.upsert_documents([{"title": "x"}], wait_s=1),
        lambda client: client.admin.upsert_vectors([{"id": "x", "vectors": {"title_vector": [1.0]}}], recipe="0"),
    ),
    routes.RESTORE_TITLE: (lambda client: client.admin.restore_title(ANY_ID),),
    routes.SET_OVERRIDE: (lambda client: client.admin.set_override(ANY_ID, ANY_ID, 1, note="x"),),
    routes.DECIDE_LINK: (
        lambda client: client.admin.decide_link(ANY_ID, ANY_ID, "1"),
        lambda client: client.admin.decide_link(ANY_ID, ANY_ID, None),
    ),
    routes.REINDEX: (lambda client: client.admin.reindex(reason="x"),),
    routes.SWAP_GENERATION: (lambda client: client.admin.swap_generation(ANY_ID, force=True),),
    routes.ROLLBACK: (lambda client: client.admin.rollback(),),
    routes.TAKE_SNAPSHOT: (lambda client: client.admin.take_snapshot(reason="x", wait_s=1),),
    routes.RESTORE_SNAPSHOT: (lambda client: client.admin.restore_snapshot(ANY_ID),),
}
# Bodies that are made of options.
OPTION_ROUTES = {routes.SEARCH, routes.SIMILAR_BATCH, routes.SEARCH_IMAGE, routes.SEARCH_MULTIMODAL}
# A picture is an argument, and has no field of its own.
PICTURE_FIELDS = {"image_data", "image_url", "query", "threshold", "top_k"}

# What each route answers; None: nothing, or bytes. The document of a title has more entries than its schema names.
ANSWERS: dict[Route, type[Value] | None] = {
    routes.SEARCH: values.search.SearchAnswer,
    routes.SEARCH_BATCH: values.search.BatchAnswer,
    routes.SIMILAR: values.search.SearchAnswer,
    routes.SIMILAR_BY_VECTOR: values.search.SearchAnswer,
    routes.SIMILAR_BATCH: values.search.BatchAnswer,
    routes.SEARCH_IMAGE: values.search.SearchAnswer,
    routes.SEARCH_MULTIMODAL: values.search.SearchAnswer,
    routes.SIMILAR_VISUAL: values.search.SearchAnswer,
    routes.FACETS: values.faceting.Facets,
    routes.SUGGEST: values.faceting.SuggestionList,
    routes.GET_PROVENANCE: values.provenance.Provenance,
    routes.GET_MEDIA: None,
    routes.INDEX: values.pictures.Indexed,
    routes.REMOVE_PICTURE: values.pictures.RemovedPicture,
    routes.CREATE_JOB: values.jobs.Job,
    routes.LIST_JOBS: values.jobs.JobList,
    routes.GET_JOB: values.jobs.Job,
    routes.CANCEL_JOB: values.jobs.Job,
    routes.RETRY_JOB: values.jobs.Job,
    routes.DEAD_LETTERS: values.jobs.DeadLetterList,
    routes.ADMIN_STATS: values.admin.AdminStats,
    routes.ADMIN_HEALTH: values.admin.AdminHealth,
    routes.LIST_PROVIDERS: values.providers.ProviderHealthList,
    routes.COLLECTION: values.admin.CollectionInfo,
    routes.UPSERT: values.jobs.Job,
    routes.EXCLUDE_TITLE: values.admin.Exclusion,
    routes.RESTORE_TITLE: values.admin.Exclusion,
    routes.LIST_OVERRIDES: values.provenance.OverrideList,
    routes.SET_OVERRIDE: values.provenance.OverrideChange,
    routes.REMOVE_OVERRIDE: values.provenance.OverrideChange,
    routes.LIST_LINKS: values.linking.LinkList,
    routes.DECIDE_LINK: values.linking.LinkDecision,
    routes.WITHDRAW_LINK: values.linking.LinkWithdrawn,
    routes.REINDEX: values.jobs.Job,
    routes.LIST_GENERATIONS: values.admin.GenerationList,
    routes.SWAP_GENERATION: values.admin.Swap,
    routes.ROLLBACK: values.admin.Swap,
    routes.DROP_GENERATION: None,
    routes.TAKE_SNAPSHOT: values.jobs.Job,
    routes.LIST_SNAPSHOTS: values.admin.SnapshotList,
    routes.DELETE_SNAPSHOT: None,
    routes.RESTORE_SNAPSHOT: values.jobs.Job,
    routes.ALIVE: values.status.Alive,
    routes.HEALTH: values.status.Health,
    routes.STATS: values.status.Stats,
}


@pytest.fixture(scope="module")
def document() -> Iterator[dict[str, Any]]:
    """The OpenAPI document of the application. Building it connects to nothing."""
    services = build_services(Settings(_env_file=None))
    yield build_document(create_app(services), is_open=True)
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
    ("route", "kind", "elsewhere"),
    [
        # `threshold` is another name of min_score.
        (routes.SEARCH, options.SearchQuery, {"threshold"}),
        (
            routes.SIMILAR_BATCH,
            options.SimilarBatchOptions,
            {"threshold", "mode", "references", "positive", "negative"},
        ),
        (routes.SEARCH_IMAGE, options.ImageOptions, PICTURE_FIELDS | {"target"}),
        (routes.SEARCH_MULTIMODAL, options.MultimodalOptions, PICTURE_FIELDS),
    ],
    ids=str,
)
def test_bodies_have_the_same_options(document: dict[str, Any], route: Route, kind: Any, elsewhere: set[str]) -> None:
    """Each field of a request's schema is an option or an argument, and each option a field."""
    schema = find_body_schema(document, route)
    assert schema is not None
    assert set(kind.__annotations__) == set(schema["properties"]) - elsewhere
    sorts = [found for found in find_objects(schema["properties"]["sort"], document) if "properties" in found]
    assert [set(found["properties"]) for found in sorts] == [set(options.Sort.__annotations__)]


@pytest.mark.parametrize(
    ("route", "kind", "elsewhere"),
    [
        (routes.SIMILAR, options.SimilarOptions, {"id"}),
        (routes.SIMILAR_BY_VECTOR, options.SimilarOptions, {"id", "vector", "distance"}),
        (routes.SIMILAR_VISUAL, options.VisualOptions, {"id", "target"}),
    ],
    ids=str,
)
def test_address_lines_have_the_same_options(
    document: dict[str, Any], route: Route, kind: Any, elsewhere: set[str]
) -> None:
    """As for bodies."""
    parameters = document["paths"][route.path][route.method.lower()]["parameters"]
    assert set(kind.__annotations__) == {entry["name"] for entry in parameters} - elsewhere


def test_other_bodies_have_the_same_fields(client: Client, service: Any, document: dict[str, Any]) -> None:
    """The calls above send every field of their schema between them, and no other."""
    service.replies = [httpx.Response(418, json={})]
    bodies = {
        route: schema
        for route in list_routes() - OPTION_ROUTES
        if (schema := find_body_schema(document, route)) is not None
    }
    assert set(FULL_CALLS) == set(bodies)
    for route, schema in bodies.items():
        sent: set[str] = set()
        for call in FULL_CALLS[route]:
            with pytest.raises(ClientError):
                call(client)
            assert str(route) == f"{service.requests[-1].method} {route.path}"
            sent |= set(json.loads(service.requests[-1].content))
        assert sent == set(schema.get("properties", {})), route


def find_body_schema(document: dict[str, Any], route: Route) -> dict[str, Any] | None:
    """The schema of a route's body; None if it takes none."""
    body = document["paths"][route.path][route.method.lower()].get("requestBody")
    if body is None:
        return None
    return resolve(body["content"]["application/json"]["schema"], document)


def test_answers_have_the_same_fields(document: dict[str, Any]) -> None:
    """What the service says it answers is typed here, field by field, at every depth."""
    assert set(ANSWERS) == list_routes() - {routes.GET_TITLE}
    compared: set[type[Value]] = set()
    for route, kind in ANSWERS.items():
        for status, response in document["paths"][route.path][route.method.lower()]["responses"].items():
            content = response.get("content", {}).get("application/json")
            if status.startswith("2") and kind is not None:
                assert content is not None, route
                compared |= compare(kind, content["schema"], document)
    assert values.search.QueryInfo in compared
    assert values.admin.Recipe in compared


def compare(kind: type[Value], schema: dict[str, Any], document: dict[str, Any]) -> set[type[Value]]:
    """Fail unless type and schema have the same fields, and so have the types and schemas in them."""
    properties = resolve(schema, document)["properties"]
    assert set(kind.model_fields) == set(properties), kind.__name__
    compared = {kind}
    for name, field in kind.model_fields.items():
        for inner in find_values(field.annotation):
            schemas = [found for found in find_objects(properties[name], document) if "properties" in found]
            assert len(schemas) == 1, f"{kind.__name__}.{name}"
            compared |= compare(inner, schemas[0], document)
    return compared


def find_values(annotation: Any) -> Iterator[type[Value]]:
    """Types of ours in an annotation, such as Job in `tuple[Job, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Value):
        yield annotation
    for inner in get_args(annotation):
        yield from find_values(inner)


def find_objects(schema: dict[str, Any], document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Schemas of objects in a schema: itself, its items, its members, one of its kinds."""
    resolved = resolve(schema, document)
    yield resolved
    more = resolved.get("additionalProperties")
    for inner in (resolved.get("items"), more if isinstance(more, dict) else None, *resolved.get("anyOf", ())):
        if inner is not None:
            yield from find_objects(inner, document)


def resolve(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """The schema itself where only its name is given."""
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


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
