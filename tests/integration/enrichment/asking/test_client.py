"""Asking a provider that behaves, one that does not, and not asking where that is not needed."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest
import redis
from sqlalchemy import text

from core.errors import ServiceError
from core.providers import Limit
from core.settings import Settings
from enrichment.asking import AnswerFailedError, AnswerRefusedError, ProviderClient
from enrichment.asking.building import build_fetch_options
from enrichment.providers.base import BlockedError, ProviderUnavailableError
from enrichment.providers.registry import build_providers
from storage.database.answers import AnswerRepository
from storage.database.session import Database
from storage.provider_gate import ProviderGate
from tests.answering_host import AnsweringHost, Answers, Asked
from tests.integration.enrichment.asking.conftest import DAY_S, WIDE, BuildClient, build_request

CHALLENGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"


def count(answers: AnswerRepository, name: str) -> dict[str, int]:
    """Requests by outcome."""
    return dict(answers.load_health([name])[name].hour.outcomes)


def count_most(times: Sequence[float], period_s: float) -> int:
    """The most requests in any window of that length."""
    return max(sum(start <= at < start + period_s for at in times) for start in times)


def fail(client: ProviderClient, **values: object) -> ServiceError:
    """The error that asking ends with."""
    with pytest.raises(ServiceError) as caught:
        client.ask(build_request(**values), most_age_s=0)  # type: ignore[arg-type]
    return caught.value


def test_fresh_answer_is_not_asked_for_again(
    client: ProviderClient, build_client: BuildClient, host: AnsweringHost, answers: AnswerRepository, name: str
) -> None:
    """An answer is kept before it is given back, so that no worker asks again while it is fresh."""
    first = client.ask(build_request(), most_age_s=DAY_S)
    again = build_client().ask(build_request(), most_age_s=DAY_S)
    assert first == again and (first.status, first.body, first.is_absent) == (200, b'{"ok": true}', False)
    assert len(host.asked) == 1 and count(answers, name) == {"ok": 1}


def test_old_answer_is_asked_for_with_a_condition(
    client: ProviderClient, host: AnsweringHost, answers: AnswerRepository, name: str
) -> None:
    """An old answer is asked for with its validators; not modified, it is young again and the same."""
    host.answer = lambda asked: Answers(304) if "if-none-match" in asked.headers else Answers(headers={"ETag": '"v1"'})
    first = client.ask(build_request(), most_age_s=0)
    second = client.ask(build_request(), most_age_s=0)
    assert host.asked[1].headers["if-none-match"] == '"v1"'
    assert second.body == first.body and second.fetched_at > first.fetched_at
    assert client.ask(build_request(), most_age_s=DAY_S) == second
    assert count(answers, name) == {"ok": 1, "not-modified": 1}


def test_absence_is_an_answer(
    client: ProviderClient, host: AnsweringHost, answers: AnswerRepository, name: str
) -> None:
    """That a provider has nothing is kept and believed like anything else, and later asked without a condition."""
    host.answer = lambda _: Answers(404, b'{"status": 404}', headers={"ETag": '"gone"'})
    first = client.ask(build_request(), most_age_s=DAY_S)
    assert first.is_absent and first.body == b'{"status": 404}' and first.media_type == "application/json"
    assert client.ask(build_request(), most_age_s=DAY_S) == first
    client.ask(build_request(), most_age_s=0)
    assert "if-none-match" not in host.asked[1].headers and count(answers, name) == {"absent": 2}


def test_other_statuses_may_mean_absence(client: ProviderClient, host: AnsweringHost) -> None:
    """A request says which statuses mean that there is nothing."""
    host.answer = lambda _: Answers(403, b"{}")
    request = build_request(absent=frozenset({403, 404}))
    assert client.ask(request, most_age_s=0).is_absent


def test_question_by_post(build_client: BuildClient, host: AnsweringHost, database: Database, name: str) -> None:
    """A body makes it a POST without conditions, with the token in a header that is stored nowhere."""
    client = build_client(headers={"Authorization": "Bearer very-secret"})
    host.answer = lambda _: Answers(headers={"ETag": '"v1"'})
    request = build_request(body={"query": "{ a }"}, headers={"X-Own": "also-secret"})
    client.ask(request, most_age_s=0)
    client.ask(request, most_age_s=0)
    for asked in host.asked:
        assert asked.method == "POST" and json.loads(asked.body) == {"query": "{ a }"}
        assert asked.headers["authorization"] == "Bearer very-secret" and asked.headers["x-own"] == "also-secret"
        assert "if-none-match" not in asked.headers
    with database.begin() as connection:
        query = text("SELECT provider_answers::text FROM provider_answers WHERE provider = :name")
        stored = connection.execute(query, {"name": name}).scalar_one()
    assert "secret" not in stored


def test_same_question_at_once_is_asked_once(build_client: BuildClient, host: AnsweringHost) -> None:
    """Workers that want the same at the same time wait for the one that asks."""
    host.answer = lambda _: Answers(after_s=0.3)
    clients = [build_client() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        given = list(pool.map(lambda one: one.ask(build_request(), most_age_s=DAY_S), clients))
    assert len(host.asked) == 1 and len({answer.fetched_at for answer in given}) == 1


def test_worker_that_died_while_asking(build_client: BuildClient, gate: ProviderGate, name: str) -> None:
    """The lease of a worker that died ends by itself; until then the others give up without asking."""
    client = build_client(most_wait_s=0.3)
    token = gate.try_lease(name, "anime/1", life_s=600)
    error = fail(client)
    assert isinstance(error, AnswerFailedError) and error.reason == "asked-elsewhere"
    assert token is not None
    gate.release_lease(name, "anime/1", token)
    client.ask(build_request(), most_age_s=0)


def test_passing_failures_are_retried(
    client: ProviderClient, host: AnsweringHost, answers: AnswerRepository, name: str
) -> None:
    """A failure that may pass is tried again in the same call, and every request is counted."""
    script = [Answers(500), Answers(drops=True), Answers()]
    host.answer = lambda _: script.pop(0)
    assert client.ask(build_request(), most_age_s=0).status == 200
    assert sum(count(answers, name).values()) == 3 and count(answers, name)["http-5xx"] == 1


def test_retries_end(client: ProviderClient, host: AnsweringHost) -> None:
    """After a few failures the request is given up, and the circuit, open by now, stops the next one unasked."""
    host.answer = lambda _: Answers(502, b"<html>Bad Gateway</html>", media_type="text/html")
    error = fail(client)
    assert isinstance(error, AnswerFailedError) and error.reason == "http-5xx" and len(host.asked) == 3
    stopped = fail(client, key="anime/2")
    assert isinstance(stopped, ProviderUnavailableError) and 20 < stopped.retry_after_s <= 30
    assert len(host.asked) == 3


def test_question_that_always_fails_does_not_hold_up_others(
    build_client: BuildClient, host: AnsweringHost, redis_url: str, name: str
) -> None:
    """What opened the circuit has failed by itself, so that another question is the probe, and closes it."""
    host.answer = lambda asked: Answers(500) if asked.path == "/anime/1" else Answers()
    client = build_client(attempts=5)
    assert isinstance(fail(client), AnswerFailedError) and len(host.asked) == 3
    assert isinstance(fail(client, key="anime/2"), ProviderUnavailableError)
    with redis.Redis.from_url(redis_url) as server:
        server.hset(f"avs:provider:{{{name}}}", "open", "1")
    assert client.ask(build_request("anime/2"), most_age_s=0).status == 200
    assert client.ask(build_request("anime/3"), most_age_s=0).status == 200


def test_process_that_ends(build_client: BuildClient, host: AnsweringHost) -> None:
    """Who waits for leave when the process is to end gives up at once, and nobody is asked."""
    client = build_client(limits=(Limit(1, 1_000.0),), most_wait_s=1_000.0, uses_own_sleep=True)
    with ThreadPoolExecutor(2) as pool:
        # The one waits for leave, the other for the one, which asks the same.
        asking = [pool.submit(fail, client) for _ in range(2)]
        client.stop()
        assert all("ends" in str(one.result(timeout=5)) for one in asking)
    assert host.asked == []


def test_nobody_listens(build_client: BuildClient) -> None:
    """A provider that is away cannot be asked now, which is another thing than one failed request."""
    assert isinstance(fail(build_client(base_url="http://127.0.0.1:1")), ProviderUnavailableError)


def test_timeout(build_client: BuildClient, host: AnsweringHost, answers: AnswerRepository, name: str) -> None:
    """An answer that does not come in time is a failure of that request."""
    host.answer = lambda _: Answers(after_s=0.5)
    error = fail(build_client(timeout_s=0.1, attempts=1))
    assert isinstance(error, AnswerFailedError) and error.reason == "timeout" and count(answers, name) == {"timeout": 1}


def test_short_pause_is_waited_for(client: ProviderClient, host: AnsweringHost) -> None:
    """A pause of a second is waited for within the call."""
    script = [Answers(429, b"{}", headers={"Retry-After": "1"}), Answers()]
    host.answer = lambda _: script.pop(0)
    client.ask(build_request(), most_age_s=0)
    assert host.times[1] - host.times[0] >= 1.0


@pytest.mark.parametrize("status", [429, 503])
def test_long_pause_is_kept_by_all(status: int, build_client: BuildClient, host: AnsweringHost) -> None:
    """A pause of an hour is one for all workers: none asks, and each says for how long."""
    host.answer = lambda _: Answers(status, b"{}", headers={"Retry-After": "3600"})
    for number in range(3):
        error = fail(build_client(), key=f"anime/{number}")
        assert isinstance(error, ProviderUnavailableError) and 3_500 < error.retry_after_s <= 3_600
    assert len(host.asked) == 1


def test_reset_by_the_providers_clock(client: ProviderClient, host: AnsweringHost) -> None:
    """A point in time is measured from the provider's own clock: ours, and that of other workers, may be wrong."""
    reset = {"Date": "Mon, 05 Jan 2015 10:00:00 GMT", "X-RateLimit-Reset": "1420452900"}
    host.answer = lambda _: Answers(429, b"{}", headers=reset)
    error = fail(client)
    # The test server sends a date of its own before this one.
    assert isinstance(error, ProviderUnavailableError) and 890 < error.retry_after_s <= 900


def test_used_up_limit(client: ProviderClient, host: AnsweringHost) -> None:
    """With nothing left of a limit that others use as well, nobody asks until it is renewed."""
    host.answer = lambda _: Answers(headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1800"})
    assert client.ask(build_request(), most_age_s=0).status == 200
    error = fail(client, key="anime/2")
    assert isinstance(error, ProviderUnavailableError) and error.retry_after_s > 1_700 and len(host.asked) == 1


def test_limit_of_a_day_comes_back_in_a_few_requests(build_client: BuildClient, host: AnsweringHost) -> None:
    """Nobody is sent back for the next single drop of it: whoever put his work off then has a few requests to make."""
    # A bucket that nobody knows of lacks a little of its first request.
    error = fail(build_client(limits=(Limit(40, DAY_S, burst=2),), most_wait_s=0.2))
    assert isinstance(error, ProviderUnavailableError) and "used up" in str(error) and not host.asked
    assert error.retry_after_s == pytest.approx(2 * DAY_S / 40)


def test_told_limit_slows_down(build_client: BuildClient, host: AnsweringHost, gate: ProviderGate, name: str) -> None:
    """A smaller limit in the headers is learned by all."""
    limits = (Limit(6_000, 60.0, burst=10),)
    host.answer = lambda _: Answers(headers={"X-RateLimit-Limit": "30"})
    build_client(limits=limits).ask(build_request(), most_age_s=0)
    assert gate.get_state(name, limits).buckets[0].amount == 30


@pytest.mark.parametrize(
    ("answer", "accept"),
    [
        (Answers(403, CHALLENGE, media_type="text/html"), "application/json"),
        (Answers(503, CHALLENGE, media_type="text/html"), "text/html"),
        (Answers(200, CHALLENGE, media_type="text/html"), "text/html"),
        (Answers(403, b"", headers={"cf-mitigated": "challenge"}), "application/json"),
        (Answers(429, b"<html><div class='g-recaptcha'>", media_type="text/html"), "text/html"),
        (Answers(200, b"<error>Banned</error>", media_type="text/xml"), "application/xml"),
        (Answers(200, b'<?xml version="1.0"?><error code="500">banned</error>', media_type="text/xml"), "text/xml"),
    ],
)
def test_block_page(
    answer: Answers, accept: str, client: ProviderClient, host: AnsweringHost, answers: AnswerRepository, name: str
) -> None:
    """Protection against robots ends the asking for hours, for all titles, and its page is never kept."""
    host.answer = lambda _: answer
    assert isinstance(fail(client, accept=accept), BlockedError)
    stopped = fail(client, key="anime/2", accept=accept)
    assert isinstance(stopped, ProviderUnavailableError) and stopped.retry_after_s > 3 * 3_600
    assert len(host.asked) == 1 and answers.get(name, "anime/1") is None and count(answers, name) == {"blocked": 1}


def test_refusal_of_one_title(client: ProviderClient, host: AnsweringHost) -> None:
    """A plain 403 blocks its title at once; only several in a row stop the provider."""
    host.answer = lambda _: Answers(403, b'{"error": "no"}')
    errors = [fail(client, key=f"anime/{number}") for number in range(4)]
    assert [type(error) for error in errors] == [BlockedError] * 3 + [ProviderUnavailableError]
    assert len(host.asked) == 3


def test_token_that_is_refused(client: ProviderClient, host: AnsweringHost) -> None:
    """A token that is not accepted concerns every request: nobody asks on, and no title is to blame."""
    host.answer = lambda _: Answers(401, b"{}")
    for key in ("anime/1", "anime/2"):
        error = fail(client, key=key)
        assert isinstance(error, ProviderUnavailableError) and "401" in str(error)
    assert len(host.asked) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answers(400, b"{}"), "http-4xx"),
        (Answers(302, headers={"Location": "http://169.254.169.254/latest/meta-data"}), "forbidden-address"),
        (Answers(302, headers={"Location": "http://10.0.0.1/"}), "forbidden-address"),
        (Answers(200, b"x" * 20_000), "too-large"),
        (Answers(200, gzip.compress(b"{" + b" " * 5_000_000), headers={"Content-Encoding": "gzip"}), "too-large"),
        (Answers(200, b"{}", headers={"Content-Encoding": "br"}), "bad-encoding"),
        (Answers(200, b"{}", headers={"Content-Encoding": "gzip"}), "bad-encoding"),
    ],
    ids=["400", "metadata", "private", "large", "bomb", "brotli", "not-gzip"],
)
def test_answers_that_are_refused(
    answer: Answers, reason: str, build_client: BuildClient, host: AnsweringHost, answers: AnswerRepository, name: str
) -> None:
    """What is too large, hostile or unreadable has a reason, is counted, is not kept, and is not tried again."""
    host.answer = lambda _: answer
    error = fail(build_client(max_bytes=10_000))
    assert isinstance(error, AnswerRefusedError) and error.reason == reason
    assert count(answers, name) == {reason: 1} and answers.get(name, "anime/1") is None


@pytest.mark.parametrize(
    ("body", "media_type", "accept"),
    [
        (b"<html>Maintenance</html>", "text/html", "application/json"),
        (b'{"data": ', "application/json", "application/json"),
        ('{"titel": "ü"}'.encode("latin-1"), "application/json", "application/json"),
        (b"\x00\x01\x02", "application/json", "application/json"),
        (b"", "application/json", "application/json"),
        (b"<!DOCTYPE html><html></html>", "text/html", "application/xml"),
        (b"{}", "application/json", "text/html"),
    ],
)
def test_garbage_is_not_kept(
    body: bytes,
    media_type: str,
    accept: str,
    build_client: BuildClient,
    host: AnsweringHost,
    answers: AnswerRepository,
    name: str,
) -> None:
    """What is not what was asked for fails, is not kept as fresh, and counts against the provider's circuit."""
    host.answer = lambda _: Answers(200, body, media_type=media_type)
    error = fail(build_client(attempts=1), accept=accept)
    assert isinstance(error, AnswerFailedError) and error.reason == "wrong-form"
    assert answers.get(name, "anime/1") is None and count(answers, name) == {"wrong-form": 1}


def test_wrong_address_is_no_absence(
    client: ProviderClient, host: AnsweringHost, answers: AnswerRepository, name: str
) -> None:
    """A web server's own 404 page says that the address is wrong, not that every title is unknown."""
    host.answer = lambda _: Answers(404, b"<html>404 Not Found</html>", media_type="text/html")
    error = fail(client)
    assert isinstance(error, AnswerFailedError) and error.reason == "wrong-form"
    assert answers.get(name, "anime/1") is None


def test_failed_refresh_keeps_the_old_answer(
    client: ProviderClient, host: AnsweringHost, answers: AnswerRepository, name: str
) -> None:
    """A provider that fails takes nothing away from what it said before."""
    client.ask(build_request(), most_age_s=0)
    host.answer = lambda _: Answers(400)
    fail(client)
    kept = answers.get(name, "anime/1")
    assert kept is not None and kept.body == b'{"ok": true}'


def test_distrusted_answer_is_asked_for_again(client: ProviderClient, host: AnsweringHost) -> None:
    """An answer of no use is asked for again although it is fresh, and in full."""
    host.answer = lambda _: Answers(headers={"ETag": '"v1"'})
    client.ask(build_request(), most_age_s=DAY_S)
    client.distrust(["anime/1"])
    client.ask(build_request(), most_age_s=DAY_S)
    client.ask(build_request(), most_age_s=DAY_S)
    assert len(host.asked) == 2 and "if-none-match" not in host.asked[1].headers


def test_robots_are_obeyed(build_client: BuildClient, host: AnsweringHost) -> None:
    """Where pages are made for people robots.txt is asked, and what it forbids is left alone."""

    def answer(asked: Asked) -> Answers:
        rules = b"User-agent: *\nDisallow: /secret\n"
        return Answers(200, rules, media_type="text/plain") if asked.path == "/robots.txt" else Answers()

    host.answer = answer
    client = build_client(fetching={"respect_robots": True})
    assert isinstance(fail(client, key="secret/1"), BlockedError)
    assert host.count("/secret/1") == 0 and client.ask(build_request(), most_age_s=0).status == 200


def test_redis_away(build_client: BuildClient, host: AnsweringHost) -> None:
    """Without Redis nobody asks; kept answers are given all the same."""
    build_client().ask(build_request(), most_age_s=0)
    away = ProviderGate(Settings(_env_file=None, redis_url="redis://127.0.0.1:1/0"), timeout_s=0.2)
    client = build_client(gate=away)
    assert client.ask(build_request(), most_age_s=DAY_S).status == 200
    error = fail(client)
    assert isinstance(error, ProviderUnavailableError) and "Redis" in str(error) and len(host.asked) == 1


def test_limits_hold_over_processes(
    host: AnsweringHost, database_url: str, redis_url: str, name: str, answers: AnswerRepository
) -> None:
    """Two processes of four threads keep to all limits together, as the host counts them, and use what they may."""
    env = {**os.environ, "DATABASE_URL": database_url, "REDIS_URL": redis_url}
    command = [sys.executable, "-m", "tests.integration.enrichment.asking.worker", host.url, name]
    workers = [
        subprocess.Popen([*command, str(first), str(first + 12)], env=env, cwd=Path(__file__).parents[4])
        for first in (0, 12)
    ]
    assert [worker.wait(timeout=60) for worker in workers] == [0, 0]
    times = host.times
    assert len(times) == 24 and count(answers, name) == {"ok": 24}
    assert count_most(times, 1.0) <= 12 and count_most(times, 0.25) <= 4


def test_limits_hold_with_redis_flushed(build_client: BuildClient, host: AnsweringHost, redis_url: str) -> None:
    """Four threads of two clients never ask faster than the limit, though Redis loses its memory again and again."""
    limits = (Limit(2, 0.4),)
    settings = Settings(_env_file=None, redis_url=redis_url)
    gates = [ProviderGate(settings, options=WIDE) for _ in range(2)]
    clients = [build_client(limits=limits, gate=gate) for gate in gates]
    stop = threading.Event()

    def forget() -> None:
        with redis.Redis.from_url(redis_url) as server:
            while not stop.wait(0.37):
                server.flushdb()

    forgetting = threading.Thread(target=forget)
    forgetting.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            list(
                pool.map(
                    lambda number: clients[number % 2].ask(build_request(f"anime/{number}"), most_age_s=0), range(6)
                )
            )
    finally:
        stop.set()
        forgetting.join()
    times = host.times
    assert len(times) == 6
    assert count_most(times, 0.4) <= 2


def test_what_a_redirect_leads_to_counts_as_a_request(
    build_client: BuildClient, host: AnsweringHost, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A provider that redirects each request is asked half as often, and the first one says which setting to change."""

    def answer(asked: Asked) -> Answers:
        return Answers() if asked.path.startswith("/new") else Answers(status=307, headers={"Location": "/new?a=b"})

    host.answer = answer
    gate = ProviderGate(Settings(_env_file=None, redis_url=redis_url), options=WIDE)
    client = build_client(gate=gate, limits=(Limit(10, 1.0),), url_setting="TEST_BASE_URL")
    for place in range(6):
        client.ask(build_request(key=f"k{place}"), most_age_s=0)
    assert len(host.asked) == 12 and count_most(host.times, 1.0) <= 10
    gate.close()
    printed = capsys.readouterr()
    told = [line for line in (printed.out + printed.err).splitlines() if "provider_redirects" in line]
    assert len(told) == 1 and "TEST_BASE_URL" in told[0] and "a=b" not in told[0]


def test_redirects_of_an_interface_are_followed_once(build_client: BuildClient, host: AnsweringHost) -> None:
    """Built as in production: who sends us on and on is asked twice and not again and again in one call."""
    host.answer = lambda asked: Answers(status=302, headers={"Location": f"{asked.path}x"})
    settings = Settings(_env_file=None, kitsu_base_url=host.url, enrich_allowed_networks="127.0.0.0/8")
    options = asdict(build_fetch_options(settings, build_providers(settings)["kitsu"].info))
    error = fail(build_client(fetching=options))
    assert isinstance(error, AnswerRefusedError) and error.reason == "too-many-redirects"
    assert len(host.asked) == 2
