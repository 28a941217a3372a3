"""Searches are answered without one failure while the index is made anew, swapped and rolled back under writes."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from api.app import create_app
from api.services import ApiServices

_SEARCHERS = 4
_WORDS = ("hero", "town", "story", "title", "studio", "drama", "comedy", "action")


class Searchers:
    """Threads that search all the time; each answer that is no full page is kept as a fault."""

    def __init__(self, api: ApiServices) -> None:
        self._app = create_app(api)
        self._stop = threading.Event()
        self._numbers = itertools.count()
        self._threads = [threading.Thread(target=self._search, daemon=True) for _ in range(_SEARCHERS)]
        self.faults: list[Any] = []
        self.generations: set[str] = set()
        self.answered = 0

    def __enter__(self) -> Searchers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def wait_for(self, more: int) -> None:
        """Until so many more searches have been answered."""
        aim = self.answered + more
        deadline = time.monotonic() + 60
        while self.answered < aim and not self.faults:
            assert time.monotonic() < deadline, "searches have come to a halt"
            time.sleep(0.02)

    def _search(self) -> None:
        client = self._app.test_client()
        while not self._stop.is_set():
            number = next(self._numbers)
            # Every text is new: no answer comes from a cache.
            text = f"{_WORDS[number % len(_WORDS)]} of story {number}"
            body = {"query": text, "limit": 10, "filters": {"year": {"gte": 2000}} if number % 3 == 0 else {}}
            answer = client.post("/api/v1/search", json=body)
            results = answer.get_json().get("results", [])
            if answer.status_code != 200 or len(results) != 10 or not all(one["payload"] for one in results):
                self.faults.append((answer.status_code, answer.get_json()))
            self.answered += 1


def _wait_for_news(api: ApiServices, pipeline: Any) -> str:
    """Until searches are answered from the generation that Postgres calls live; returns its name."""
    live = str(pipeline.generation_repository.get_live(pipeline.alias).collection)
    deadline = time.monotonic() + 20
    while api.live.get().collection != live:
        assert time.monotonic() < deadline, "the web process did not notice the swap"
        time.sleep(0.05)
    return live


@pytest.mark.timeout(240)
def test_no_search_fails_during_a_reindex_and_a_rollback(
    api: ApiServices, pipeline: Any, workers: Any, wait_for_job: Callable[..., Any], make_documents: Any
) -> None:
    """Before, during and after two reindexes under writes, a rollback and a swap, every search has its full page."""
    client = create_app(api).test_client()
    admin = "/api/v1/admin"
    with Searchers(api) as searchers:
        searchers.wait_for(20)
        seen = [api.live.get().collection]
        for round_number in range(2):
            job_id = client.post(f"{admin}/reindex", json={}).get_json()["id"]
            documents = make_documents(130 + round_number)
            documents[5]["synopsis"] = f"A story told in round {round_number}."
            written = client.post(f"{admin}/vectors/upsert", json={"documents": documents}).get_json()["id"]
            job = wait_for_job(job_id)
            assert job.state == "completed", job.message
            assert wait_for_job(written).state == "completed"
            seen.append(_wait_for_news(api, pipeline))
            searchers.wait_for(50)
        swap = client.post(f"{admin}/rollback", json={}).get_json()
        assert swap["collection"] == seen[1]
        searchers.wait_for(50)
        wait_for_job(swap["job_id"])
        searchers.wait_for(50)
        assert _wait_for_news(api, pipeline) == seen[1]
    assert len(set(seen)) == 3
    assert searchers.faults == []
    assert searchers.answered > 200
    stored = pipeline.titles.load(["title-number-5"])["title-number-5"].document
    found = client.post("/api/v1/search", json={"query": "Title number 5", "limit": 150}).get_json()["results"]
    assert next(one for one in found if one["id"] == "title-number-5")["payload"]["synopsis"] == stored["synopsis"]


def test_a_search_that_began_before_a_swap_ends_after_it(api: ApiServices, pipeline: Any, wait_for_job: Any) -> None:
    """A generation that was live stays for longer than any search that knew of it may take."""
    client = create_app(api).test_client()
    known = api.live.get()
    job = wait_for_job(client.post("/api/v1/admin/reindex", json={}).get_json()["id"])
    assert job.collection != known.collection
    refused = client.delete(f"/api/v1/admin/generations/{known.collection}")
    assert (refused.status_code, "may still be under way" in refused.get_json()["detail"]) == (409, True)
    assert pipeline.store.count(known.collection) > 0
