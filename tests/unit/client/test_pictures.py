"""Pictures that the client sends and gets."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from client import Client, InvalidRequestError
from client.pictures import build_picture

DATA = b"\xff\xd8\xff some picture"
JOB = {"id": "j", "kind": "pictures", "state": "completed", "params": {}, "message": None, "created_at": "2026-01-01"}
INDEXED = {"id": "p", "sha256": "0" * 64, "searchable": True, "job": {**JOB, "started_at": None, "finished_at": None}}


def test_a_picture_may_be_bytes_a_file_or_an_address(tmp_path: Path) -> None:
    """Bytes and files go as base64, addresses and data URLs as they are."""
    path = tmp_path / "a.jpg"
    path.write_bytes(DATA)
    encoded = base64.b64encode(DATA).decode()
    assert build_picture(DATA) == build_picture(path) == {"image_data": encoded}
    for url in ("https://example.org/a.jpg", "HTTP://example.org/a.jpg"):
        assert build_picture(url) == {"image_url": url}
    assert build_picture("data:image/png;base64,AAAA") == {"image_data": "data:image/png;base64,AAAA"}


@pytest.mark.parametrize("text", ["", "a.jpg", "/tmp/a.jpg", "ftp://example.org/a.jpg", "file:///etc/passwd"])
def test_a_text_that_is_no_address_is_not_sent(text: str) -> None:
    """The name of a file is easily taken for its content."""
    with pytest.raises(ValueError, match=r"pathlib\.Path"):
        build_picture(text)


def test_a_file_that_is_not_there_is_the_callers_error(client: Client, service: Any, tmp_path: Path) -> None:
    """Nothing is sent."""
    with pytest.raises(FileNotFoundError):
        client.index_picture("x", tmp_path / "nothing.jpg")
    assert service.requests == []


def test_an_indexed_picture_says_where_it_is(client: Client, service: Any) -> None:
    """All that was given is sent, the service waits as long as it is told, and the answer is typed."""
    service.replies = [httpx.Response(200, json=INDEXED)]
    indexed = client.index_picture("x", DATA, tags=["a"], metadata={"n": 1}, title="mal:1", adult=True, wait_s=3)
    assert json.loads(service.requests[0].content) == {
        "image_id": "x",
        "image_data": base64.b64encode(DATA).decode(),
        "tags": ["a"],
        "metadata": {"n": 1},
        "title": "mal:1",
        "adult": True,
        "wait": 3,
    }
    assert (indexed.id, indexed.searchable, indexed.job.state) == ("p", True, "completed")


def test_a_job_that_goes_on_is_no_error(client: Client, service: Any) -> None:
    """202 is an answer like 200, of which `searchable` says the difference."""
    service.replies = [httpx.Response(202, json={**INDEXED, "id": None, "searchable": False})]
    indexed = client.index_document({"title": "x"}, wait_s=0)
    assert (indexed.id, indexed.searchable) == (None, False)
    assert json.loads(service.requests[0].content) == {"document": {"title": "x"}, "wait": 0}


ANSWER = {"results": [{"id": "a", "score": 0.9}], "total_found": 1, "total_is_exact": True, "query_info": {}}


def test_a_search_by_picture_says_what_was_given(client: Client, service: Any) -> None:
    """The picture, or the words for one, and the options; nothing that was not given."""
    service.replies = [httpx.Response(200, json=ANSWER)]
    assert client.search_image(DATA, limit=3).results[0].id == "a"
    client.search_image(query="a red coat", target="pictures", filters={"kind": "cover"})
    client.search_multimodal("in space", "https://example.org/a.jpg", image_weight=0.7)
    client.search_multimodal(picture=DATA)
    encoded = base64.b64encode(DATA).decode()
    assert [json.loads(request.content) for request in service.requests] == [
        {"image_data": encoded, "target": "titles", "limit": 3},
        {"query": "a red coat", "target": "pictures", "filters": {"kind": "cover"}},
        {"image_url": "https://example.org/a.jpg", "query": "in space", "image_weight": 0.7},
        {"image_data": encoded},
    ]


def test_what_looks_alike_is_asked_by_id(client: Client, service: Any) -> None:
    """A title or a picture, with the options in the address line."""
    service.replies = [httpx.Response(200, json=ANSWER)]
    client.similar_visual("mal:1", target="pictures", limit=4, fields=["title", "year"])
    assert service.requests[0].url.raw_path.decode() == (
        "/api/v1/similarity/visual/mal:1?limit=4&fields=title%2Cyear&target=pictures"
    )


def test_media_are_bytes(client: Client, service: Any) -> None:
    """The address line has what was asked for and nothing else, and the body comes as it is."""
    service.replies = [httpx.Response(200, content=DATA, headers={"Content-Type": "image/jpeg"})]
    sha256 = "0" * 64
    assert client.get_media(sha256) == DATA
    assert client.get_media(sha256, width=320, include_adult=True) == DATA
    assert [request.url.raw_path.decode() for request in service.requests] == [
        f"/api/v1/media/{sha256}",
        f"/api/v1/media/{sha256}?width=320&include_adult=true",
    ]
    assert service.requests[0].headers["Accept"] == "image/*, application/problem+json"


def test_a_problem_of_a_picture_names_its_field(client: Client, service: Any) -> None:
    """413, 415 and 422 are all the request's fault, and the problem says which field."""
    for status in (413, 415, 422):
        problem = {"type": "urn:avs:problem:picture-truncated", "title": "x", "status": status, "field": "image_data"}
        service.replies = [httpx.Response(status, json=problem, headers={"Content-Type": "application/problem+json"})]
        with pytest.raises(InvalidRequestError) as caught:
            client.index_picture("x", DATA)
        assert caught.value.problem is not None
        assert caught.value.problem.field == "image_data"
