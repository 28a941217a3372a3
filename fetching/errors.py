"""Why a fetch brought nothing: a closed list of reasons, each either worth another try or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from core.errors import PermanentError, ServiceError, TransientError


class FetchReason(StrEnum):
    """Every reason. The values are kept in Postgres and shown to users: add to them, never rename."""

    # The address itself
    BAD_URL = "bad-url"
    FORBIDDEN_SCHEME = "forbidden-scheme"
    FORBIDDEN_ADDRESS = "forbidden-address"
    UNKNOWN_HOST = "unknown-host"
    # Redirects
    BAD_REDIRECT = "bad-redirect"
    INSECURE_REDIRECT = "insecure-redirect"
    TOO_MANY_REDIRECTS = "too-many-redirects"
    # What the host does not want
    ROBOTS = "robots"
    NOAI = "noai"
    # What came
    TOO_LARGE = "too-large"
    BAD_ENCODING = "bad-encoding"
    TLS_CERTIFICATE = "tls-certificate"
    HTTP_401 = "http-401"
    HTTP_403 = "http-403"
    HTTP_404 = "http-404"
    HTTP_410 = "http-410"
    HTTP_451 = "http-451"
    HTTP_4XX = "http-4xx"
    UNEXPECTED_STATUS = "unexpected-status"
    # From here on another try may help
    # (no connection, in time or at all; and then no answer, or not all of it, in time)
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    BAD_RESPONSE = "bad-response"
    TRUNCATED_BODY = "truncated-body"
    HTTP_408 = "http-408"
    HTTP_425 = "http-425"
    HTTP_429 = "http-429"
    HTTP_5XX = "http-5xx"
    ROBOTS_UNREACHABLE = "robots-unreachable"
    CIRCUIT_OPEN = "circuit-open"
    HOST_BUSY = "host-busy"


TRANSIENT_REASONS = frozenset(list(FetchReason)[list(FetchReason).index(FetchReason.DNS) :])
# What a retry hint says where the host names no time.
DEFAULT_RETRY_AFTER_S = 1.0
_MOST_MESSAGE_CHARS = 300
_OWN_STATUS = {int(reason[5:]): reason for reason in FetchReason if reason.startswith("http-") and reason[5:].isdigit()}


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """What came with an error status. Names of headers are in lower case.

    `body` is unpacked and no longer than the caller asked for; empty if he asked for nothing, or if it cannot be read.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class FetchError(ServiceError):
    """A fetch brought nothing, for `reason`. `status` and `page` are what the host answered, if that is why."""

    reason: FetchReason
    status: int | None
    retry_after_s: float | None
    page: ErrorPage | None = None


class FetchRefusedError(FetchError, PermanentError):
    """The same fetch would end the same way: nothing to retry."""

    code = "fetch-refused"
    retry_after_s: None = None

    def __init__(
        self, reason: FetchReason, message: str, *, status: int | None = None, page: ErrorPage | None = None
    ) -> None:
        super().__init__(_clean(reason, message))
        self.reason = reason
        self.status = status
        self.page = page


class FetchFailedError(FetchError, TransientError):
    """It may work later, in `retry_after_s` seconds or more; `asked_s` is that time if somebody asked for it."""

    code = "fetch-failed"
    retry_after_s: float

    def __init__(
        self,
        reason: FetchReason,
        message: str,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        page: ErrorPage | None = None,
    ) -> None:
        wait_s = DEFAULT_RETRY_AFTER_S if retry_after_s is None else retry_after_s
        super().__init__(_clean(reason, message), retry_after_s=wait_s)
        self.asked_s = retry_after_s
        self.reason = reason
        self.status = status
        self.page = page


def _clean(reason: FetchReason, message: str) -> str:
    """Messages quote what hosts send, and are kept in Postgres, which takes no NUL."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in message[:_MOST_MESSAGE_CHARS])
    return f"{reason}: {printable}"


def build_error(
    reason: FetchReason,
    message: str,
    *,
    status: int | None = None,
    retry_after_s: float | None = None,
    page: ErrorPage | None = None,
) -> FetchRefusedError | FetchFailedError:
    """The error for a reason: its class follows from the reason alone."""
    if reason not in TRANSIENT_REASONS:
        return FetchRefusedError(reason, message, status=status, page=page)
    return FetchFailedError(reason, message, status=status, retry_after_s=retry_after_s, page=page)


def reason_of_status(status: int) -> FetchReason:
    """The reason that an HTTP status other than success, a redirect or 304 stands for."""
    if status in _OWN_STATUS:
        return _OWN_STATUS[status]
    return {4: FetchReason.HTTP_4XX, 5: FetchReason.HTTP_5XX}.get(status // 100, FetchReason.UNEXPECTED_STATUS)
