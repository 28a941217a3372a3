"""The web process as a whole, without any server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.services import build_services
from core.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
HEAVY = ("torch", "transformers", "tasks", "indexing", "inference", "worker", "sentence_transformers", "FlagEmbedding")


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    """The API over addresses at which nobody listens."""
    settings = Settings(
        _env_file=None,
        database_url="postgresql://x:x@127.0.0.1:1/x",
        redis_url="redis://127.0.0.1:1/0",
        redis_cache_url="redis://127.0.0.1:1/1",
        qdrant_url="http://127.0.0.1:1",
        query_deadline_s=2,
    )
    return create_app(build_services(settings)).test_client()


def test_the_web_process_loads_no_model_code() -> None:
    """`api.wsgi` in a fresh process: no torch, no tasks, nothing of the write side, and no thread of its own."""
    code = (
        "import sys, threading, api.wsgi; print([name for name in sys.argv[1:] if name in sys.modules]);"
        "print([t.name for t in threading.enumerate() if t is not threading.main_thread()])"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, *HEAVY], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split("\n")[:2] == ["[]", "[]"], done.stdout + done.stderr


def test_gunicorn_accepts_its_configuration() -> None:
    """gunicorn loads the file and the application."""
    command = [sys.executable, "-m", "gunicorn", "--config", "api/gunicorn_config.py", "--check-config", "api.wsgi:app"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_with_every_server_away_it_still_answers(client: FlaskClient) -> None:
    """Alive but not ready, and each check says what is away."""
    assert client.get("/health/live").get_json() == {"status": "alive"}
    for path in ("/health", "/health/ready", "/api/v1/health"):
        response = client.get(path)
        assert (response.status_code, response.get_json()["status"]) == (503, "unavailable")
    assert not any(check["ok"] for check in response.get_json()["checks"].values())
    assert set(response.get_json()["checks"]) == {"redis", "postgres", "qdrant", "query-worker", "cache"}


def test_no_address_leaks_into_a_problem(client: FlaskClient) -> None:
    """A dependency is named, its host and port are not."""
    response = client.post("/api/v1/search", json={"query": "robot"})
    assert (response.status_code, response.get_json(force=True)["dependency"]) == (503, "postgres")
    assert "127.0.0.1" not in response.text


def test_the_front_door_speaks_to_programs_and_people(client: FlaskClient) -> None:
    """JSON by default, a page for a browser, which escapes what it is given."""
    assert client.get("/").get_json()["links"]["search"] == "/api/v1/search"
    page = client.get("/?q=<script>", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.mimetype == "text/html"
    assert "<script>" not in page.text
    assert 'role="alert"' in page.text


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_documentation_brings_its_own_scripts(client: FlaskClient, path: str) -> None:
    """Every script and style of the page is served by this process: nothing comes from elsewhere."""
    page = client.get(path)
    assert page.status_code == 200
    shown = re.sub("<!--.*?-->", "", page.text, flags=re.DOTALL)
    sources = [part.split('"')[1] for part in shown.replace("href=", "src=").split("src=")[1:] if part.startswith('"')]
    assert sources
    for source in sources:
        assert not source.startswith(("http:", "https:", "//")), source
        assert client.get("/" + source.lstrip("/")).status_code == 200, source


def test_the_openapi_document_covers_every_route(client: FlaskClient) -> None:
    """Each API route is described, with its body and its problems, and all references resolve."""
    document = client.get("/openapi.json").get_json()
    assert document["openapi"].startswith("3.")
    described = set(document["paths"])
    rules = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule) for rule in client.application.url_map.iter_rules()}
    assert {rule for rule in rules if rule.startswith(("/api/", "/health", "/stats"))} <= described
    search = document["paths"]["/api/v1/search"]["post"]
    assert {"200", "400", "409", "415", "422", "503"} <= set(search["responses"])
    assert search["requestBody"]["required"]
    for reference in _references(document):
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in _references(value)]
    return [found for value in node for found in _references(value)] if isinstance(node, list) else []
