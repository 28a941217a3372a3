"""POST index over the whole write side: searchable on return."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

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
