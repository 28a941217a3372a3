"""Parts of the API that need no application: health checks, strict JSON, job parameters, errors."""

from __future__ import annotations

import json
import threading

import pytest
from flask import Flask, Response
from hypothesis import given
from hypothesis import strategies as st

from api.health import Check, HealthChecker
from api.http import parse_json, register_hooks
from api.job_params import build_params
from api.problems import MalformedBodyError, register_error_handlers
from api.schemas.jobs import JobBody
from core.errors import (
    ConflictError,
    DeadlineExceededError,
    DependencyUnavailableError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    ServiceError,
)


def fail() -> None:
    """A check that finds its server away."""
    raise DependencyUnavailableError("qdrant", "refused")


def test_checks_run_side_by_side_and_a_hanging_one_is_said_to_hang() -> None:
    """One check that hangs neither delays the others nor is started a second time; the report says which."""
    gate, started = threading.Event(), threading.Semaphore(0)

    def hang() -> None:
        started.release()
        gate.wait(10)

    checker = HealthChecker({"a": Check(hang), "b": Check(fail), "c": Check(lambda: None)}, timeout_s=0.1)
    for _ in range(3):
        report = checker.check()
        assert not report.is_ready
        assert report.checks["a"].reason == "no answer within 0.1 s"
        assert report.checks["b"].reason == "qdrant does not answer"
        assert report.checks["c"].ok
    assert started.acquire(blocking=False)
    assert not started.acquire(blocking=False)
    gate.set()
    checker.close()


def test_a_check_that_fails_unexpectedly_is_reported() -> None:
    """Whatever a check raises is a check that failed, and its words, which may hold addresses, stay in the log."""

    def stumble() -> None:
        raise ValueError("10.0.0.5 sent nonsense")

    checker = HealthChecker({"a": Check(stumble)})
    reason = checker.check().checks["a"].reason or ""
    assert "the log has the details" in reason and "10.0.0.5" not in reason
    checker.close()


def test_what_is_not_required_only_degrades() -> None:
    """Ready without the cache, but not silently."""
    checker = HealthChecker({"a": Check(lambda: None), "cache": Check(fail, required=False)})
    report = checker.check()
    assert (report.is_ready, report.status) == (True, "degraded")
    checker.close()


_json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(_json_values)
def test_json_is_read_as_the_standard_library_reads_it(value: object) -> None:
    """Any JSON, lone surrogates included, arrives as it was sent."""
    assert parse_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=40))
def test_other_bytes_are_refused_in_words(data: bytes) -> None:
    """Whatever is no JSON raises the error that becomes a 400, and nothing else."""
    try:
        parse_json(data)
    except MalformedBodyError as error:
        assert error.field == "body"


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_not_finite_are_refused(number: str) -> None:
    """They are no value that Postgres can keep, beside a lone surrogate too."""
    for text in (f'{{"a": {number}}}', f'{{"a": {number}, "b": "\\ud800"}}'):
        with pytest.raises(MalformedBodyError):
            parse_json(text.encode())


@given(_json_values)
def test_no_document_reaches_postgres_that_it_cannot_keep(value: object) -> None:
    """Documents either hold neither NUL nor lone surrogates, anywhere, or are refused with their place."""
    body = JobBody.model_construct(kind="import", ids=None, documents=[{"x": value}], path=None)
    try:
        params = build_params(body, import_root=None)
    except InvalidInputError as error:
        assert error.field.startswith("documents")
    else:
        text = json.dumps(params, ensure_ascii=False)
        assert "\\u0000" not in text
        text.encode("utf-8")


def make_app() -> Flask:
    """An application with our hooks and one route for each error."""
    app = Flask("test")
    register_hooks(app)
    register_error_handlers(app)
    errors = {
        "/invalid": InvalidInputError("a.b", "no"),
        "/missing": NotFoundError("title", "x"),
        "/conflict": ConflictError("not now"),
        "/away": DependencyUnavailableError("redis", "refused at 10.0.0.1"),
        "/full": OverloadedError("full", retry_after_s=1.2),
        "/late": DeadlineExceededError("late"),
        "/other": ServiceError("inside"),
        "/bug": KeyError("inside"),
    }
    for path, error in errors.items():

        def view(error: Exception = error) -> Response:
            raise error

        app.add_url_rule(path, path, view)
    return app


@pytest.mark.parametrize(
    ("path", "status", "retry_after"),
    [
        ("/invalid", 422, None),
        ("/missing", 404, None),
        ("/conflict", 409, None),
        ("/away", 503, "2"),
        ("/full", 503, "2"),
        ("/late", 503, "1"),
        ("/other", 500, None),
        ("/bug", 500, None),
        ("/nowhere", 404, None),
    ],
)
def test_every_error_has_one_status(path: str, status: int, retry_after: str | None) -> None:
    """The one table from errors to answers: status, problem type, Retry-After, and nothing of the inside."""
    response = make_app().test_client().get(path)
    assert (response.status_code, response.content_type) == (status, "application/problem+json")
    assert response.headers.get("Retry-After") == retry_after
    assert "inside" not in response.text
    assert "10.0.0.1" not in response.text
