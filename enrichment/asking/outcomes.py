"""What one request came to: pure, from what the fetcher brought to what we keep, count, tell the gate and raise."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http import HTTPStatus

import orjson

from core.errors import ServiceError
from enrichment.asking.blocking import Block, find_block
from enrichment.asking.errors import AnswerFailedError, AnswerRefusedError
from enrichment.asking.hints import LimitHints, read_date_s, read_hints
from enrichment.providers.base import BlockedError, ProviderUnavailableError, Request
from fetching import ErrorPage, Fetched, FetchError, FetchFailedError, FetchReason, NotModified
from fetching.waiting import parse_retry_after
from storage.database.answers import NewAnswer
from storage.provider_gate import Verdict

# Where the provider asks for a pause and does not say how long; and where it does not know our token.
_DEFAULT_PAUSE_S = 60.0
_TOKEN_REFUSED_S = 3_600.0
_AWAY_RETRY_S = 60.0
_AWAY = frozenset({FetchReason.CONNECT, FetchReason.DNS, FetchReason.TLS})
# These come of an address that is wrong, or of a redirect: if it is the former, the circuit should open.
_SUSPECT = frozenset(
    {
        FetchReason.BAD_URL,
        FetchReason.FORBIDDEN_SCHEME,
        FetchReason.FORBIDDEN_ADDRESS,
        FetchReason.UNKNOWN_HOST,
        FetchReason.TLS_CERTIFICATE,
        FetchReason.BAD_REDIRECT,
        FetchReason.INSECURE_REDIRECT,
        FetchReason.TOO_MANY_REDIRECTS,
    }
)
_NOT_WANTED = frozenset({FetchReason.ROBOTS, FetchReason.NOAI})
_SAYS_NOTHING = frozenset({FetchReason.HOST_BUSY, FetchReason.ROBOTS_UNREACHABLE})
_MEDIA_TYPE = re.compile(r"\s*([A-Za-z0-9!#$&^_.+-]{1,100}/[A-Za-z0-9!#$&^_.+-]{1,100})")
_NO_HINTS = LimitHints(None, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What to do now.

    word       for the counts: 'ok', 'not-modified', 'absent', 'blocked' or the reason of a failure
    verdict    for the gate, with `pause_s` and `hints`
    answer     to keep; None: nothing, or what is kept is still right (`is_confirmed`)
    error      to raise, unless another try is made (`may_retry`)
    """

    word: str
    verdict: Verdict
    answer: NewAnswer | None = None
    is_confirmed: bool = False
    validators: tuple[str | None, str | None] = (None, None)
    error: ServiceError | None = None
    may_retry: bool = False
    pause_s: float = 0.0
    hints: LimitHints = field(default=_NO_HINTS)


def read_outcome(provider: str, request: Request, result: Fetched | NotModified | FetchError) -> Outcome:
    """Judge what a request brought."""
    if isinstance(result, NotModified):
        validators = (result.etag, result.last_modified)
        return Outcome(word="not-modified", verdict=Verdict.OK, is_confirmed=True, validators=validators)
    if isinstance(result, Fetched):
        return _read_answer(provider, request, result)
    if result.page is not None:
        return _read_page(provider, request, result, result.page)
    return _read_failure(provider, result)


def has_form(accept: str, body: bytes, *, media_type: str | None = None) -> bool:
    """True if a body may be what was asked for: JSON that is none, or HTML instead of XML, is not kept."""
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    is_page = media_type == "text/html" or start.startswith((b"<!doctype html", b"<html"))
    if "json" in accept:
        return _is_json(body)
    if "html" in accept:
        return start.startswith(b"<")
    return start.startswith(b"<") and not is_page if "xml" in accept else bool(body)


def _is_json(body: bytes) -> bool:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True


def _read_answer(provider: str, request: Request, fetched: Fetched) -> Outcome:
    hints = read_hints(fetched.headers)
    if block := find_block(fetched.status, fetched.headers, fetched.body):
        return _build_block(provider, block, hints)
    if not has_form(request.accept, fetched.body):
        message = f"sent {fetched.media_type or 'something'} where {request.accept} was asked for"
        error = AnswerFailedError(provider, "wrong-form", message)
        return Outcome(word="wrong-form", verdict=Verdict.FAILED, error=error, may_retry=True, hints=hints)
    answer = NewAnswer(
        status=fetched.status,
        media_type=fetched.media_type,
        body=fetched.body,
        etag=fetched.etag,
        last_modified=fetched.last_modified,
    )
    return Outcome(word="ok", verdict=Verdict.OK, answer=answer, hints=hints)


def _read_page(provider: str, request: Request, error: FetchError, page: ErrorPage) -> Outcome:
    """An answer with an error status."""
    hints = read_hints(page.headers)
    retry_after_s = parse_retry_after(page.headers.get("retry-after"), now=read_date_s(page.headers))
    if page.status == HTTPStatus.UNAUTHORIZED:
        reason = "it does not accept our token (401)"
        refused = ProviderUnavailableError(provider, reason, retry_after_s=_TOKEN_REFUSED_S)
        return Outcome(
            word="http-401", verdict=Verdict.NEUTRAL, error=refused, pause_s=_TOKEN_REFUSED_S, hints=hints
        )  # fmt: skip
    block = find_block(page.status, page.headers, page.body)
    if block and not (page.status in request.absent and not block.pause_s):
        return _build_block(provider, block, hints)
    if page.status in request.absent:
        return _read_absence(provider, request, page, hints)
    if page.status == HTTPStatus.TOO_MANY_REQUESTS:
        pause_s = _choose_pause(retry_after_s, hints.reset_s)
        limited = ProviderUnavailableError(provider, "it asks for a pause (429)", retry_after_s=pause_s)
        return Outcome(
            word="http-429", verdict=Verdict.LIMITED, error=limited, may_retry=True, pause_s=pause_s, hints=hints
        )
    return _read_status(provider, error, retry_after_s=retry_after_s, hints=hints)


def _read_status(provider: str, error: FetchError, *, retry_after_s: float | None, hints: LimitHints) -> Outcome:
    word = error.reason.value
    if not isinstance(error, FetchFailedError):
        refused = AnswerRefusedError(provider, word, str(error))
        return Outcome(word=word, verdict=Verdict.OK, error=refused, hints=hints)
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE and retry_after_s:
        away = ProviderUnavailableError(provider, "it asks for a pause (503)", retry_after_s=retry_after_s)
        return Outcome(
            word=word, verdict=Verdict.NEUTRAL, error=away, may_retry=True, pause_s=retry_after_s, hints=hints
        )
    failed = AnswerFailedError(provider, word, str(error))
    return Outcome(word=word, verdict=Verdict.FAILED, error=failed, may_retry=True, hints=hints)


def _read_absence(provider: str, request: Request, page: ErrorPage, hints: LimitHints) -> Outcome:
    """The provider has nothing there. A web server's own page says only that the address is wrong."""
    media_type = _get_media_type(page)
    if media_type == "text/html" and "html" not in request.accept:
        message = f"a page of HTML with status {page.status} where {request.accept} was asked for"
        error = AnswerFailedError(provider, "wrong-form", message)
        return Outcome(word="wrong-form", verdict=Verdict.FAILED, error=error, hints=hints)
    answer = NewAnswer(status=page.status, media_type=media_type, body=page.body)
    return Outcome(word="absent", verdict=Verdict.OK, answer=answer, hints=hints)


def _read_failure(provider: str, error: FetchError) -> Outcome:
    """No answer, or one that we did not take."""
    reason, word, message = error.reason, error.reason.value, str(error)
    if reason in _NOT_WANTED:
        return Outcome(word=word, verdict=Verdict.OK, error=BlockedError(f"{provider}: {message}"))
    if not isinstance(error, FetchFailedError):
        verdict = Verdict.FAILED if reason in _SUSPECT else Verdict.OK
        return Outcome(word=word, verdict=verdict, error=AnswerRefusedError(provider, word, message))
    verdict = Verdict.NEUTRAL if reason in _SAYS_NOTHING else Verdict.FAILED
    raised: ServiceError = AnswerFailedError(
        provider, word, message, retry_after_s=max(_AWAY_RETRY_S, error.retry_after_s)
    )
    if reason in _AWAY or reason is FetchReason.ROBOTS_UNREACHABLE:
        raised = ProviderUnavailableError(provider, message, retry_after_s=max(_AWAY_RETRY_S, error.retry_after_s))
    return Outcome(word=word, verdict=verdict, error=raised, may_retry=True)


def _build_block(provider: str, block: Block, hints: LimitHints) -> Outcome:
    # One that concerns a single title may be the first of many: in a row they open the circuit.
    verdict = Verdict.NEUTRAL if block.pause_s else Verdict.FAILED
    error = BlockedError(f"{provider}: {block.why}")
    return Outcome(word="blocked", verdict=verdict, error=error, pause_s=block.pause_s, hints=hints)


def _choose_pause(retry_after_s: float | None, reset_s: float | None) -> float:
    """What it asks for; a second at least, since 'in 0 seconds' was too early just now."""
    asked_s = retry_after_s if retry_after_s is not None else reset_s
    return max(1.0, _DEFAULT_PAUSE_S if asked_s is None else asked_s)


def _get_media_type(page: ErrorPage) -> str | None:
    match = _MEDIA_TYPE.match(page.headers.get("content-type", ""))
    return match[1].lower() if match else None
