"""Answers at scale on real servers: shared by processes, never out of date for long, conditional, streamed."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
import zstandard
from flask.testing import FlaskClient

from api.app import create_app
from api.services import ApiServices, build_services
from embedded.services import EmbeddedServices
from search.service import TOKEN_MAX_BYTES

pytestmark = pytest.mark.usefixtures("worker")
SEARCH = "/api/v1/search"
_numbers = itertools.count()


def post(client: FlaskClient, query: str, **more: Any) -> Any:
    """A search too long in bytes for the short way before Flask, which would answer without asking Redis."""
    body = json.dumps({"query": query, "limit": 5, **more}) + " " * TOKEN_MAX_BYTES
    return client.post(SEARCH, data=body, content_type="application/json")


class Process:
    """A web process, as far as its services and its application are one."""

    def __init__(self, settings: Any) -> None:
        self.services: ApiServices = build_services(settings)
        self.app = create_app(self.services)
        self.client: FlaskClient = self.app.test_client()

    def ask(self, query: str, **more: Any) -> dict[str, Any]:
        """Search by the ordinary way."""
        response = post(self.client, query, **more)
        assert response.status_code == 200, response.text
        assert self.services.search.flush(timeout_s=10)
        return response.get_json()

    def get_source(self, query: str) -> str:
        """Search, and say where the answer came from."""
        source: str = self.ask(query)["query_info"]["cache"]
        return source

    def read_again(self) -> None:
        """See what has changed in Postgres."""
        self.services.live.forget()

    def close(self) -> None:
        self.services.close()


@pytest.fixture
def start(index: Any, cache_url: str) -> Iterator[Callable[..., Process]]:
    """Start web processes over the same servers."""
    started: list[Process] = []

    def _start(**settings: Any) -> Process:
        started.append(Process(index.settings.model_copy(update=settings)))
        return started[-1]

    yield _start
    for process in started:
        process.close()


@pytest.fixture
def execute(index: Any) -> Callable[[str], list[Any]]:
    """Run a statement behind the processes' backs and answer its rows."""
    url = index.settings.database_url.get_secret_value().replace("+psycopg", "")

    def run(statement: str) -> list[Any]:
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    return run


def wait_for(condition: Callable[[], bool], *, limit_s: float = 30.0) -> None:
    """Wait for a state that comes by itself."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def new_query() -> str:
    """A text that nobody has searched for."""
    return f"robot boy number {next(_numbers)}"


def finish_job(execute: Callable[[str], list[Any]]) -> None:
    """What a job leaves behind that has written to the index and is long over."""
    execute(
        "INSERT INTO jobs (id, kind, state, finished_at) VALUES "
        "(gen_random_uuid(), 'index', 'completed', now() - interval '1 day' * (1 + random()))"
    )


def test_processes_share_what_one_has_answered(start: Callable[..., Process]) -> None:
    """The second process repeats the first one's answer, and both count towards the service's hit rate."""
    first, second, query = start(), start(), new_query()
    made, repeated = first.ask(query), second.ask(query)
    assert (made["query_info"]["cache"], repeated["query_info"]["cache"]) == ("none", "result")
    assert repeated["results"] == made["results"]
    for process in (second, first):
        process.services.chores[0].start()
        process.services.chores[0].close()
    cache = first.client.get("/stats").get_json()["search"]["cache"]
    assert cache["redis"] == {"ok": True, "failures": 0}
    assert (cache["misses"], cache["hits"], cache["hit_rate"]) == (1, 0, 0.0)
    assert (cache["service"]["misses"], cache["service"]["hits"], cache["service"]["hit_rate"]) == (1, 1, 0.5)


def test_after_a_write_one_search_is_stale_and_the_next_is_new(
    start: Callable[..., Process], execute: Callable[[str], list[Any]]
) -> None:
    """A job's end makes other answers: the last one is shown at once while the new one is made, and not remembered."""
    process, query = start(), new_query()
    process.ask(query)
    finish_job(execute)
    process.read_again()
    stale = process.ask(query)["query_info"]
    assert (stale["cache"], stale["cache_hit"]) == ("stale", True)
    state = process.services.live.get().state
    assert not [key for key in process.services.search._answers._entries if key[0] == state]
    wait_for(lambda: process.get_source(query) == "result")


def test_without_stale_answers_a_write_is_seen_at_once(
    start: Callable[..., Process], execute: Callable[[str], list[Any]]
) -> None:
    """CACHE_STALE_S=0 makes the new answer first; its query vector is still known."""
    process, query = start(cache_stale_s=0), new_query()
    process.ask(query)
    finish_job(execute)
    process.read_again()
    assert process.get_source(query) == "vector"


def test_an_excluded_title_ends_all_kept_answers(
    start: Callable[..., Process], execute: Callable[[str], list[Any]]
) -> None:
    """No answer from before is shown, not even a stale one, and no new one shows it while its point is there still."""
    process, query = start(), new_query()
    slug = process.ask(query)["results"][0]["id"]
    execute(f"UPDATE titles SET excluded = true WHERE slug = '{slug}'")
    try:
        process.read_again()
        answers = [process.ask(query) for _ in range(2)]
        assert [one["query_info"]["cache"] for one in answers] == ["vector", "result"]
        assert slug not in {hit["id"] for one in answers for hit in one["results"]}
    finally:
        execute(f"UPDATE titles SET excluded = false WHERE slug = '{slug}'")
    process.read_again()
    assert process.ask(query)["results"][0]["id"] == slug


def test_no_answer_from_before_comes_back_when_the_points_have_followed(
    start: Callable[..., Process], execute: Callable[[str], list[Any]]
) -> None:
    """A title turns adult, its point follows, and back and forth: what was kept before each change is not shown."""
    process, query = start(), new_query()
    slug = process.ask(query)["results"][0]["id"]
    scopes = [process.services.live.get().scope]
    try:
        for adult in ("true", "false", "true"):
            execute(f"UPDATE titles SET adult = {adult} WHERE slug = '{slug}'")
            # As if it had been long ago: the title's point says what it is, so nothing is left out by its id.
            execute("UPDATE titles SET visibility_changed_at = now() - interval '1 day' WHERE visibility_mark > 0")
            finish_job(execute)
            process.read_again()
            scopes.append(process.services.live.get().scope)
            assert process.get_source(query) == "vector"
    finally:
        execute(f"UPDATE titles SET adult = false WHERE slug = '{slug}'")
    assert len(set(scopes)) == len(scopes)


@pytest.mark.parametrize("flag", ["adult", "excluded"])
def test_a_title_is_hidden_before_its_point_says_so(
    start: Callable[..., Process], execute: Callable[[str], list[Any]], flag: str
) -> None:
    """In searches, similar titles, batches, cursors, counts: without its job having run, nothing shows or counts it."""
    process, query = start(), new_query()
    slug, other = (hit["id"] for hit in process.ask(query)["results"][:2])

    def post_json(path: str, body: dict[str, Any]) -> Any:
        response = process.client.post(path, json=body)
        assert response.status_code == 200, response.text
        return response.get_json()

    def tell() -> tuple[list[bool], int, int]:
        process.read_again()
        listing = post_json(SEARCH, {"filters": {"id": [slug, other]}})
        similar = process.client.get(f"/api/v1/similarity/anime/{other}?limit=100&include_related=true")
        asked = {"query": query, "limit": 100}
        answers = [
            process.ask(query, limit=100),
            post_json(SEARCH, {**asked, "cursor": "*"}),
            *post_json(f"{SEARCH}/batch", {"queries": [asked]})["answers"],
            similar.get_json(),
            listing,
        ]
        total = post_json("/api/v1/facets", {"fields": ["type"]})["total"]
        return [slug in {hit["id"] for hit in one["results"]} for one in answers], listing["total_found"], total

    before = tell()
    assert before[:2] == ([True] * 5, 2)
    execute(f"UPDATE titles SET {flag} = true WHERE slug = '{slug}'")
    try:
        assert tell() == ([False] * 5, 1, before[2] - 1)
        if flag == "adult":
            assert slug in {hit["id"] for hit in process.ask(query, include_adult=True)["results"]}
    finally:
        execute(f"UPDATE titles SET {flag} = false WHERE slug = '{slug}'")
    assert tell() == before


def test_a_ranking_from_before_shows_nothing_that_is_hidden_since(
    start: Callable[..., Process], execute: Callable[[str], list[Any]]
) -> None:
    """The pages of a cursor are of a list that was ranked before; a title that turned adult is not on its page."""
    process, query = start(), new_query()
    third = process.ask(query)["results"][2]["id"]
    first = process.client.post(SEARCH, json={"query": query, "limit": 2, "cursor": "*"}).get_json()
    execute(f"UPDATE titles SET adult = true WHERE slug = '{third}'")
    try:
        process.read_again()
        cursor = first["next_cursor"]
        answer = process.client.post(SEARCH, json={"query": query, "limit": 2, "cursor": cursor})
        assert third not in answer.text
    finally:
        execute(f"UPDATE titles SET adult = false WHERE slug = '{third}'")


def test_another_collection_never_sees_old_answers(
    start: Callable[..., Process], execute: Callable[[str], list[Any]], index: Any
) -> None:
    """After an alias swap, and after the way back, each collection has its own answers."""
    process, query = start(), new_query()
    process.ask(query)
    collection = process.services.live.get().collection
    execute(f"UPDATE generations SET collection = '{index.settings.qdrant_collection_name}' WHERE state = 'live'")
    try:
        process.read_again()
        assert process.get_source(query) == "vector"
    finally:
        execute(f"UPDATE generations SET collection = '{collection}' WHERE state = 'live'")
    process.read_again()
    assert process.get_source(query) == "result"


def test_equal_searches_at_once_are_made_once(start: Callable[..., Process]) -> None:
    """Of sixty-four clients that ask the same, one has the answer made; nobody is given an error."""
    process, query = start(), new_query()

    def ask(number: int) -> str:
        with process.app.test_client() as client:
            response = post(client, query + " " * number)
            assert response.status_code == 200
            source: str = response.get_json()["query_info"]["cache"]
            return source

    with ThreadPoolExecutor(64) as pool:
        sources = list(pool.map(ask, range(64)))
    assert sources.count("none") == 1
    assert set(sources) <= {"none", "joined", "result"}
    assert process.services.search.get_stats()["embedding"]["keys"] == 1


def test_redis_dies_under_load_and_comes_back(start: Callable[..., Process], fresh_services: EmbeddedServices) -> None:
    """Searches go on without a failure while the cache is killed and started again; then answers are kept again."""
    process, stop = start(), threading.Event()
    statuses: list[int] = []

    def ask() -> None:
        with process.app.test_client() as client:
            while not stop.is_set():
                statuses.append(post(client, f"robot boy {next(_numbers) % 40}").status_code)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: len(statuses) > 50)
        fresh_services.kill("redis-cache")
        wait_for(lambda: not process.services.search.get_stats()["cache"]["redis"]["ok"])
        without = len(statuses)
        wait_for(lambda: len(statuses) > without + 200)
        fresh_services.start("redis-cache")
        wait_for(lambda: process.services.search.get_stats()["cache"]["redis"]["ok"])
        again = len(statuses)
        wait_for(lambda: len(statuses) > again + 50)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(statuses) == {200}
    query = new_query()
    process.ask(query)
    assert process.get_source(query) == "result"


def test_what_is_asked_twice_is_logged_and_warms_the_next_index(
    start: Callable[..., Process], execute: Callable[[str], list[Any]], index: Any
) -> None:
    """Counts reach Postgres without a caller in them; after an alias swap the answers are there before anybody asks."""
    process, query = start(), new_query()
    body = {"query": query, "limit": 5}
    for _ in range(3):
        assert process.client.post(SEARCH, json=body, headers={"X-Forwarded-For": "10.9.8.7"}).status_code == 200
    process.ask(new_query())
    short, warming = process.services.chores
    short.start()
    short.close()
    assert execute("SELECT request, asked FROM query_log") == [({"kind": "search", "query": query, "limit": 5}, 3)]
    collection = process.services.live.get().collection
    look = warming._chores[0].run
    look()
    execute(f"UPDATE generations SET collection = '{index.settings.qdrant_collection_name}' WHERE state = 'live'")
    try:
        process.read_again()
        look()
        assert process.services.search.flush(timeout_s=10)
        assert process.get_source(query) == "result"
        assert process.services.search.get_stats()["searches"] == 5, "warming counts no searches"
    finally:
        execute(f"UPDATE generations SET collection = '{collection}' WHERE state = 'live'")


def test_the_log_can_be_turned_off(start: Callable[..., Process], execute: Callable[[str], list[Any]]) -> None:
    """QUERY_LOG=false leaves no trace of what was asked."""
    process, query = start(query_log=False), new_query()
    for _ in range(3):
        process.ask(query)
    process.services.chores[0].start()
    process.services.chores[0].close()
    assert execute(f"SELECT 1 FROM query_log WHERE request->>'query' = '{query}'") == []


@pytest.mark.parametrize("form", ["by-id", "content", "vector", "distance"])
def test_a_title_that_has_not_changed_is_not_sent_again(start: Callable[..., Process], index: Any, form: str) -> None:
    """GET routes answer 304 to whoever shows the tag of the same answer, and say how long it may be kept."""
    process = start()
    slug = next(slug for slug in index.documents if slug != index.adult_slug)
    path = {
        "by-id": f"/api/v1/search/by-id/{slug}",
        "content": f"/api/v1/similarity/anime/{slug}",
        "vector": f"/api/v1/similarity/vector/{slug}?vector=title_vector",
        "distance": f"/api/v1/similarity/vector/{slug}?vector=title_vector&distance=cosine",
    }[form]
    first = process.client.get(path)
    assert first.status_code == 200, first.text
    assert first.headers["Cache-Control"] == "public, max-age=30"
    again = process.client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    adult = process.client.get(f"{path}{'&' if '?' in path else '?'}include_adult=true&limit=3")
    if form != "by-id":
        assert adult.headers["ETag"] != first.headers["ETag"]
    missing = process.client.get(path.replace(slug, "nobody"), headers={"If-None-Match": "*"})
    assert missing.status_code == 404 and "ETag" not in missing.headers


def test_long_answers_stream_compressed_and_leave_nothing_behind(start: Callable[..., Process]) -> None:
    """Every line arrives through zstd; a reader that leaves after the first piece leaves no waiting entry anywhere."""
    process = start()
    headers = {"Accept": "application/x-ndjson", "Accept-Encoding": "zstd"}
    body = {"query": "robot boy", "limit": 200}
    whole = process.client.post(SEARCH, json=body, headers=headers)
    lines = zstandard.ZstdDecompressor().decompressobj().decompress(whole.data).splitlines()
    assert len(lines) > 100 and "summary" in json.loads(lines[-1])
    assert all("result" in json.loads(line) for line in lines[:-1])
    for _ in range(5):
        left = process.app.test_client().post(SEARCH, json=body, headers=headers, buffered=False)
        assert next(left.iter_encoded())
        left.close()
    wait_for(lambda: process.services.search.is_idle)
    assert process.ask("robot boy")["results"]


def test_an_answer_is_not_repeated_when_its_text_is_understood_otherwise(start: Callable[..., Process]) -> None:
    """Equal bytes are answered from memory until names are read anew, whatever the state of the index says."""
    process = start()
    assert process.services.names.wait(10)
    body = json.dumps({"query": "a text that is repeated", "limit": 2}).encode()

    def ask() -> None:
        answer = process.client.post(SEARCH, data=body, content_type="application/json")
        assert answer.status_code == 200, answer.text

    ask()
    assert process.services.search.repeat(body) is not None
    process.services.names._read_all()
    assert process.services.search.repeat(body) is None
    ask()
    assert process.services.search.repeat(body) is not None
