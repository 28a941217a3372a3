"""What a request came to, where a test over the network would have to wait for it."""

from __future__ import annotations

import pytest

from core.errors import PermanentError, TransientError
from enrichment.asking.errors import AnswerFailedError, AnswerRefusedError
from enrichment.asking.outcomes import has_form, read_outcome
from enrichment.providers.base import BlockedError, ProviderUnavailableError, Request
from fetching import ErrorPage, FetchReason
from fetching.errors import TRANSIENT_REASONS, build_error
from storage.provider_gate import Verdict

REQUEST = Request(key="k", path="/k")


def build_page(status: int, body: bytes = b"{}", **headers: str) -> ErrorPage:
    """The page of an error; underscores in names of headers stand for hyphens."""
    return ErrorPage(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize("reason", list(FetchReason))
def test_every_reason_has_an_outcome(reason: FetchReason) -> None:
    """Whatever the fetcher ends with becomes an error of ours that says whether another try may help."""
    outcome = read_outcome("x", REQUEST, build_error(reason, "what happened"))
    assert outcome.error is not None and outcome.answer is None and outcome.word == reason
    expected = TransientError if reason in TRANSIENT_REASONS else PermanentError
    assert isinstance(outcome.error, expected) and outcome.may_retry is (expected is TransientError)


@pytest.mark.parametrize("status", range(400, 600))
def test_every_status_has_an_outcome(status: int) -> None:
    """So does every error status; only what the request names is an absence."""
    reason = FetchReason.HTTP_4XX if status < 500 else FetchReason.HTTP_5XX
    outcome = read_outcome("x", REQUEST, build_error(reason, "no", status=status, page=build_page(status)))
    assert (outcome.answer is not None) is (status == 404)
    assert (outcome.error is None) is (status == 404)


@pytest.mark.parametrize(
    ("page", "kind", "verdict", "pause_s"),
    [
        (build_page(429), ProviderUnavailableError, Verdict.LIMITED, 60),
        (build_page(429, retry_after="120"), ProviderUnavailableError, Verdict.LIMITED, 120),
        (build_page(429, retry_after="0"), ProviderUnavailableError, Verdict.LIMITED, 1),
        (build_page(429, x_ratelimit_reset="30"), ProviderUnavailableError, Verdict.LIMITED, 30),
        (
            build_page(429, retry_after="Mon, 05 Jan 2015 11:00:00 GMT", date="Mon, 05 Jan 2015 10:00:00 GMT"),
            ProviderUnavailableError,
            Verdict.LIMITED,
            3_600,
        ),
        (build_page(503, retry_after="90"), ProviderUnavailableError, Verdict.NEUTRAL, 90),
        (build_page(401), ProviderUnavailableError, Verdict.NEUTRAL, 3_600),
        (build_page(403), BlockedError, Verdict.FAILED, 0),
    ],
)
def test_pauses(page: ErrorPage, kind: type[Exception], verdict: Verdict, pause_s: float) -> None:
    """A pause is as long as the provider asks for, by its own clock; a refusal of our token is one of an hour."""
    reason = FetchReason.HTTP_5XX if page.status >= 500 else FetchReason.HTTP_429
    outcome = read_outcome("x", REQUEST, build_error(reason, "no", status=page.status, page=page))
    assert isinstance(outcome.error, kind) and (outcome.verdict, outcome.pause_s) == (verdict, pause_s)


@pytest.mark.parametrize("reason", [FetchReason.FORBIDDEN_ADDRESS, FetchReason.UNKNOWN_HOST, FetchReason.TIMEOUT])
def test_failures_that_count_against_the_provider(reason: FetchReason) -> None:
    """A wrong address and one that does not answer open the circuit in the end."""
    assert read_outcome("x", REQUEST, build_error(reason, "no")).verdict is Verdict.FAILED


@pytest.mark.parametrize("reason", [FetchReason.TOO_LARGE, FetchReason.BAD_ENCODING])
def test_failures_of_one_answer(reason: FetchReason) -> None:
    """An answer that we do not take shows that the provider is there."""
    outcome = read_outcome("x", REQUEST, build_error(reason, "no"))
    assert outcome.verdict is Verdict.OK and isinstance(outcome.error, AnswerRefusedError)


def test_away_is_not_one_request() -> None:
    """A provider that nobody reaches cannot be asked for other titles either; a slow answer is one title's."""
    away = read_outcome("x", REQUEST, build_error(FetchReason.CONNECT, "no")).error
    slow = read_outcome("x", REQUEST, build_error(FetchReason.TIMEOUT, "no")).error
    assert isinstance(away, ProviderUnavailableError) and isinstance(slow, AnswerFailedError)


@pytest.mark.parametrize(
    ("accept", "body", "fits"),
    [
        ("application/json", b"{}", True),
        ("application/vnd.api+json", b" [1]\n", True),
        ("application/json", b"<html>", False),
        ("application/json", b'{"a": NaN}', False),
        ("application/json", b"", False),
        ("text/html", b"\xef\xbb\xbf\n<!DOCTYPE html>", True),
        ("text/html", b'{"a": 1}', False),
        ("application/xml", b"<?xml version='1.0'?><anime/>", True),
        ("application/xml", b"<!DOCTYPE html><html>", False),
        ("application/xml", b"", False),
        ("*/*", b"\x1f\x8b", True),
        ("*/*", b"", False),
    ],
)
def test_form(accept: str, body: bytes, fits: bool) -> None:
    """What was asked for is known by its form."""
    assert has_form(accept, body) is fits
