"""POST index over the whole write side: searchable on return."""

from __future__ import annotations

import base64
import hashlib
import io
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image

from api.administration import Administration
from api.services import ApiServices
from core.errors import DependencyUnavailableError
from core.identity import picture_id
from tests.picture_host.pictures import draw, save

pytestmark = pytest.mark.usefixtures("workers")

INDEX = "/api/v1/index"
DOCUMENT = {
    "title": "The Clockmaker of Umbra",
    "synopsis": "A clockmaker winds the last clock of a drowned city.",
    "genres": ["drama"],
    "year": 2012,
}


def find(client: FlaskClient, title: str) -> list[str]:
    """The titles that a search for this one finds first."""
    answer = client.post("/api/v1/search", json={"query": title, "limit": 3})
    assert answer.status_code == 200, answer.text
    return [result["id"] for result in answer.get_json()["results"]]


def test_a_document_is_searchable_on_return(client: FlaskClient) -> None:
    """200 with the slug that searches know it by, and the next search finds it."""
    answer = client.post(INDEX, json={"document": DOCUMENT, "wait": 30})
    assert answer.status_code == 200, answer.text
    shown = answer.get_json()
    assert (shown["id"], shown["sha256"], shown["searchable"]) == ("the-clockmaker-of-umbra", None, True)
    assert (shown["job"]["kind"], shown["job"]["state"]) == ("import", "completed")
    assert find(client, DOCUMENT["synopsis"])[0] == shown["id"]


def test_the_same_document_again_changes_nothing(client: FlaskClient) -> None:
    """The same slug, and one title of it."""
    slugs = {
        client.post(INDEX, json={"document": {"title": "Twice Told", "year": 1999}, "wait": 30}).get_json()["id"]
        for _ in range(2)
    }
    assert slugs == {"twice-told"}
    answer = client.post("/api/v1/search", json={"filters": {"year": 1999}, "limit": 1_000}).get_json()
    assert [result["id"] for result in answer["results"]].count("twice-told") == 1


def test_a_document_is_found_again_by_its_ids(client: FlaskClient) -> None:
    """Another name with the same id is the same title, whose slug stays."""
    first = {"title": "Paper Moons", "external_ids": {"mal": 777_001}}
    client.post(INDEX, json={"document": first, "wait": 30})
    again = {"title": "Paper Moons: Redux", "external_ids": {"mal": 777_001}, "year": 2003}
    answer = client.post(INDEX, json={"document": again, "wait": 30})
    assert answer.get_json()["id"] == "paper-moons", answer.text


def test_without_waiting_the_job_goes_on(client: FlaskClient, wait_for_job: Any) -> None:
    """202 with the job, whose end makes it searchable."""
    answer = client.post(INDEX, json={"document": {**DOCUMENT, "title": "Late Bloom"}, "wait": 0})
    assert (answer.status_code, answer.get_json()["searchable"]) == (202, False)
    assert answer.headers["Location"].endswith(answer.get_json()["job"]["id"])
    assert wait_for_job(answer.get_json()["job"]["id"]).state == "completed"
    assert client.get("/api/v1/search/by-id/late-bloom").status_code == 200


def test_an_excluded_title_is_not_brought_back(client: FlaskClient) -> None:
    """409 that says what to do, and the title stays out."""
    slug = client.post(INDEX, json={"document": {"title": "Unwanted", "year": 2001}, "wait": 30}).get_json()["id"]
    assert client.delete(f"/api/v1/admin/vectors/{slug}").status_code == 200
    answer = client.post(INDEX, json={"document": {"title": "Unwanted", "year": 2001}, "wait": 30})
    assert (answer.status_code, "restore" in answer.get_json()["detail"]) == (409, True)
    assert client.get(f"/api/v1/search/by-id/{slug}").status_code == 404


def encode(data: bytes) -> str:
    """Base64."""
    return base64.b64encode(data).decode()


def find_pictures(client: FlaskClient, data: bytes, **more: Any) -> list[dict[str, Any]]:
    """The pictures that look like this one, the most alike first."""
    body = {"image_data": encode(data), "target": "pictures", "limit": 5, **more}
    answer = client.post("/api/v1/search/image", json=body)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.get_json()["results"]
    return results


def test_a_picture_is_searchable_on_return(client: FlaskClient) -> None:
    """The next search by it finds it first, with tags, metadata, size and the hash that GET media knows."""
    data = save(draw(101), "PNG")
    body = {"image_id": "lamp", "image_data": encode(data), "tags": ["lamp"], "metadata": {"page": 3}, "wait": 30}
    answer = client.post(INDEX, json=body)
    assert answer.status_code == 200, answer.text
    shown = answer.get_json()
    assert (shown["sha256"], shown["searchable"]) == (hashlib.sha256(data).hexdigest(), True)
    first = find_pictures(client, data)[0]
    assert first["id"] == shown["id"]
    assert first["similarity"] == pytest.approx(1.0, abs=1e-3)
    payload = first["payload"]
    assert (payload["kind"], payload["sha256"], payload["width"]) == ("free", shown["sha256"], 120)
    assert (payload["tags"], payload["metadata"]) == (["lamp"], {"page": 3})
    assert client.get(f"/api/v1/media/{payload['sha256']}").data == data


def test_a_replaced_picture_is_found_by_its_new_looks(client: FlaskClient) -> None:
    """The same id with another content, here a file of a form: the new one is found, the old one is not."""
    old, new = save(draw(102), "PNG"), save(draw(103), "JPEG")
    first = client.post(INDEX, json={"image_id": "door", "image_data": encode(old), "wait": 30}).get_json()
    form = {"image_id": "door", "image": (io.BytesIO(new), "door.jpg"), "wait": "30", "tags": ["a", "b"]}
    second = client.post(INDEX, data=form)
    assert second.status_code == 200, second.text
    assert second.get_json()["id"] == first["id"]
    found = find_pictures(client, new)[0]
    assert (found["id"], found["payload"]["tags"]) == (first["id"], ["a", "b"])
    assert first["sha256"] not in {one["payload"]["sha256"] for one in find_pictures(client, old)}


def test_the_same_picture_again_is_the_same_point(client: FlaskClient) -> None:
    """Sent twice it is found once."""
    data = save(draw(104), "WEBP")
    ids = [
        client.post(INDEX, json={"image_id": "well", "image_data": encode(data), "wait": 30}).get_json()["id"]
        for _ in range(2)
    ]
    assert ids[0] == ids[1]
    assert [one["id"] for one in find_pictures(client, data, limit=100)].count(ids[0]) == 1


def test_a_picture_of_a_title_makes_the_title_findable(client: FlaskClient) -> None:
    """Once the job that follows has ended, a changed copy of the picture finds the title."""
    slug = client.post(INDEX, json={"document": {"title": "The Blue Heron", "year": 2007}, "wait": 30}).get_json()["id"]
    picture = draw(105, width=300, height=400)
    body = {"image_id": "heron", "image_data": encode(save(picture, "PNG")), "title": slug, "wait": 30}
    answer = client.post(INDEX, json=body)
    assert answer.status_code == 200, answer.text
    found = find_pictures(client, save(picture, "PNG"))[0]
    assert (found["id"], found["payload"]["slug"]) == (answer.get_json()["id"], slug)
    copy = save(picture.resize((150, 200), Image.Resampling.LANCZOS), "JPEG", quality=60)
    for job in client.get("/api/v1/jobs", query_string={"state": "running"}).get_json()["jobs"]:
        wait_until_closed(client, job["id"])
    results = client.post("/api/v1/search/image", json={"image_data": encode(copy), "limit": 3}).get_json()["results"]
    assert results[0]["id"] == slug


def wait_until_closed(client: FlaskClient, job_id: str) -> None:
    """Return when the job has ended."""
    for _ in range(600):
        if client.get(f"/api/v1/jobs/{job_id}").get_json()["finished_at"]:
            return
        time.sleep(0.1)
    pytest.fail("the job does not end")


def test_adult_pictures_are_found_by_those_who_ask(client: FlaskClient) -> None:
    """One that is said to be adult is neither found nor shown without include_adult."""
    data = save(draw(106), "PNG")
    body = {"image_id": "velvet", "image_data": encode(data), "adult": True, "wait": 30}
    shown = client.post(INDEX, json=body).get_json()
    assert shown["id"] not in {one["id"] for one in find_pictures(client, data, limit=100)}
    assert find_pictures(client, data, include_adult=True)[0]["id"] == shown["id"]
    assert client.get(f"/api/v1/media/{shown['sha256']}").status_code == 404


def test_a_picture_is_taken_out_and_given_again(client: FlaskClient, wait_for_job: Any) -> None:
    """The next search does not find it and GET media does not show it; twice is once; the same id comes back."""
    data = save(draw(108), "PNG")
    body = {"image_id": "shelf/lamp 2", "image_data": encode(data), "wait": 30}
    shown = client.post(INDEX, json=body).get_json()
    assert find_pictures(client, data)[0]["id"] == shown["id"]
    answer = client.delete(f"{INDEX}/shelf%2Flamp%202")
    assert answer.status_code == 200, answer.text
    removed = answer.get_json()
    assert (removed["id"], removed["removed"], len(removed["removed_from"])) == (shown["id"], True, 1)
    assert shown["id"] not in {one["id"] for one in find_pictures(client, data, limit=100, include_adult=True)}
    assert client.get(f"/api/v1/media/{shown['sha256']}").status_code == 404
    alike = client.get(f"/api/v1/similarity/visual/{shown['id']}?target=pictures")
    assert alike.status_code == 404
    assert wait_for_job(removed["job_id"]).state == "completed"
    again = client.delete(f"{INDEX}/{shown['id']}").get_json()
    assert (again["id"], again["removed"], again["job_id"]) == (shown["id"], False, None)
    assert client.post(INDEX, json=body).get_json()["id"] == shown["id"]
    assert find_pictures(client, data)[0]["id"] == shown["id"]


def test_an_adult_picture_is_taken_out_by_its_id(client: FlaskClient) -> None:
    """An editor who knows the id need not say include_adult, and the answer tells no more than the id."""
    data = save(draw(109), "PNG")
    client.post(INDEX, json={"image_id": "silk", "image_data": encode(data), "adult": True, "wait": 30})
    removed = client.delete(f"{INDEX}/silk").get_json()
    assert set(removed) == {"id", "removed", "removed_from", "job_id"}
    assert removed["id"] not in {one["id"] for one in find_pictures(client, data, limit=100, include_adult=True)}


def test_what_is_no_picture_of_its_own_is_not_taken_out(client: FlaskClient) -> None:
    """404 for an unknown id and for a title, 409 for the cover of a document, which stays."""
    for unknown in ("nobody", "00000000-0000-0000-0000-000000000001", "https:%2F%2Fpictures.test%2Fa.jpg"):
        assert client.delete(f"{INDEX}/{unknown}").status_code == 404
    document = {"title": "The Bound Cover", "images": {"picture": "https://pictures.test/bound.jpg"}}
    slug = client.post(INDEX, json={"document": document, "wait": 30}).get_json()["id"]
    cover = picture_id(kind="cover", slug=slug, name="https://pictures.test/bound.jpg")
    answer = client.delete(f"{INDEX}/{cover}")
    assert (answer.status_code, answer.get_json()["type"]) == (409, "urn:avs:problem:picture-named")
    assert client.delete(f"{INDEX}/{slug}").status_code == 404


def test_a_removal_outlives_qdrant(
    client: FlaskClient, api: ApiServices, wait_for_job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Qdrant does not answer the removal is stored all the same, and its job takes the point out."""

    def fail() -> set[str]:
        raise DependencyUnavailableError("qdrant", "away")

    data = save(draw(110), "PNG")
    client.post(INDEX, json={"image_id": "tin", "image_data": encode(data), "wait": 30})
    with monkeypatch.context() as patch:
        patch.setattr(api.admin.collections, "list_names", fail)
        removed = client.delete(f"{INDEX}/tin").get_json()
    assert (removed["removed"], removed["removed_from"]) == (True, [])
    assert wait_for_job(removed["job_id"]).state == "completed"
    assert api.admin.pictures.count()["stale"] == 0
    assert removed["id"] not in {one["id"] for one in find_pictures(client, data, limit=100)}


def test_what_cannot_be_embedded_is_said(client: FlaskClient, pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that gives the picture up ends as a 409 that names the job and the reason."""

    def fail(*_: Any, **__: Any) -> Any:
        raise ValueError("no such picture")

    monkeypatch.setattr(pipeline.picture_encoder, "preprocess", fail)
    answer = client.post(INDEX, json={"image_id": "bad", "image_data": encode(save(draw(107), "PNG")), "wait": 30})
    assert answer.status_code == 409, answer.text
    assert answer.get_json()["type"] == "urn:avs:problem:index-failed"
    assert "no such picture" in answer.get_json()["detail"]


def overtake(monkeypatch: pytest.MonkeyPatch, later: Callable[[], Any]) -> None:
    """While the next request waits for its job, another one comes and is answered."""
    wait_for_end, is_first = Administration.wait_for_end, iter([True])

    def wait(self: Administration, job_id: uuid.UUID, *, wait_s: float) -> Any:
        if next(is_first, False):
            later()
        return wait_for_end(self, job_id, wait_s=wait_s)

    monkeypatch.setattr(Administration, "wait_for_end", wait)


def test_who_was_overtaken_is_told_so(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The later request's picture is the one that counts; the earlier sender reads that his was replaced."""
    old, new = save(draw(111), "PNG"), save(draw(112), "PNG")
    later: list[Any] = []
    body = {"image_id": "race", "wait": 30}
    overtake(monkeypatch, lambda: later.append(client.post(INDEX, json={**body, "image_data": encode(new)})))
    answer = client.post(INDEX, json={**body, "image_data": encode(old)})
    assert (later[0].status_code, later[0].get_json()["searchable"]) == (200, True)
    assert (answer.status_code, answer.get_json()["type"]) == (409, "urn:avs:problem:picture-replaced")
    assert "replaced" in answer.get_json()["detail"]
    assert find_pictures(client, new)[0]["id"] == later[0].get_json()["id"]


def test_the_same_picture_sent_twice_at_once_is_no_conflict(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both senders are told that it is searchable: it is, whoever was first."""
    body = {"image_id": "twins", "image_data": encode(save(draw(113), "PNG")), "wait": 30}
    later: list[Any] = []
    overtake(monkeypatch, lambda: later.append(client.post(INDEX, json=body)))
    answers = [client.post(INDEX, json=body), *later]
    assert [(one.status_code, one.get_json()["searchable"]) for one in answers] == [(200, True), (200, True)]


def test_who_finds_his_picture_taken_out_is_told_so(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A removal that comes before the answer is a conflict of its own, and nothing to run other jobs for."""
    overtake(monkeypatch, lambda: client.delete(f"{INDEX}/fleeting"))
    body = {"image_id": "fleeting", "image_data": encode(save(draw(114), "PNG")), "wait": 30}
    answer = client.post(INDEX, json=body)
    assert (answer.status_code, answer.get_json()["type"]) == (409, "urn:avs:problem:picture-replaced")
    assert "taken out" in answer.get_json()["detail"]
