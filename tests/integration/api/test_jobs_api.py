"""Jobs over HTTP: the row comes first, the hint second."""

from __future__ import annotations

import base64
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from api.app import create_app
from api.services import ApiServices, build_services
from messaging.names import QUEUE_DEFAULT, TASK_RUN_JOB
from storage.database.jobs import JobRepository
from storage.database.models import JobState
from storage.database.session import Database


@pytest.fixture
def broker(index: Any) -> Any:
    """The broker with an empty default queue."""
    client = redis.Redis.from_url(index.settings.redis_url.get_secret_value())
    client.delete(QUEUE_DEFAULT)
    return client


def pop_hint(broker: Any) -> tuple[str, dict[str, Any]]:
    """Name and keyword arguments of the task that waits in the default queue."""
    message = json.loads(broker.rpop(QUEUE_DEFAULT))
    return message["headers"]["task"], json.loads(base64.b64decode(message["body"]))[1]


def test_a_job_is_a_row_and_then_a_hint(client: FlaskClient, broker: Any, api: ApiServices) -> None:
    """POST answers 202 with the job, which is in Postgres; the hint carries its id and nothing else."""
    response = client.post("/api/v1/jobs", json={"kind": "index", "ids": ["a", "b", "a"]})
    assert response.status_code == 202
    job = response.get_json()
    assert (job["kind"], job["state"], job["params"]) == ("index", "pending", {"ids": 2})
    assert response.headers["Location"] == f"/api/v1/jobs/{job['id']}"
    assert api.jobs.get(uuid.UUID(job["id"])).params == {"ids": ["a", "b"]}
    assert pop_hint(broker) == (TASK_RUN_JOB, {"job_id": job["id"]})


def test_an_import_of_documents(client: FlaskClient, api: ApiServices) -> None:
    """Documents are kept in the row as they came; the answer gives their number only."""
    documents = [{"title": "One", "synopsis": "A first."}, {"title": "Two"}]
    job = client.post("/api/v1/jobs", json={"kind": "import", "documents": documents}).get_json()
    assert job["params"] == {"documents": 2}
    assert api.jobs.get(uuid.UUID(job["id"])).params == {"documents": documents}


def test_an_import_of_a_file_stays_under_its_root(index: Any, tmp_path: Path) -> None:
    """Only files under IMPORT_ROOT are taken, links that lead out of it included."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "titles.jsonl").write_text("{}")
    (tmp_path / "secret.jsonl").write_text("{}")
    (root / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    services = build_services(index.settings.model_copy(update={"import_root": root}))
    client = create_app(services).test_client()
    good = client.post("/api/v1/jobs", json={"kind": "import", "path": "titles.jsonl"})
    assert (good.status_code, good.get_json()["params"]) == (202, {"path": "titles.jsonl"})
    for bad in ("link.jsonl", "../secret.jsonl", str(tmp_path / "secret.jsonl"), "missing.jsonl", "."):
        refused = client.post("/api/v1/jobs", json={"kind": "import", "path": bad})
        assert (refused.status_code, refused.get_json(force=True)["field"]) == (422, "path")
    services.close()


def test_a_job_is_shown_with_its_progress(client: FlaskClient) -> None:
    """GET by id has counts by stage, rate, time left and dead letters; the list has the newest first."""
    first = client.post("/api/v1/jobs", json={"kind": "index"}).get_json()
    second = client.post("/api/v1/jobs", json={"kind": "index"}).get_json()
    shown = client.get(f"/api/v1/jobs/{first['id']}").get_json()
    assert shown["progress"] == {
        "stages": {"import": {}},
        "titles_per_s": 0.0,
        "seconds_left": 0.0,
        "dead_letters": 0,
        "open_rows": 0,
        "downloads": None,
        "enrichment": None,
    }
    listed = [job["id"] for job in client.get("/api/v1/jobs?limit=2").get_json()["jobs"]]
    assert listed == [second["id"], first["id"]]
    assert client.get("/api/v1/jobs?state=completed").get_json() == {"jobs": []}


def test_a_job_of_downloads(client: FlaskClient, api: ApiServices) -> None:
    """A list of URLs is kept in the row and shown by its length; a wrong one is refused by its place."""
    urls = ["https://example.org/a.jpg", {"url": "https://example.org/b.jpg", "tags": ["x"]}]
    answer = client.post("/api/v1/jobs", json={"kind": "download", "urls": urls, "then_index": True})
    assert answer.status_code == 202
    job = answer.get_json()
    assert (job["kind"], job["params"]) == ("download", {"urls": 2, "then_index": True})
    stored = api.jobs.get(uuid.UUID(job["id"])).params
    assert stored == {"urls": [{"url": urls[0]}, urls[1]], "then_index": True}
    refused = client.post("/api/v1/jobs", json={"kind": "download", "urls": ["ftp://example.org/a.jpg"]})
    assert refused.status_code == 422 and refused.get_json()["field"] == "urls.0"
    assert [one["id"] for one in client.get("/api/v1/jobs?limit=1").get_json()["jobs"]] == [job["id"]]


def test_a_job_of_enrichment(client: FlaskClient, api: ApiServices) -> None:
    """What was asked for is kept in the row; parts are counted by provider and by stage as soon as there are any."""
    body = {"kind": "enrich", "ids": ["a"], "providers": ["kitsu"], "stages": ["staff"], "refresh": True}
    answer = client.post("/api/v1/jobs", json=body)
    assert answer.status_code == 202
    job = answer.get_json()
    assert job["params"] == {"ids": 1, "providers": ["kitsu"], "stages": ["staff"], "refresh": True}
    assert job["progress"]["enrichment"] == {"providers": {}, "stages": {}, "put_off": {}}
    assert api.jobs.get(uuid.UUID(job["id"])).params["ids"] == ["a"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"providers": ["geocities"]}, "providers.0"),
        ({"providers": ["kitsu", "anidb"]}, "providers.1"),
        ({"stages": ["weather"]}, "stages.0"),
        ({"stages": []}, "stages"),
        ({"stale": True, "refresh": True}, "stale"),
        ({"merge_only": True, "refresh": True}, "refresh"),
        ({"then_enrich": True}, "then_enrich"),
        ({"documents": [{"title": "x"}]}, "documents"),
    ],
)
def test_a_job_of_enrichment_that_cannot_be(client: FlaskClient, body: dict[str, Any], field: str) -> None:
    """The problem names the field, and no job is stored."""
    before = client.get("/api/v1/jobs").get_json()
    refused = client.post("/api/v1/jobs", json={"kind": "enrich", **body})
    assert refused.status_code in (400, 422), refused.get_json(force=True)
    assert field in json.dumps(refused.get_json(force=True))
    assert client.get("/api/v1/jobs").get_json() == before


def test_cancel_and_retry_follow_the_state(client: FlaskClient, broker: Any) -> None:
    """An open job can be cancelled once, an ended one retried; the other way round is a 409."""
    job_id = client.post("/api/v1/jobs", json={"kind": "index"}).get_json()["id"]
    assert client.post(f"/api/v1/jobs/{job_id}/retry").status_code == 409
    assert client.post(f"/api/v1/jobs/{job_id}/cancel").get_json()["state"] == "cancelled"
    assert client.post(f"/api/v1/jobs/{job_id}/cancel").status_code == 409
    broker.delete(QUEUE_DEFAULT)
    assert client.post(f"/api/v1/jobs/{job_id}/retry").status_code == 202
    assert pop_hint(broker)[1] == {"job_id": job_id}


def test_dead_letters_are_shown_with_their_reason(client: FlaskClient, index: Any) -> None:
    """What was given up can be read, a page at a time."""
    database = Database(index.settings.database_url.get_secret_value())
    jobs = JobRepository(database)
    job_id = jobs.create("import", {"path": "x"})
    with database.begin() as connection:
        for line in (3, 9):
            jobs.add_dead_letter(connection, job_id, stage="import", reason="no title", detail={"line": line})
    jobs.close(job_id, JobState.COMPLETED)
    letters = client.get(f"/api/v1/jobs/{job_id}/dead-letters").get_json()["dead_letters"]
    assert [letter["detail"]["line"] for letter in letters] == [9, 3]
    assert letters[0]["reason"] == "no title"
    page = client.get(f"/api/v1/jobs/{job_id}/dead-letters?limit=1&offset=1").get_json()["dead_letters"]
    assert [letter["detail"]["line"] for letter in page] == [3]
    database.close()


def test_a_job_survives_a_broker_that_is_away(client: FlaskClient, fresh_services: Any) -> None:
    """Without Redis the job is stored all the same: the reconciler sends its hint later."""
    fresh_services.kill("redis-broker")
    response = client.post("/api/v1/jobs", json={"kind": "index"})
    assert response.status_code == 202
    assert client.get(f"/api/v1/jobs/{response.get_json()['id']}").status_code == 200
