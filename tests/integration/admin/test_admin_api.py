"""Operators' routes: numbers, generations, snapshots, exclusions and vectors by hand."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from api.services import ApiServices
from core.identity import point_id
from messaging.names import TASK_RUN_JOB

ADMIN = "/api/v1/admin"
Wait = Callable[[str], Any]
TITLES = 121  # with the adult one


@pytest.fixture(autouse=True)
def _with_workers(workers: Any) -> Iterator[None]:
    """Every job gets done."""
    yield
    assert workers.error is None, workers.error


def _search(client: FlaskClient, query: str, **more: Any) -> list[str]:
    answer = client.post("/api/v1/search", json={"query": query, "limit": 5, **more})
    assert answer.status_code == 200, answer.get_json()
    return [result["id"] for result in answer.get_json()["results"]]


def _generation(client: FlaskClient, state: str = "live") -> dict[str, Any]:
    listed = client.get(f"{ADMIN}/generations").get_json()["generations"]
    return next(one for one in listed if one["state"] == state)


def test_numbers_agree_with_one_another(client: FlaskClient) -> None:
    """Titles, points, coverage by vector and the ledger tell of the same index."""
    stats = client.get(f"{ADMIN}/stats").get_json()
    assert stats["titles"] == {"all": TITLES, "adult": 1, "excluded": 0}
    assert stats["points"] == stats["coverage"]["title_vector"] == TITLES
    assert stats["jobs"]["completed"] >= 1
    assert stats["dead_letters"] == 0
    assert "embedding" in stats["search"]
    info = client.get(f"{ADMIN}/collection/info").get_json()
    assert (info["points"], info["titles"], info["collection"]) == (TITLES, TITLES, stats["generation"])
    assert info["vectors"]["title_vector"]["size"] == 32
    assert info["vectors"]["title_vector"]["hnsw_config"]["m"] > 0
    assert info["payload_indexes"]["year"]["type"] == "integer"
    assert info["recipes"]["text"]["dimension"] == 32
    assert info["alias"] == _generation(client)["collection"].rsplit("_", 2)[0]


def test_health_tells_of_workers_and_the_generation(client: FlaskClient) -> None:
    """Each queue without a worker is named, and the live generation is compared with its alias."""
    answer = client.get(f"{ADMIN}/health")
    body = answer.get_json()
    assert answer.status_code == 503  # nobody consumes the queue `query` here
    assert set(body["workers"]) == {"query", "embed", "network", "default"}
    assert body["workers"]["embed"]["reason"] == "embed-worker does not answer"
    assert body["generation"]["alias_is_right"] is True
    assert body["generation"]["points"] == body["generation"]["titles"] == TITLES


def test_a_reindex_and_its_rollback(client: FlaskClient, wait_for_job: Wait) -> None:
    """The job makes another collection live, and one request goes back to the one before."""
    before = _generation(client)
    answer = client.post(f"{ADMIN}/reindex", json={"reason": "new settings"})
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/v1/jobs/{answer.get_json()['id']}"
    assert wait_for_job(answer.get_json()["id"]).state == "completed"
    after = _generation(client)
    assert after["collection"] != before["collection"]
    assert (after["points"], after["stale"], after["job_id"]) == (TITLES, 0, answer.get_json()["id"])
    assert _search(client, "Title number 7")
    swap = client.post(f"{ADMIN}/rollback", json={}).get_json()
    assert (swap["collection"], swap["previous"]) == (before["collection"], after["collection"])
    assert (swap["stale"], swap["recipes_changed"]) == (0, False)
    assert _search(client, "Title number 7")
    assert wait_for_job(swap["job_id"]).state == "completed"
    forth = client.post(f"{ADMIN}/generations/{after['collection']}/swap", json={}).get_json()
    assert (forth["collection"], _generation(client)["collection"]) == (after["collection"], after["collection"])
    wait_for_job(forth["job_id"])


def test_what_the_state_forbids_is_a_conflict(client: FlaskClient) -> None:
    """Dropping the live generation, swapping to it, and an unknown one are refused, and nothing changes."""
    live = _generation(client)["collection"]
    for method, path, status, word in (
        ("delete", f"/generations/{live}", 409, "is live"),
        ("post", f"/generations/{live}/swap", 409, "is live"),
        ("delete", "/generations/nobody", 404, "nobody"),
        ("post", "/generations/nobody/swap", 404, "nobody"),
        ("delete", "/snapshots/nobody", 404, "nobody"),
        ("post", "/snapshots/nobody/restore", 404, "nobody"),
        ("delete", "/vectors/nobody", 404, "nobody"),
        ("post", "/vectors/nobody/restore", 404, "nobody"),
    ):
        answer = getattr(client, method)(f"{ADMIN}{path}", json={})
        assert (answer.status_code, answer.content_type) == (status, "application/problem+json"), path
        assert word in answer.get_json()["detail"]
    assert _generation(client)["collection"] == live


def test_bodies_are_strict(client: FlaskClient) -> None:
    """An unknown member, a wrong type and a missing body are refused with the field's name."""
    for path, body, field in (
        ("/reindex", {"colour": "red"}, "colour"),
        ("/reindex", {"swap": "yes"}, "swap"),
        ("/reindex", {"reason": "a\x00b"}, "reason"),
        ("/rollback", {"to": "x"}, "to"),
        ("/snapshots", {"wait": 3_600}, "wait"),
        ("/vectors/upsert", {}, "body"),
        ("/vectors/upsert", {"documents": [], "points": []}, "documents"),
        ("/vectors/upsert", {"points": [{"id": "x", "vectors": {"title_vector": [1.0]}}]}, "body"),
    ):
        answer = client.post(f"{ADMIN}{path}", json=body)
        assert answer.status_code == 422, path
        assert answer.get_json()["field"] == field
    assert client.post(f"{ADMIN}/rollback").status_code == 415


def test_names_in_the_path_may_be_anything(client: FlaskClient) -> None:
    """A control character, a long name, and one of another script are refused or unknown, never a fault of ours."""
    for name in ("a%00b", "x" * 300, "%E9%80%B2%E6%92%83", "..%2F..", "%20"):
        for method, path in (
            ("delete", f"/vectors/{name}"),
            ("post", f"/vectors/{name}/restore"),
            ("delete", f"/snapshots/{name}"),
            ("post", f"/snapshots/{name}/restore"),
            ("delete", f"/generations/{name}"),
            ("post", f"/generations/{name}/swap"),
        ):
            answer = getattr(client, method)(f"{ADMIN}{path}", json={})
            assert answer.status_code in (404, 405, 422), (path, answer.get_json())


def test_a_snapshot_comes_back_as_a_generation(client: FlaskClient, wait_for_job: Wait) -> None:
    """Taken, listed, restored, swapped to, and deleted."""
    taken = client.post(f"{ADMIN}/snapshots", json={"reason": "nightly", "wait": 20})
    assert taken.status_code == 200, taken.get_json()
    (shown,) = client.get(f"{ADMIN}/snapshots").get_json()["snapshots"]
    assert (shown["has_manifest"], shown["reason"], shown["titles"]) == (True, "nightly", TITLES)
    restored = client.post(f"{ADMIN}/snapshots/{shown['name']}/restore", json={})
    job = wait_for_job(restored.get_json()["id"])
    swap = client.post(f"{ADMIN}/generations/{job.collection}/swap", json={}).get_json()
    assert (swap["collection"], swap["stale"]) == (job.collection, 0)
    assert _search(client, "Title number 7")
    wait_for_job(swap["job_id"])
    assert client.delete(f"{ADMIN}/snapshots/{shown['name']}").status_code == 204
    assert client.get(f"{ADMIN}/snapshots").get_json()["snapshots"] == []


def test_a_file_that_nobody_can_account_for_is_shown_and_can_go(client: FlaskClient, pipeline: Any) -> None:
    """A snapshot that was taken past us has no manifest; it is listed all the same, and deleted by its name."""
    made = pipeline.store.call(lambda qdrant: qdrant.create_snapshot(_generation(client)["collection"]))
    (shown,) = client.get(f"{ADMIN}/snapshots").get_json()["snapshots"]
    assert (shown["name"], shown["has_manifest"]) == (made.name, False)
    assert client.delete(f"{ADMIN}/snapshots/{made.name}").status_code == 204
    assert client.get(f"{ADMIN}/snapshots").get_json()["snapshots"] == []


def test_an_excluded_title_is_gone_everywhere_and_comes_back(
    client: FlaskClient, pipeline: Any, wait_for_job: Wait
) -> None:
    """The point leaves every collection at once; restoring writes it again; both may be asked for twice."""
    slug = "title-number-33"
    assert slug in _search(client, "Title number 33", fields=["id"], limit=120)
    gone = client.delete(f"{ADMIN}/vectors/mal:34").get_json()
    assert (gone["id"], gone["excluded"]) == (slug, True)
    live = _generation(client)["collection"]
    assert live in gone["removed_from"]
    for collection in gone["removed_from"]:
        assert pipeline.store.retrieve(collection, [point_id(slug)]) == []
    assert slug not in _search(client, "Title number 33", limit=120)
    wait_for_job(gone["job_id"])
    again = client.delete(f"{ADMIN}/vectors/{slug}").get_json()
    assert (again["excluded"], again["job_id"]) == (True, None)
    assert client.get(f"{ADMIN}/stats").get_json()["titles"]["excluded"] == 1
    back = client.post(f"{ADMIN}/vectors/{slug}/restore", json={}).get_json()
    assert wait_for_job(back["job_id"]).state == "completed"
    assert slug in _search(client, "Title number 33", limit=120)
    assert client.post(f"{ADMIN}/vectors/{slug}/restore", json={}).get_json()["job_id"] is None


def test_documents_go_through_the_pipeline(client: FlaskClient, pipeline: Any) -> None:
    """With `wait` the answer comes when the document can be found."""
    document = {"title": "A quite new title", "synopsis": "Nobody has seen it yet."}
    answer = client.post(f"{ADMIN}/vectors/upsert", json={"documents": [document], "wait": 20})
    assert (answer.status_code, answer.get_json()["state"]) == (200, "completed")
    assert "a-quite-new-title" in _search(client, "A quite new title", limit=120)
    gone = client.delete(f"{ADMIN}/vectors/a-quite-new-title").get_json()
    pipeline.execute("DELETE FROM titles WHERE slug = 'a-quite-new-title'")
    assert gone["excluded"]


def test_ready_vectors_are_found_by(client: FlaskClient, pipeline: Any) -> None:
    """A vector of the live recipe, of any length, takes the place of the computed one."""
    recipe = client.get(f"{ADMIN}/collection/info").get_json()["recipes"]["text"]["fingerprint"]
    wanted = np.random.default_rng(1).standard_normal(32) * 7
    points = [{"id": "mal:41", "vectors": {"title_vector": wanted.tolist()}}]
    answer = client.post(f"{ADMIN}/vectors/upsert", json={"recipe": recipe, "points": points, "wait": 20})
    assert (answer.status_code, answer.get_json()["message"]) == (200, "vectors of 1 titles written")
    assert answer.get_json()["params"]["points"] == 1
    (record,) = pipeline.store.retrieve(pipeline.alias, [point_id("title-number-40")], with_vectors=["title_vector"])
    assert np.allclose(record.vector["title_vector"], wanted / np.linalg.norm(wanted), atol=1e-5)


def test_vectors_that_cannot_be_used_change_nothing(client: FlaskClient) -> None:
    """Another recipe is a conflict; wrong names, sizes, numbers and ids are refused by their place."""
    recipe = client.get(f"{ADMIN}/collection/info").get_json()["recipes"]["text"]["fingerprint"]
    good = [0.5] * 32
    answer = client.post(
        f"{ADMIN}/vectors/upsert",
        json={"recipe": "0" * 12, "points": [{"id": "mal:1", "vectors": {"title_vector": good}}]},
    )
    assert (answer.status_code, answer.get_json()["type"]) == (409, "urn:avs:problem:recipe-mismatch")
    before = client.get("/api/v1/jobs").get_json()["jobs"]
    for identifier, vectors, field in (
        ("no\x00body", {"title_vector": good}, "points.1.id"),
        ("nobody", {"title_vector": good}, "points.1.id"),
        ("title-number-0", {"title_vector": good}, "points.1.id"),
        ("mal:2", {"title_vector": good[:-1]}, "points.1.vectors.title_vector"),
        ("mal:2", {"lexical_sparse": good}, "points.1.vectors.lexical_sparse"),
        ("mal:2", {"title_vector": [1e300, *good[1:]]}, "points.1.vectors.title_vector"),
        ("mal:2", {"title_vector": [0.0] * 32}, "points.1.vectors.title_vector"),
    ):
        points = [{"id": "mal:1", "vectors": {"title_vector": good}}, {"id": identifier, "vectors": vectors}]
        answer = client.post(f"{ADMIN}/vectors/upsert", json={"recipe": recipe, "points": points})
        assert (answer.status_code, answer.get_json()["field"]) == (422, field)
    assert client.get("/api/v1/jobs").get_json()["jobs"] == before


def test_two_reindexes_at_once_are_a_conflict(client: FlaskClient, pipeline: Any, wait_for_job: Wait) -> None:
    """While a generation is being built, another is refused with 409."""
    live = pipeline.generation_repository.get_live(pipeline.alias)
    building = pipeline.generation_repository.create(f"{live.collection}_x", alias=pipeline.alias, recipes=live.recipes)
    answer = client.post(f"{ADMIN}/reindex", json={})
    assert (answer.status_code, building.collection in answer.get_json()["detail"]) == (409, True)
    pipeline.switch.give_up(building.collection, reason="test")


def test_both_jobs_of_a_restored_title_are_begun_at_once(
    client: FlaskClient, api: ApiServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hint for the job of its pictures and one for its own, which is the one that the answer names."""
    jobs, sent = [uuid.uuid4(), uuid.uuid4()], []
    monkeypatch.setattr(api.admin.exclusions, "restore", lambda slug: jobs)
    monkeypatch.setattr(api.hints, "send", lambda task, **values: sent.append((task, values["job_id"])))
    answer = client.post(f"{ADMIN}/vectors/title-number-33/restore", json={}).get_json()
    assert sent == [(TASK_RUN_JOB, str(job_id)) for job_id in jobs]
    assert answer["job_id"] == str(jobs[-1])
