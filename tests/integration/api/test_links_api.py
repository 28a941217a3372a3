"""Doubtful links and persons' decisions over HTTP: for editors, checked by field, kept with who decided."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr
from sqlalchemy import text

from api.app import create_app
from api.services import ApiServices, build_services
from core.document import AnimeDocument, content_hash
from core.keys import Role, build_token
from core.settings import Settings
from storage.database.enrichment_models import LinkState
from storage.database.keys import KeyRepository
from storage.database.links import LinkRepository, StoredLink
from storage.database.session import Database
from storage.database.titles import StoredTitle, TitleRepository

LINKS = "/api/v1/admin/links"
CANDIDATE = {"external_id": "9", "titles": ["Kumo no Uta"], "type": "TV", "probability": 0.8, "why": ["same type"]}


def build_path(slug: str, provider: str = "kitsu") -> str:
    """The route of one decision."""
    return f"/api/v1/admin/titles/{slug}/links/{provider}"


@pytest.fixture(scope="module")
def whole_database(database_url: str) -> Iterator[Database]:
    """The module's database."""
    made = Database(database_url)
    yield made
    made.close()


@pytest.fixture(scope="module")
def editor(whole_database: Database) -> dict[str, str]:
    """The headers of an editor."""
    return _add_key(whole_database, Role.EDITOR)


@pytest.fixture(scope="module")
def reader(whole_database: Database) -> dict[str, str]:
    """The headers of a reader."""
    return _add_key(whole_database, Role.READER)


@pytest.fixture
def database(whole_database: Database) -> Database:
    """Two titles, one of them adult and doubtful at Kitsu."""
    titles = TitleRepository(whole_database)
    with whole_database.begin() as connection:
        connection.execute(text("TRUNCATE titles, jobs CASCADE"))
        for slug, values in (
            ("kumo", {"title": "Kumo", "type": "OVA", "year": 2001, "tags": ["hentai"]}),
            ("kaze", {"title": "Kaze", "external_ids": {"kitsu": 5}}),
        ):
            document = AnimeDocument.model_validate(values).to_json()
            is_adult = slug == "kumo"
            titles.insert(
                connection, [StoredTitle(slug, document, content_hash(document), adult=is_adult, excluded=False)]
            )
        titles.add_ids(connection, [("kitsu", "5", "kaze")])
    LinkRepository(whole_database).store(
        StoredLink(
            slug="kumo",
            provider="kitsu",
            state=LinkState.DOUBTFUL,
            external_id=None,
            method="titles",
            probability=0.8,
            candidates=[CANDIDATE],
        )
    )
    return whole_database


@pytest.fixture(scope="module")
def api(database_url: str, redis_url: str) -> Iterator[ApiServices]:
    """One web process that needs keys."""
    services = build_services(
        Settings(
            _env_file=None, database_url=SecretStr(database_url), redis_url=SecretStr(redis_url), api_auth="required"
        )
    )
    yield services
    services.close()


@pytest.fixture
def client(api: ApiServices, database: Database) -> FlaskClient:
    """Without a key."""
    return create_app(api).test_client()


def _add_key(database: Database, role: Role) -> dict[str, str]:
    key_id, token, secret_hash = build_token()
    KeyRepository(database).add(
        key_id,
        name=f"the {role.value}",
        role=role,
        secret_hash=secret_hash,
        monthly_quota=None,
        rate_limit=None,
        expires_at=None,
    )
    return {"Authorization": f"Bearer {token}"}


def _load_job(database: Database, job_id: str) -> Any:
    with database.begin() as connection:
        query = text("SELECT kind, params FROM jobs WHERE id = CAST(:id AS uuid)")
        return connection.execute(query, {"id": job_id}).one()


def test_what_is_doubtful_is_listed(client: FlaskClient, editor: dict[str, str]) -> None:
    """With the title's facts, the candidates and why; editors see adult titles, marked as such."""
    body = client.get(LINKS, headers=editor).get_json()
    (link,) = body["links"]
    assert (link["id"], link["provider"], link["title"], link["year"], link["adult"]) == (
        "kumo", "kitsu", "Kumo", 2001, True,
    )  # fmt: skip
    assert link["candidates"] == [{**CANDIDATE, "year": None, "episodes": None}]
    assert body["counts"] == {"kitsu": {"doubtful": 1}}
    assert client.get(f"{LINKS}?provider=anidb", headers=editor).get_json()["links"] == []
    assert client.get(f"{LINKS}?state=linked", headers=editor).get_json()["links"] == []


def test_a_decision_is_kept_with_who_made_it(client: FlaskClient, editor: dict[str, str], database: Database) -> None:
    """The link is the person's, the title has the id, and a job asks the provider."""
    answer = client.put(build_path("kumo"), json={"external_id": "9"}, headers=editor)
    assert answer.status_code == 200, answer.text
    body = answer.get_json()
    assert (body["link"]["state"], body["link"]["external_id"], body["link"]["decided_by"]) == (
        "linked", "9", "the editor",
    )  # fmt: skip
    job = _load_job(database, body["job_id"])
    assert (job.kind, job.params["ids"], job.params["providers"]) == ("enrich", ["kumo"], ["kitsu"])
    assert TitleRepository(database).resolve_slug("kitsu:9") == "kumo"
    again = client.put(build_path("kitsu:9"), json={"external_id": "9"}, headers=editor).get_json()
    assert (again["job_id"], again["link"]["decided_at"]) == (None, body["link"]["decided_at"])


def test_a_provider_that_is_not_configured_is_not_asked(
    client: FlaskClient, editor: dict[str, str], database: Database
) -> None:
    """The decision is kept all the same, and the title is merged."""
    body = client.put(build_path("kumo", "anidb"), json={"external_id": "3"}, headers=editor).get_json()
    assert _load_job(database, body["job_id"]).params["merge_only"] is True


def test_a_refusal_and_its_end(client: FlaskClient, editor: dict[str, str]) -> None:
    """A refused title has no id there until the decision is taken back."""
    body = client.put(build_path("kumo"), json={"refuse": True}, headers=editor).get_json()
    assert (body["link"]["state"], body["link"]["external_id"]) == ("refused", None)
    taken = client.delete(build_path("kumo"), headers=editor).get_json()
    assert (taken["changed"], taken["job_id"] is not None) == (True, True)
    assert client.delete(build_path("kumo"), headers=editor).get_json()["changed"] is False
    assert client.get(LINKS, headers=editor).get_json()["links"] == []


def test_an_id_that_another_title_has_is_a_conflict(client: FlaskClient, editor: dict[str, str]) -> None:
    """The title that has it is named, and nothing changes."""
    answer = client.put(build_path("kumo"), json={"external_id": "5"}, headers=editor)
    assert answer.status_code == 409
    assert "kaze" in answer.get_json()["detail"]
    assert len(client.get(LINKS, headers=editor).get_json()["links"]) == 1


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        (build_path("kumo"), {}, 422, "body"),
        (build_path("kumo"), {"external_id": "9", "refuse": True}, 422, "body"),
        (build_path("kumo"), {"external_id": "x"}, 422, "external_id"),
        (build_path("kumo"), {"external_id": "-1"}, 422, "external_id"),
        (build_path("kumo"), {"external_id": 9}, 422, "external_id"),
        (build_path("kumo"), {"external_id": "9", "note": "x"}, 422, "note"),
        (build_path("kumo", "anime-planet"), {"external_id": "../x"}, 422, "external_id"),
        (build_path("kumo", "imdb"), {"external_id": "1"}, 422, "provider"),
        (build_path("nobody"), {"external_id": "1"}, 404, None),
    ],
)
def test_bad_decisions_are_refused_by_field(
    client: FlaskClient, editor: dict[str, str], path: str, body: dict[str, Any], status: int, field: str | None
) -> None:
    """The field that is to blame is named, and nothing changes."""
    answer = client.put(path, json=body, headers=editor)
    assert (answer.status_code, answer.get_json().get("field")) == (status, field), answer.text
    assert len(client.get(LINKS, headers=editor).get_json()["links"]) == 1


@pytest.mark.parametrize("query", ["state=wrong", "provider=imdb", "limit=0", "limit=201", "offset=-1", "x=1"])
def test_bad_queries_are_refused_by_field(client: FlaskClient, editor: dict[str, str], query: str) -> None:
    """A parameter that is wrong or unknown is named."""
    answer = client.get(f"{LINKS}?{query}", headers=editor)
    assert (answer.status_code, answer.get_json()["field"]) == (422, query.partition("=")[0])


def test_readers_neither_see_nor_decide(client: FlaskClient, reader: dict[str, str]) -> None:
    """The list names adult titles, and decisions change titles: both are for editors."""
    assert client.get(LINKS, headers=reader).status_code == 403
    assert client.put(build_path("kumo"), json={"refuse": True}, headers=reader).status_code == 403
    assert client.delete(build_path("kumo"), headers=reader).status_code == 403
    assert client.get(LINKS).status_code == 401
