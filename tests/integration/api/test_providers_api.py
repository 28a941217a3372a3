"""The health of the providers over HTTP: what the gate, the kept answers and the parts say, and never a secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient
from pydantic import SecretStr
from sqlalchemy import text

from api.app import create_app
from api.schemas.providers import ProviderListResponse
from api.services import build_services
from core.document import AnimeDocument, content_hash
from core.keys import Role, build_token
from core.providers import PROVIDER_LIMITS
from core.settings import Settings
from storage.database.answers import AnswerRepository, Asked, NewAnswer
from storage.database.keys import KeyRepository
from storage.database.session import Database
from storage.database.titles import StoredTitle, TitleRepository
from storage.provider_gate import Leave, ProviderGate, Verdict

URL = "/api/v1/admin/providers"
Headers = dict[Role | None, dict[str, str]]
SECRET = "a-token-that-nobody-may-see"
PARTS = (("jikan", "metadata", "pending"), ("jikan", "staff", "done"), ("kitsu", "metadata", "failed"))


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    """A title with parts in several states, and some requests."""
    made = Database(database_url)
    document = AnimeDocument.model_validate({"title": "Akira"}).to_json()
    with made.begin() as connection:
        title = StoredTitle("akira", document, content_hash(document), adult=False, excluded=False)
        TitleRepository(made).insert(connection, [title])
        insert = "INSERT INTO enrich_parts (slug, provider, stage, state, due_at) VALUES ('akira', :p, :g, :s, now())"
        for provider, stage, state in PARTS:
            connection.execute(text(insert), {"p": provider, "g": stage, "s": state})
    answers = AnswerRepository(made)
    answer = NewAnswer(status=200, media_type="application/json", body=b'{"a": 1}')
    answers.put("jikan", "anime/1", answer, asked=Asked("ok", 80))
    for outcome in ("timeout", "absent", "not-modified"):
        answers.count("jikan", Asked(outcome, 40))
    yield made
    made.close()


@pytest.fixture(scope="module")
def settings(database_url: str, redis_url: str, database: Database) -> Settings:
    """A service that needs keys and knows some providers."""
    return Settings(
        _env_file=None,
        database_url=SecretStr(database_url),
        redis_url=SecretStr(redis_url),
        api_auth="required",
        jikan_base_url="https://jikan.example.org/v4",
        anilist_token=SecretStr(SECRET),
        kitsu_base_url="none",
    )


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[FlaskClient]:
    """Without a key."""
    services = build_services(settings)
    yield create_app(services).test_client()
    services.close()


@pytest.fixture
def gate(settings: Settings, redis_url: str) -> Iterator[ProviderGate]:
    """The workers' gate, with nothing remembered."""
    with redis.Redis.from_url(redis_url) as server:
        server.flushdb()
    opened = ProviderGate(settings)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def headers(database: Database) -> Headers:
    """What to send as each role, and without a key."""
    keys, made = KeyRepository(database), {}
    for role in Role:
        key_id, token, secret_hash = build_token()
        keys.add(
            key_id,
            name=f"the {role.value}",
            role=role,
            secret_hash=secret_hash,
            monthly_quota=None,
            rate_limit=None,
            expires_at=None,
        )
        made[role] = {"Authorization": f"Bearer {token}"}
    return {None: {}, **made}


def fetch(client: FlaskClient, editor: dict[str, str]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The answer as an editor gets it, checked against its schema; and the providers by name."""
    response = client.get(URL, headers=editor)
    assert response.status_code == 200 and response.headers["Cache-Control"] == "no-store"
    assert SECRET not in response.text
    body = response.get_json()
    ProviderListResponse.model_validate(body)
    return body, {one["name"]: one for one in body["providers"]}


def test_health(client: FlaskClient, headers: Headers, gate: ProviderGate) -> None:
    """Every provider is there, with its settings, requests, errors, answers and parts."""
    body, providers = fetch(client, headers[Role.EDITOR])
    assert body["gate"] == "ok" and list(providers) == list(PROVIDER_LIMITS)
    jikan, kitsu = providers["jikan"], providers["kitsu"]
    assert jikan["configured"] and jikan["why_not"] is None
    assert not kitsu["configured"] and "KITSU_BASE_URL" in kitsu["why_not"]
    assert (jikan["hour"]["requests"], jikan["hour"]["errors"], jikan["hour"]["error_rate"]) == (4, 1, 0.25)
    assert jikan["day"]["outcomes"] == {"absent": 1, "not-modified": 1, "ok": 1, "timeout": 1}
    assert jikan["hour"]["latency_ms"] == 50 and (jikan["answers"], jikan["answers_bytes"]) == (1, 8)
    assert 0 <= jikan["newest_answer_age_s"] < 600
    assert jikan["parts"] == {"done": 1, "pending": 1} and jikan["retry_at"] is None
    assert kitsu["parts"] == {"failed": 1} and kitsu["retry_at"] is not None
    assert kitsu["hour"]["error_rate"] is None and kitsu["newest_answer_at"] is None
    assert jikan["circuit"] == "closed" and jikan["paused_s"] == 0
    assert [limit["amount"] for limit in jikan["limits"]] == [limit.amount for limit in PROVIDER_LIMITS["jikan"]]


def test_what_workers_did_is_shown(client: FlaskClient, headers: Headers, gate: ProviderGate) -> None:
    """A pause, an open circuit and a smaller limit are seen as soon as a worker has met them."""
    leave, limits = Leave("go", 0, "", False), PROVIDER_LIMITS["anilist"]
    gate.settle("anilist", limits, leave, Verdict.LIMITED, reason="http-429", pause_s=600, told_amount=10)
    for _ in range(5):
        gate.settle("jikan", PROVIDER_LIMITS["jikan"], leave, Verdict.FAILED, reason="timeout")
    _, providers = fetch(client, headers[Role.EDITOR])
    anilist, jikan = providers["anilist"], providers["jikan"]
    assert anilist["pause_reason"] == "http-429" and 500 < anilist["paused_s"] <= 600
    assert (anilist["limits"][0]["amount"], anilist["limits"][0]["present_amount"]) == (30, 10)
    assert anilist["limits"][0]["present_per_minute"] == pytest.approx(0.7 * 9.5)
    assert (jikan["circuit"], jikan["circuit_reason"], jikan["failures"]) == ("open", "timeout", 5)


def test_without_redis(settings: Settings, headers: Headers) -> None:
    """Without Redis the rest is told, and that nobody can ask now."""
    away = settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")})
    services = build_services(away)
    try:
        body, providers = fetch(create_app(services).test_client(), headers[Role.EDITOR])
    finally:
        services.close()
    assert "redis" in body["gate"] and providers["jikan"]["limits"] is None
    assert providers["jikan"]["circuit"] is None and providers["jikan"]["hour"]["requests"] == 4


@pytest.mark.parametrize(("role", "status"), [(None, 401), (Role.READER, 403), (Role.EDITOR, 200), (Role.ADMIN, 200)])
def test_who_may_look(role: Role | None, status: int, client: FlaskClient, headers: Headers) -> None:
    """It is for editors and admins."""
    assert client.get(URL, headers=headers[role]).status_code == status
