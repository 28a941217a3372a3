"""Why titles say what they say, and overrides, over HTTP: kept first, refused by name, and never shown to others."""

from __future__ import annotations

import json
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
from storage.database.keys import KeyRepository
from storage.database.provenance import ProvenanceRepository
from storage.database.session import Database
from storage.database.titles import StoredTitle, TitleRepository

SLUG = "cowboy-bebop"
DOCUMENT = {"title": "Cowboy Bebop", "episodes": 26, "year": 1998, "external_ids": {"mal": 1}}
OVERRIDES = f"/api/v1/admin/titles/{SLUG}/overrides"
REASONS = {
    "sources": ["anilist", "catalogue"],
    "confidence": 0.97,
    "at": "2026-11-20T12:00:00+00:00",
    "method": "vote",
    "conflict": True,
    "others": [{"value": 25, "sources": ["kitsu"], "confidence": 0.03}],
}


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    """Two titles: one that was merged, one that was not."""
    made = Database(database_url)
    titles = TitleRepository(made)
    with made.begin() as connection:
        for slug, values in ((SLUG, DOCUMENT), ("akira", {"title": "Akira", "year": 1988})):
            document = AnimeDocument.model_validate(values).to_json()
            titles.insert(
                connection, [StoredTitle(slug, document, content_hash(document), adult=False, excluded=False)]
            )
        titles.add_ids(connection, [("mal", "1", SLUG)])
        row = {
            "slug": SLUG,
            "fields": {"episodes": REASONS, "rank": {"note": "what was merged is not valid"}},
            "quality": 61.5,
            "quality_parts": {"completeness": 0.5},
            "model_version": 0,
            "inputs_hash": "x",
        }
        ProvenanceRepository(made).write_in(connection, [row])
    yield made
    made.close()


@pytest.fixture(scope="module")
def settings(database_url: str, redis_url: str) -> Settings:
    """A service that needs keys."""
    return Settings(
        _env_file=None, database_url=SecretStr(database_url), redis_url=SecretStr(redis_url), api_auth="required"
    )


@pytest.fixture(scope="module")
def api(settings: Settings, database: Database) -> Iterator[ApiServices]:
    """One web process."""
    services = build_services(settings)
    yield services
    services.close()


@pytest.fixture(scope="module")
def client(api: ApiServices) -> FlaskClient:
    """Without a key."""
    return create_app(api).test_client()


@pytest.fixture(scope="module")
def tokens(database: Database) -> dict[Role, str]:
    """A key of each role; its name is that of the role."""
    keys, made = KeyRepository(database), {}
    for role in (Role.READER, Role.EDITOR):
        key_id, made[role], secret_hash = build_token()
        keys.add(
            key_id,
            name=f"the {role.value}",
            role=role,
            secret_hash=secret_hash,
            monthly_quota=None,
            rate_limit=None,
            expires_at=None,
        )
    return made


@pytest.fixture
def editor(tokens: dict[Role, str], database: Database) -> Iterator[dict[str, str]]:
    """The headers of an editor; nothing is overridden before and after."""
    yield {"Authorization": f"Bearer {tokens[Role.EDITOR]}"}
    with database.begin() as connection:
        connection.execute(text("UPDATE titles SET overrides = '{}'"))
        connection.execute(text("DELETE FROM jobs"))


@pytest.fixture
def reader(tokens: dict[Role, str]) -> dict[str, str]:
    """The headers of a reader."""
    return {"Authorization": f"Bearer {tokens[Role.READER]}"}


def _list_jobs(database: Database) -> list[Any]:
    with database.begin() as connection:
        return list(connection.execute(text("SELECT kind, params, id::text AS id FROM jobs ORDER BY created_at")))


def test_a_merged_title_is_explained_field_by_field(client: FlaskClient, reader: dict[str, str]) -> None:
    """Value, sources, confidence and what was said instead; a field that was left out has its note and no value."""
    for identifier in (SLUG, "mal:1"):
        answer = client.get(f"/api/v1/titles/{identifier}/provenance", headers=reader)
        assert answer.status_code == 200, answer.text
        body = answer.get_json()
    assert (body["id"], body["quality"], body["quality_parts"]) == (SLUG, 61.5, {"completeness": 0.5})
    assert body["fields"]["episodes"] == {"value": 26, **REASONS, "elements": [], "note": None}
    assert (body["fields"]["rank"]["value"], body["fields"]["rank"]["note"]) == (None, "what was merged is not valid")
    assert body["fields"]["year"]["sources"] == ["catalogue"]


def test_a_title_that_was_never_merged_has_the_catalogue_alone(client: FlaskClient, reader: dict[str, str]) -> None:
    """No quality, and every field as imported."""
    body = client.get("/api/v1/titles/akira/provenance", headers=reader).get_json()
    assert (body["quality"], body["merged_at"], body["model_version"]) == (None, None, None)
    assert {one["method"] for one in body["fields"].values()} == {"import"}
    assert set(body["fields"]) == {"title", "year", "type", "status"}


def test_an_override_is_kept_with_its_job(client: FlaskClient, editor: dict[str, str], database: Database) -> None:
    """Who said what, when and why; the job follows, and the same again needs none."""
    answer = client.put(f"{OVERRIDES}/episodes", json={"value": 25, "note": "counted"}, headers=editor)
    assert answer.status_code == 200, answer.text
    body = answer.get_json()
    assert (body["id"], body["field"], body["changed"]) == (SLUG, "episodes", True)
    (job,) = _list_jobs(database)
    assert (job.kind, job.id) == ("enrich", body["job_id"])
    assert job.params == {"ids": [SLUG], "merge_only": True, "reason": "override"}
    (kept,) = client.get(OVERRIDES, headers=editor).get_json()["overrides"].items()
    assert (kept[0], kept[1]["value"], kept[1]["by"], kept[1]["note"]) == ("episodes", 25, "the editor", "counted")
    again = client.put(f"{OVERRIDES}/episodes", json={"value": 25, "note": "counted"}, headers=editor).get_json()
    assert (again["changed"], again["job_id"]) == (False, None)
    removed = client.delete(f"{OVERRIDES}/episodes", headers=editor).get_json()
    assert removed["changed"] and removed["job_id"]
    assert not client.delete(f"{OVERRIDES}/episodes", headers=editor).get_json()["changed"]
    assert client.get(OVERRIDES, headers=editor).get_json()["overrides"] == {}
    assert len(_list_jobs(database)) == 2


def test_null_empties_a_field(client: FlaskClient, editor: dict[str, str]) -> None:
    """Null is a word of its own, and not the same as nothing said."""
    assert client.put(f"{OVERRIDES}/synopsis", json={"value": None}, headers=editor).get_json()["changed"]
    assert client.get(OVERRIDES, headers=editor).get_json()["overrides"]["synopsis"]["value"] is None
    refused = client.put(f"{OVERRIDES}/synopsis", json={}, headers=editor)
    assert (refused.status_code, refused.get_json()["field"]) == (422, "value")


REFUSED: list[tuple[str, Any, int, str, str]] = [
    ("episodes", {"value": -1}, 422, "value", "episodes"),
    ("episodes", {"value": "many"}, 422, "value", "episodes"),
    ("year", {"value": 0}, 422, "value", "year"),
    ("score", {"value": 100}, 422, "value", "score"),
    ("type", {"value": "FILM"}, 422, "value", "type"),
    ("genres", {"value": "action"}, 422, "value", "genres"),
    ("genres", {"value": []}, 422, "value", "blank"),
    ("synopsis", {"value": "  "}, 422, "value", "blank"),
    ("synopsis", {"value": "nul \u0000"}, 422, "value", "U+0000"),
    ("synopsis", {"value": "lone \ud800"}, 422, "value", "U+D800"),
    ("characters", {"value": [{"role": "main"}]}, 422, "value", "characters.0.name"),
    ("statistics", {"value": {"x": 10**20}}, 422, "value", "statistics"),
    ("title", {"value": None}, 422, "value", "title"),
    ("external_ids", {"value": {"mal": 2}}, 422, "field", "link"),
    ("colour", {"value": "red"}, 422, "field", "colour"),
    ("%00", {"value": 1}, 422, "field", "U+0000"),
    ("episodes", {"value": 1, "note": ""}, 422, "note", "at least 1"),
    ("episodes", {"value": 1, "note": "x" * 501}, 422, "note", "at most 500"),
    ("episodes", {"value": 1, "by": "me"}, 422, "by", "not permitted"),
]


@pytest.mark.parametrize(("field", "body", "status", "named", "word"), REFUSED, ids=range(len(REFUSED)))
def test_what_no_field_can_say_is_refused(
    client: FlaskClient,
    editor: dict[str, str],
    database: Database,
    *,
    field: str,
    body: Any,
    status: int,
    named: str,
    word: str,
) -> None:
    """The problem names what is wrong, and nothing is kept."""
    answer = client.put(f"{OVERRIDES}/{field}", data=json.dumps(body), content_type="application/json", headers=editor)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json"), answer.text
    problem = answer.get_json()
    assert problem["field"] == named and word in problem["detail"]
    assert client.get(OVERRIDES, headers=editor).get_json()["overrides"] == {} and _list_jobs(database) == []


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b'{"value": NaN}', "application/json", 400),
        (b'{"value":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "application/json", 400),
        (b'{"value":' + b"[" * 40 + b"]" * 40 + b"}", "application/json", 422),
        (b"value=1", "application/x-www-form-urlencoded", 415),
        (b'{"value": "' + b"x" * 2_100_000 + b'"}', "application/json", 413),
    ],
    ids=["empty", "list", "nan", "deep", "nested", "form", "large"],
)
def test_bodies_that_are_none_are_refused(
    client: FlaskClient, editor: dict[str, str], data: bytes, content_type: str, status: int
) -> None:
    """As by every other route."""
    answer = client.put(f"{OVERRIDES}/statistics", data=data, content_type=content_type, headers=editor)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json"), answer.text


def test_unknown_titles_are_404(client: FlaskClient, editor: dict[str, str]) -> None:
    """Whatever is asked of them."""
    path = "/api/v1/admin/titles/nobody/overrides"
    answers = [
        client.get("/api/v1/titles/nobody/provenance", headers=editor),
        client.get(path, headers=editor),
        client.put(f"{path}/year", json={"value": 2000}, headers=editor),
        client.delete(f"{path}/year", headers=editor),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert client.get("/api/v1/titles/%00/provenance", headers=editor).status_code == 422


def test_readers_decide_nothing(client: FlaskClient, reader: dict[str, str]) -> None:
    """A reader sees reasons, but neither who said what nor a way to say it; without a key nobody sees anything."""
    assert client.get(f"/api/v1/titles/{SLUG}/provenance").status_code == 401
    assert client.get(OVERRIDES, headers=reader).status_code == 403
    assert client.put(f"{OVERRIDES}/year", json={"value": 2000}, headers=reader).status_code == 403
    assert client.delete(f"{OVERRIDES}/year", headers=reader).status_code == 403
