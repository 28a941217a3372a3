"""Reasons and their errors."""

from __future__ import annotations

import pytest

from core.errors import PermanentError, TransientError
from fetching.errors import (
    TRANSIENT_REASONS,
    FetchError,
    FetchFailedError,
    FetchReason,
    FetchRefusedError,
    build_error,
    reason_of_status,
)


@pytest.mark.parametrize("reason", FetchReason)
def test_class_follows_from_the_reason(reason: FetchReason) -> None:
    """Each reason is either transient, with a hint when to come back, or permanent, without one."""
    error = build_error(reason, "why", status=500)
    assert isinstance(error, FetchError) and error.reason is reason and error.status == 500
    assert isinstance(error, TransientError if reason in TRANSIENT_REASONS else PermanentError)
    assert (error.retry_after_s is not None) == isinstance(error, FetchFailedError)


def test_which_reasons_are_transient() -> None:
    """What may pass is on the list, and what a host has decided is not."""
    assert {"dns", "connect", "timeout", "truncated-body", "http-429", "http-5xx"} <= TRANSIENT_REASONS
    assert not TRANSIENT_REASONS & {"http-404", "robots", "noai", "forbidden-address", "too-large", "tls-certificate"}


@pytest.mark.parametrize(
    ("status", "reason"),
    [(404, "http-404"), (410, "http-410"), (418, "http-4xx"), (408, "http-408"), (429, "http-429"), (500, "http-5xx"),
     (503, "http-5xx"), (204, "unexpected-status"), (206, "unexpected-status"), (304, "unexpected-status"),
     (103, "unexpected-status"), (999, "unexpected-status")],
)  # fmt: skip
def test_status(status: int, reason: str) -> None:
    """Every status has a reason, of its own where it matters."""
    assert reason_of_status(status) == reason


def test_message_is_fit_to_keep() -> None:
    """A message that quotes a host has no control characters, which Postgres refuses, and is not long."""
    error = FetchRefusedError(FetchReason.BAD_ENCODING, "a\x00b\r\n" + "x" * 100_000)
    assert str(error).startswith("bad-encoding: a?b??xxx") and len(str(error)) < 400
