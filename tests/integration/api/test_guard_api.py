"""The guard on real servers: who gets in, how often, what is said and what is not."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from api.app import create_app
from api.guard.guard import REFUSALS
from api.services import ApiServices, build_services
from core.keys import Role, build_token
from embedded.services import EmbeddedServices
from storage.database.keys import KeyRepository, get_month
from storage.database.session import Database

pytestmark = pytest.mark.usefixtures("worker")

SEARCH = "/api/v1/search"
SECRET_CHARS = 64
# The same in every process: pytest-xdist compares the names of tests.
JOB = f"/api/v1/jobs/{uuid.UUID(int=7)}"


class Opened:
    """An API with settings of its own, its keys, and the requests that it is asked."""

    def __init__(self, services: ApiServices) -> None:
        self.services = services
        self.database = Database(services.settings.database_url.get_secret_value())
        self.keys = KeyRepository(self.database)
        self.client: FlaskClient = create_app(services).test_client()

    def add_key(self, **values: Any) -> str:
        """A new key; its text."""
        key_id, token, secret_hash = build_token()
        self.keys.add(key_id, **{"name": "test", "role": Role.READER, "secret_hash": secret_hash, **values})
        return token

    def search(self, token: str | None = None, *, query: str = "robot boy", **options: Any) -> Any:
        """A search with this key."""
        headers = options.pop("headers", {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        return self.client.post(SEARCH, json={"query": query, "limit": 3}, headers=headers, **options)

    def get_used(self, token: str) -> int:
        """What Postgres says that this key used."""
        key_id = token.split("_")[1]
        return self.keys.load([key_id], month=get_month(datetime.now(UTC)))[key_id].used


Open = Callable[..., Opened]


@pytest.fixture
def open_api(index: Any, cache_url: str) -> Iterator[Open]:
    """Start an API by its settings; keys are required unless said otherwise."""
    opened: list[Opened] = []

    def make(**settings: Any) -> Opened:
        values = {"api_auth": "required", **settings}
        opened.append(Opened(build_services(index.settings.model_copy(update=values))))
        return opened[-1]

    yield make
    for one in opened:
        one.services.close()
        one.database.close()


def test_a_key_opens_by_either_header(open_api: Open) -> None:
    """As a bearer token or as X-API-Key; never in the address."""
    api = open_api()
    token = api.add_key()
    assert api.search(token).status_code == 200
    assert api.search(headers={"X-API-Key": token}).status_code == 200
    for name in ("api_key", "key", "access_token"):
        assert api.search(query_string={name: token}).status_code == 401


def test_every_wrong_key_gets_the_same_answer(open_api: Open) -> None:
    """None, malformed, unknown, wrong secret, expired, revoked: one body, one challenge, no hint which."""
    api = open_api()
    now = datetime.now(UTC)
    good, unknown = api.add_key(), build_token()[1]
    revoked = api.add_key()
    api.keys.revoke(revoked.split("_")[1])
    wrong = good[:-SECRET_CHARS] + unknown[-SECRET_CHARS:]
    expired = api.add_key(expires_at=now - timedelta(seconds=1))
    bodies = set()
    for token in (None, "nonsense", unknown, wrong, expired, revoked):
        response = api.search(token, headers={"X-Request-ID": "same"})
        assert response.status_code == 401
        assert response.content_type == "application/problem+json"
        assert response.headers["WWW-Authenticate"].startswith("Bearer ")
        bodies.add(response.data)
    assert len(bodies) == 1
    assert api.search(good).status_code == 200


def test_a_revoked_key_ends_within_a_round(open_api: Open) -> None:
    """What the process does every two seconds is enough; nothing has to be started again."""
    api = open_api()
    token = api.add_key()
    assert api.search(token).status_code == 200
    api.keys.revoke(token.split("_")[1])
    api.services.guard.refresh()
    assert api.search(token).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", SEARCH, {Role.READER, Role.EDITOR, Role.ADMIN}),
        ("GET", "/stats", {Role.READER, Role.EDITOR, Role.ADMIN}),
        ("GET", JOB, {Role.READER, Role.EDITOR, Role.ADMIN}),
        ("POST", "/api/v1/jobs", {Role.EDITOR, Role.ADMIN}),
        ("POST", f"{JOB}/cancel", {Role.EDITOR, Role.ADMIN}),
    ],
)
def test_a_role_is_enough_or_not(open_api: Open, method: str, path: str, allowed: set[Role]) -> None:
    """A role that is too low is a 403 that says which is needed, and changes nothing; a higher one passes."""
    api = open_api()
    jobs = len(api.services.jobs.list_recent(limit=1_000))
    for role in Role:
        headers = {"X-API-Key": api.add_key(role=role)}
        response = api.client.open(path, method=method, headers=headers, json={} if method == "POST" else None)
        assert (response.status_code == 403) == (role not in allowed), (role, response.text)
        if response.status_code == 403:
            assert response.json["type"] == "urn:avs:problem:forbidden" and role in response.json["detail"]
    assert len(api.services.jobs.list_recent(limit=1_000)) == jobs


def test_probes_pages_and_contract_need_no_key(open_api: Open) -> None:
    """They are the same with a wrong key; the page's search needs one and says so on the page."""
    api = open_api()
    for path in ("/", "/docs", "/openapi.json", "/health/live", "/health/ready", "/static/search.css"):
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            assert api.client.get(path, headers=headers).status_code == 200, path
    html = {"Accept": "text/html"}
    page = api.client.get("/?q=robot", headers=html).text
    assert "valid API key" in page and "<li>" not in page
    assert "<li>" in api.client.get("/?q=robot", headers={**html, "X-API-Key": api.add_key()}).text


def test_the_short_way_asks_the_same_guard(open_api: Open) -> None:
    """A search that is remembered is not given to those without a key, and is counted like any other."""
    api = open_api(rate_limit_key="5/minute")
    token = api.add_key()
    # What was answered before the names were read is not repeated after.
    assert api.services.names.wait(10)
    first = api.search(token)
    again = api.search(token)
    assert again.json["query_info"]["cache_hit"] and again.json["results"] == first.json["results"]
    assert [one.headers["RateLimit-Remaining"] for one in (first, again)] == ["4", "3"]
    for headers in ({}, {"Authorization": f"Bearer {build_token()[1]}"}):
        refused = api.search(headers=headers)
        assert refused.status_code == 401 and "results" not in refused.text
        assert refused.headers["X-Content-Type-Options"] == "nosniff"
    for status in (200, 200, 200, 429, 429):
        assert api.search(token).status_code == status
    limited = api.search(token)
    assert limited.headers["RateLimit-Remaining"] == "0" and int(limited.headers["Retry-After"]) > 0
    api.services.guard.refresh()
    assert api.get_used(token) == 5


def test_open_on_loopback_checks_what_is_sent(open_api: Open) -> None:
    """Without a key everything is open; a key that is wrong is refused, and one that is right counts with its role."""
    api = open_api(api_auth="auto")
    assert api.search().status_code == 200
    assert api.client.post("/api/v1/jobs", json={}).status_code == 422
    assert "RateLimit-Limit" not in api.search().headers
    assert api.search("wrong").status_code == 401
    reader = {"X-API-Key": api.add_key()}
    assert api.client.post("/api/v1/jobs", json={}, headers=reader).status_code == 403


def test_open_on_loopback_is_for_loopback(open_api: Open) -> None:
    """A page that was led here by a name of its own (DNS rebinding) gets nothing, unless the API is open on purpose."""
    rebound = {"Host": "rebound.example.org"}
    api = open_api(api_auth="auto")
    assert api.search().status_code == 200
    assert api.search(headers=rebound).status_code == 403
    assert api.client.get("/health/live", headers=rebound).status_code == 200
    assert open_api(api_auth="off").search(headers=rebound).status_code == 200


def test_a_limit_is_said_held_and_shared(open_api: Open) -> None:
    """Remaining counts down over two processes; then 429 with Retry-After; another key goes on."""
    one, two = open_api(), open_api()
    token, other = one.add_key(rate_limit="4/minute"), one.add_key(rate_limit="none")
    answers = [api.search(token, query=f"robot {n}") for n, api in enumerate((one, two, one, two, one))]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["3", "2", "1", "0", "0"]
    assert {answer.headers["RateLimit-Limit"] for answer in answers} == {"4"}
    assert all(1 <= int(answer.headers["RateLimit-Reset"]) <= 120 for answer in answers)
    problem = answers[-1].json
    assert (problem["status"], problem["type"]) == (429, "urn:avs:problem:rate-limited")
    assert answers[-1].headers["Retry-After"] == answers[-1].headers["RateLimit-Reset"]
    free = one.search(other)
    assert free.status_code == 200 and "RateLimit-Limit" not in free.headers


def test_a_batch_costs_what_it_asks(open_api: Open) -> None:
    """Each of its queries counts; one that can never pass is refused with its field, whatever is left."""
    api = open_api(rate_limit_key="10/minute")
    token = api.add_key(monthly_quota=100)

    def ask(count: int) -> Any:
        body = {"queries": [{"query": f"robot {n}", "limit": 1} for n in range(count)]}
        return api.client.post(f"{SEARCH}/batch", json=body, headers={"X-API-Key": token})

    first = ask(6)
    assert first.status_code == 200 and first.headers["RateLimit-Remaining"] == "4"
    refused = ask(5)
    assert refused.status_code == 429 and refused.headers["RateLimit-Remaining"] == "3"
    never = ask(11)
    assert never.status_code == 422 and never.json["field"] == "queries"
    api.services.guard.refresh()
    # The refused ones were counted as the one request that each was before its size was known.
    assert api.get_used(token) == 6 + 1 + 1


def test_addresses_are_limited_where_no_key_is_needed(open_api: Open) -> None:
    """Each address for itself; what a caller says of its address counts only behind a trusted proxy."""
    api = open_api(api_auth="off", rate_limit_open="2/minute")
    sent = [api.search(headers={"X-Forwarded-For": f"192.0.2.{n}"}).status_code for n in range(3)]
    assert sent == [200, 200, 429]
    assert api.search(environ_base={"REMOTE_ADDR": "192.0.2.99"}).status_code == 200
    proxied = open_api(api_auth="off", rate_limit_open="2/minute", trusted_proxies=1)
    for number in range(3):
        # The last address is the one that the proxy itself saw; what stands before it anybody can write.
        forged = {"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.5"}
        assert proxied.search(headers=forged).status_code == (429 if number == 2 else 200)
    assert proxied.search(headers={"X-Forwarded-For": "203.0.113.6"}).status_code == 200


def test_guessing_is_limited_and_good_keys_are_not_in_its_way(open_api: Open) -> None:
    """After so many refusals, each counted once by either lane, an address has to wait; a valid key from it goes on."""
    api = open_api(rate_limit_key="none")
    token = api.add_key()
    assert api.search(token).status_code == 200  # from here on the short way has an answer to this
    statuses = [api.search("wrong").status_code for _ in range(REFUSALS.amount + 1)]
    assert set(statuses[:-1]) == {401} and statuses[-1] == 429
    assert api.search(token).status_code == 200


def test_a_quota_ends_and_survives_a_wiped_redis_and_a_new_process(open_api: Open, cache_url: str) -> None:
    """The month is kept in Postgres: neither an empty cache nor a process that begins anew gives anything back."""
    api = open_api()
    token = api.add_key(monthly_quota=3)
    assert [api.search(token, query=f"robot {n}").status_code for n in range(4)] == [200, 200, 200, 429]
    refused = api.search(token)
    assert refused.json["type"] == "urn:avs:problem:quota-exceeded"
    assert 0 < int(refused.headers["Retry-After"]) <= 31 * 86_400
    with redis.Redis.from_url(cache_url) as client:
        client.flushall()
    assert api.search(token).status_code == 429
    api.services.guard.close()
    assert api.get_used(token) == 3
    assert open_api().search(token).status_code == 429


def test_many_threads_never_pass_a_quota(open_api: Open) -> None:
    """Of forty requests at once exactly as many pass as are left."""
    api = open_api(rate_limit_key="none")
    token = api.add_key(monthly_quota=15)
    api.search(token)
    app = api.client.application

    def ask(_: int) -> int:
        body = {"query": "robot boy", "limit": 3}
        status: int = app.test_client().post(SEARCH, json=body, headers={"X-API-Key": token}).status_code
        return status

    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(ask, range(40)))
    assert statuses.count(200) == 14 and statuses.count(429) == 26


def test_without_redis_keys_hold_and_limits_do_not(open_api: Open, fresh_services: EmbeddedServices) -> None:
    """Requests pass uncounted by rate, without RateLimit headers; keys, roles and quotas go on."""
    api = open_api(rate_limit_key="2/minute")
    token = api.add_key(monthly_quota=6)
    fresh_services.kill("redis-cache")
    answers = [api.search(token, query=f"robot {n}") for n in range(6)]
    assert {answer.status_code for answer in answers} == {200}
    assert all("RateLimit-Limit" not in answer.headers for answer in answers)
    assert api.search(token).status_code == 429
    assert api.search("wrong").status_code == 401


def test_without_postgres_known_keys_go_on_and_unknown_ones_wait(
    open_api: Open, fresh_services: EmbeddedServices
) -> None:
    """A key that was seen works on; one that was not is a 503 with Retry-After, never let in and never a 401."""
    api = open_api()
    known, unseen = api.add_key(), api.add_key()
    assert api.search(known).status_code == 200
    fresh_services.kill("postgres")
    refused = api.search(unseen)
    assert refused.status_code == 503 and refused.json["dependency"] == "postgres"
    assert int(refused.headers["Retry-After"]) >= 1
    assert api.search(known).status_code == 200
    assert api.search().status_code == 401
    fresh_services.start("postgres")
    api.services.guard.refresh()
    assert api.search(known).status_code == 200


def test_no_secret_is_ever_written(open_api: Open, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither key nor secret is in any answer or log line; the key's id is in the lines of its requests."""
    api = open_api()
    good, unknown = api.add_key(), build_token()[1]
    wrong = good[:-SECRET_CHARS] + unknown[-SECRET_CHARS:]
    expired = api.add_key(expires_at=datetime.now(UTC) - timedelta(days=1))
    texts = []
    for token in (good, unknown, wrong, expired):
        for path in (SEARCH, "/api/v1/jobs", "/stats", "/nowhere"):
            for method in ("GET", "POST"):
                for sent in ({"headers": {"X-API-Key": token}}, {"query_string": {"api_key": token}}):
                    texts.append(api.client.open(path, method=method, json={"kind": "nonsense"}, **sent).text)
    shown = "".join(texts) + "".join(capfd.readouterr())
    for token in (good, unknown, wrong, expired):
        assert token not in shown and token[-SECRET_CHARS:] not in shown
    assert f"wrong secret of {good.split('_')[1]}" in shown
    assert f"{expired.split('_')[1]} has expired" in shown


def test_the_id_of_the_key_is_in_the_log_of_its_request(open_api: Open, capfd: pytest.CaptureFixture[str]) -> None:
    """A request that fails can be traced to the key that it came with."""
    api = open_api()
    token = api.add_key()
    key_id = token.split("_")[1]
    capfd.readouterr()
    response = api.client.post("/api/v1/jobs", json={}, headers={"X-API-Key": token, "X-Request-ID": "trace-me"})
    assert response.status_code == 403
    lines = "".join(capfd.readouterr()).splitlines()
    assert any(key_id in line and "trace-me" in line for line in lines), lines
