"""Servers and workers that go away: a 503 that names them, readiness that says so, and recovery by itself."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import pytest
import redis
from flask.testing import FlaskClient

from api.app import create_app
from api.services import ApiServices, build_services
from embedded.services import EmbeddedServices
from messaging.names import QUEUE_QUERY

_numbers = itertools.count()
DEADLINE_S = 3.0
# Machines that run tests are busy: far more than the deadline, far less than a hanging call.
PATIENCE_S = 15.0


def ask(client: FlaskClient) -> Any:
    """A search that no cache knows."""
    return client.post("/api/v1/search", json={"query": f"robot boy number {next(_numbers)}", "limit": 3})


def expect_away(response: Any, dependency: str) -> None:
    """The answer is a 503 problem that names the dependency and says when to come back."""
    assert response.status_code == 503, response.text
    assert response.get_json(force=True)["dependency"] == dependency
    assert int(response.headers["Retry-After"]) >= 1


def expect_unready(client: FlaskClient, name: str) -> None:
    """Readiness is a 503 whose checks name what is away."""
    ready = client.get("/health/ready")
    assert ready.status_code == 503
    assert not ready.get_json()["checks"][name]["ok"]
    assert client.get("/health/live").status_code == 200


def wait_for(condition: Callable[[], bool], *, limit_s: float = 60.0) -> None:
    """Wait for a state that comes by itself."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not recover"
        time.sleep(0.1)


def expect_recovery(client: FlaskClient) -> None:
    """Searches and readiness come back without anybody touching this process."""
    wait_for(lambda: ask(client).status_code == 200)
    wait_for(lambda: client.get("/health/ready").status_code == 200)


@pytest.fixture(scope="module")
def worker(start_worker: Any) -> Iterator[None]:
    """A query worker that outlives the broker's restarts."""
    with start_worker():
        yield


def test_without_a_worker_the_answer_comes_within_the_deadline(
    client: FlaskClient, index: Any, start_worker: Any
) -> None:
    """No worker: 503 that says so, well in time; what waits in the broker expires; with a worker searches go on."""
    started = time.monotonic()
    expect_away(ask(client), "query-worker")
    assert time.monotonic() - started < PATIENCE_S
    with redis.Redis.from_url(index.settings.redis_url.get_secret_value()) as broker:
        message = json.loads(broker.lindex(QUEUE_QUERY, 0))
    assert datetime.fromisoformat(message["headers"]["expires"]) < datetime.now(UTC) + timedelta(minutes=1)
    expect_unready(client, "query-worker")
    with start_worker():
        expect_recovery(client)


def test_a_worker_that_is_too_slow_is_a_503(client: FlaskClient, start_worker: Any) -> None:
    """The request gives up at its own deadline although the worker lives."""
    with start_worker(QUERY_DELAY_S=str(DEADLINE_S + 1)):
        started = time.monotonic()
        response = ask(client)
        assert (response.status_code, response.get_json(force=True)["type"]) == (
            503,
            "urn:avs:problem:deadline-exceeded",
        )
        assert time.monotonic() - started < PATIENCE_S


def test_a_worker_that_fails_is_a_503(client: FlaskClient, start_worker: Any) -> None:
    """The task's error becomes a 503 that names the worker and shows nothing of its inside."""
    with start_worker(QUERY_FAILS="1"):
        response = ask(client)
        expect_away(response, "query-worker")
        assert "memory" not in response.text


def test_a_worker_of_another_recipe_is_refused(client: FlaskClient, start_worker: Any) -> None:
    """Vectors of another model than the index's are an error that says so, never a wrong answer."""
    with start_worker(QUERY_TEMPLATE_VERSION="2"):
        response = ask(client)
        assert response.status_code == 409
        assert response.get_json(force=True)["type"] == "urn:avs:problem:recipe-mismatch"


def test_before_anything_is_indexed(index: Any, cache_url: str) -> None:
    """An alias without a live generation is a 409 that says what to do."""
    services = build_services(index.settings.model_copy(update={"qdrant_collection_name": "empty_alias"}))
    client = create_app(services).test_client()
    response = ask(client)
    assert response.status_code == 409
    assert "nothing is indexed" in response.get_json(force=True)["detail"]
    assert client.get("/stats").get_json()["generation"] is None
    services.close()


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(("server", "dependency"), [("qdrant", "qdrant"), ("redis-broker", "redis")])
def test_a_server_goes_and_comes_back(
    client: FlaskClient, fresh_services: EmbeddedServices, server: str, dependency: str
) -> None:
    """While it is away searches are a 503 that names it; when it is back they are answered again."""
    assert ask(client).status_code == 200
    fresh_services.kill(server)
    started = time.monotonic()
    expect_away(ask(client), dependency)
    assert time.monotonic() - started < PATIENCE_S
    expect_unready(client, dependency)
    fresh_services.start(server)
    expect_recovery(client)


@pytest.mark.usefixtures("worker")
def test_an_emptied_broker_is_no_obstacle(client: FlaskClient, fresh_services: EmbeddedServices) -> None:
    """Redis restarted empty while the process was idle: the subscription is made anew."""
    assert ask(client).status_code == 200
    fresh_services.restart("redis-broker", wipe=True)
    expect_recovery(client)


@pytest.mark.usefixtures("worker")
def test_without_postgres_searches_go_on(client: FlaskClient, fresh_services: EmbeddedServices) -> None:
    """The live generation is remembered; what needs Postgres is a 503 that names it, until it is back."""
    assert ask(client).status_code == 200
    fresh_services.kill("postgres")
    expect_away(client.get("/api/v1/search/by-id/x"), "postgres")
    expect_away(client.get("/api/v1/jobs"), "postgres")
    expect_away(client.post("/api/v1/jobs", json={"kind": "index"}), "postgres")
    expect_unready(client, "postgres")
    assert ask(client).status_code == 200
    fresh_services.start("postgres")
    wait_for(lambda: client.get("/api/v1/jobs").status_code == 200)
    expect_recovery(client)


@pytest.mark.usefixtures("worker")
def test_a_hanging_postgres_holds_nobody(client: FlaskClient, index: Any, fresh_services: EmbeddedServices) -> None:
    """It accepts and says nothing: titles and jobs are a 503 that names it, searches go on with what is known."""
    assert ask(client).status_code == 200
    stranger: ApiServices = build_services(index.settings)
    postgres = psutil.Process(fresh_services.pids["postgres"])
    family = [postgres, *postgres.children(recursive=True)]
    for process in family:
        process.suspend()
    try:
        started = time.monotonic()
        expect_away(client.get("/api/v1/search/by-id/x"), "postgres")
        expect_away(ask(create_app(stranger).test_client()), "postgres")
        assert ask(client).status_code == 200
        expect_unready(client, "postgres")
        assert time.monotonic() - started < 2 * PATIENCE_S
    finally:
        for process in family:
            process.resume()
    expect_recovery(client)
    stranger.close()


@pytest.mark.usefixtures("worker")
def test_without_the_cache_searches_go_on(client: FlaskClient, fresh_services: EmbeddedServices) -> None:
    """A cache that is away costs time only: searches are answered, readiness is well but says so."""
    fresh_services.kill("redis-cache")
    assert ask(client).status_code == 200
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.get_json()["status"]) == (200, "degraded")
    assert not ready.get_json()["checks"]["cache"]["ok"]


@pytest.mark.usefixtures("worker")
def test_a_process_that_starts_without_postgres(index: Any, fresh_services: EmbeddedServices) -> None:
    """With nothing remembered a search names Postgres, and the same process answers once it is there."""
    fresh_services.kill("postgres")
    services: ApiServices = build_services(index.settings)
    client = create_app(services).test_client()
    expect_away(ask(client), "postgres")
    fresh_services.start("postgres")
    expect_recovery(client)
    services.close()
