"""The one way out: fetch an address that somebody else chose, safely and politely."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import orjson
import tenacity

from core.settings import Settings
from fetching.addresses import AddressGuard
from fetching.breakers import BreakerState, HostBreakers
from fetching.deadlines import Deadline
from fetching.errors import (
    ErrorPage,
    FetchError,
    FetchFailedError,
    FetchReason,
    FetchRefusedError,
    build_error,
    reason_of_status,
)
from fetching.gates import Gates
from fetching.opening import Opener
from fetching.options import FetchOptions, build_options
from fetching.pool import ConnectionPool
from fetching.robots import MAX_ROBOTS_BYTES, RobotsKeeper
from fetching.transport import Reply, Transport
from fetching.urls import Target, join_redirect, parse_url
from fetching.waiting import draw_backoff, parse_retry_after
from fetching.wishes import refuses_use

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEEPING_METHOD = frozenset({307, 308})
# What a host answers that wants to be left alone for a while.
_PAUSES = frozenset({429, 503})
_MOST_VALIDATOR_CHARS = 1_024
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came. `body` is unpacked, `media_type` is what the host says (in lower case, no parameters): never proof.

    `elapsed_ms` is the time of the whole call, with waiting, redirects and robots.txt. Names of headers are in lower
    case.
    """

    url: str
    final_url: str
    status: int
    body: bytes
    media_type: str | None
    etag: str | None
    last_modified: str | None
    headers: Mapping[str, str]
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class NotModified:
    """The host says that what the caller has is still right. Validators are the new ones where it sends any."""

    url: str
    final_url: str
    etag: str | None
    last_modified: str | None
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class _Call:
    """What one attempt is made with."""

    headers: Mapping[str, str]
    private_headers: Mapping[str, str]
    max_bytes: int
    deadline: Deadline
    error_bytes: int = 0
    payload: bytes | None = None
    on_redirect: Callable[[str], object] = lambda _: None


class Fetcher:
    """Fetches with GET, or asks with POST. Thread-safe; keeps connections, so make one and keep it.

    Building it opens and starts nothing.

    >>> with Fetcher(FetchOptions(user_agent="Example/1.0 (+https://example.org/bot)")) as fetcher:
    ...     fetched = fetcher.fetch("https://example.org/cover.jpg")
    """

    def __init__(self, options: FetchOptions, *, opener: Opener | None = None) -> None:
        self._options = options
        self._opener = opener or Opener(
            AddressGuard(options.allowed_networks, setting=options.networks_setting),
            connect_timeout_s=options.connect_timeout_s,
            read_timeout_s=options.read_timeout_s,
        )
        self._transport = Transport(
            ConnectionPool(self._opener, most_idle=options.connections),
            user_agent=options.user_agent,
            read_timeout_s=options.read_timeout_s,
            resends=options.resends,
        )
        self._gates = Gates(in_all=options.connections, by_host=options.connections_by_host)
        self._breakers = HostBreakers(
            threshold=options.breaker_threshold, open_s=options.breaker_open_s, most_open_s=options.breaker_most_open_s
        )
        self._agent = options.user_agent.partition("/")[0].strip()
        self._robots = RobotsKeeper(self._load_robots, agent=self._agent, life_s=options.robots_life_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def fetch(
        self,
        url: str,
        *,
        etag: str | None = None,
        last_modified: str | None = None,
        max_bytes: int | None = None,
        timeout_s: float | None = None,
        accept: str = "*/*",
        headers: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
        error_bytes: int = 0,
        on_redirect: Callable[[str], object] = lambda _: None,
    ) -> Fetched | NotModified:
        """Fetch an address; `NotModified` only if `etag` or `last_modified` was given.

        `timeout_s` bounds one attempt, with its redirects and robots.txt, from the first connection to the last byte;
        there is one attempt unless the options say otherwise. `headers` are sent to the origin of `url` and to no
        other that it redirects to. With `json` it is a POST of that body, for questions (GraphQL): like a GET it may
        be sent again, but never to another origin. `on_redirect` is told each address that a redirect leads to, before
        it is asked: robots.txt and its redirects are not among them.
        Raises FetchRefusedError or FetchFailedError, whose `reason` is from the closed list; where a status was the
        reason, `page` has its headers and the first `error_bytes` bytes of its body.
        """
        started = time.perf_counter()
        target = parse_url(url)
        payload = None if json is None else orjson.dumps(json)
        sent = {"Accept": accept, **_build_conditions(etag, last_modified)}
        if payload is not None:
            sent["Content-Type"] = "application/json"

        def attempt() -> tuple[Target, Reply]:
            deadline = Deadline(timeout_s or self._options.timeout_s)
            limit = max_bytes or self._options.max_bytes
            return self._follow(target, _Call(sent, headers or {}, limit, deadline, error_bytes, payload, on_redirect))

        final, reply = attempt() if self._options.attempts == 1 else self._build_retrying()(attempt)
        elapsed_ms = (time.perf_counter() - started) * 1_000
        return _build_result(url, final, reply, elapsed_ms=elapsed_ms)

    def get_breaker_states(self) -> dict[str, BreakerState]:
        """Hosts that are left alone at present, for metrics."""
        return self._breakers.get_states()

    def close(self) -> None:
        """Close idle connections. Calls that run end as they would."""
        self._transport.close()

    def _build_retrying(self) -> tenacity.Retrying:
        options = self._options

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked_s = (isinstance(error, FetchFailedError) and error.asked_s) or 0.0
            drawn = draw_backoff(state.attempt_number, base_s=options.backoff_s, most_s=options.most_backoff_s)
            return max(drawn, asked_s)

        return tenacity.Retrying(
            # Who asks for a longer pause than we want to wait here gets it: the caller comes back later.
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, FetchFailedError) and error.retry_after_s <= options.most_backoff_s
            ),
            stop=tenacity.stop_after_attempt(options.attempts),
            wait=wait,
            reraise=True,
        )

    def _follow(self, target: Target, call: _Call) -> tuple[Target, Reply]:
        """Ask, and go where redirects lead: each hop is checked like the first."""
        first = target
        for hop in range(self._options.most_redirects + 1):
            if hop > 0:
                call.on_redirect(target.url)
            if self._options.respect_robots:
                self._robots.check(target, call.deadline)
            own = call.private_headers if target.origin == first.origin else {}
            reply = self._hop(target, {**call.headers, **own}, call)
            if reply.status not in _REDIRECTS:
                self._check(target, reply, call)
                return target, reply
            following = _get_next(target, reply)
            if call.payload is not None:
                _check_redirected_post(target, following, reply)
            target = following
        raise build_error(FetchReason.TOO_MANY_REDIRECTS, f"more than {self._options.most_redirects}")

    def _hop(self, target: Target, headers: Mapping[str, str], call: _Call, *, cut: bool = False) -> Reply:
        """One request, within the bounds and with leave of the host's circuit, which learns how it ended."""
        host = target.authority
        with self._gates.enter(host, most_wait_s=self._options.slot_wait_s) as waited_s:
            call.deadline.extend(waited_s)
            self._breakers.enter(host)
            try:
                reply = self._transport.send(
                    target,
                    headers=headers,
                    deadline=call.deadline,
                    max_bytes=call.max_bytes,
                    cut=cut,
                    error_bytes=call.error_bytes,
                    payload=call.payload,
                )
            except FetchFailedError:
                self._breakers.fail(host)
                raise
            except BaseException:
                self._breakers.leave(host)
                raise
            self._learn(host, reply)
            return reply

    def _learn(self, host: str, reply: Reply) -> None:
        pause_s = _get_pause(reply) if reply.status in _PAUSES else None
        if pause_s and self._options.pause_hosts:
            self._breakers.pause(host, pause_s)
        elif reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR or reply.status in _PAUSES:
            self._breakers.fail(host)
        else:
            self._breakers.succeed(host)

    def _check(self, target: Target, reply: Reply, call: _Call) -> None:
        asked = "If-None-Match" in call.headers or "If-Modified-Since" in call.headers
        if reply.body is None and not (reply.status == HTTPStatus.NOT_MODIFIED and asked):
            raise _build_status_error(target, reply)
        tags = reply.headers.get_all("X-Robots-Tag", [])
        if self._options.respect_robots and refuses_use(tags, agent=self._agent):
            raise FetchRefusedError(FetchReason.NOAI, f"X-Robots-Tag of {target.authority} refuses use")

    def _load_robots(self, target: Target, deadline: Deadline) -> str | None:
        """The text of an origin's robots.txt, as RobotsKeeper wants it."""
        call = _Call({"Accept": "text/plain,*/*;q=0.5"}, {}, MAX_ROBOTS_BYTES, deadline)
        hop = replace(target, path="/robots.txt")
        # Refused here, the picture would be refused as well: it lies at the same host.
        reply = self._hop(hop, call.headers, call, cut=True)
        try:
            for _ in range(self._options.most_redirects):
                if reply.status not in _REDIRECTS:
                    break
                hop = _get_next(hop, reply)
                reply = self._hop(hop, call.headers, call, cut=True)
        except FetchRefusedError:
            # Redirects that cannot be followed lead to no robots.txt (RFC 9309 2.3.1.2).
            return None
        if reply.body is not None:
            return reply.body.decode("utf-8-sig", "replace")
        if reply.status < HTTPStatus.INTERNAL_SERVER_ERROR and reply.status not in _PAUSES:
            return None
        raise _build_status_error(hop, reply)


def build_fetcher(settings: Settings, **overrides: Any) -> Fetcher:
    """A fetcher by the settings; `overrides` are fields of FetchOptions."""
    return Fetcher(replace(build_options(settings), **overrides))


def _build_status_error(target: Target, reply: Reply) -> FetchError:
    reason = reason_of_status(reply.status)
    message = f"{target.authority} answered {reply.status}"
    page = ErrorPage(reply.status, _lower_names(reply), reply.error_body)
    return build_error(reason, message, status=reply.status, retry_after_s=_get_pause(reply), page=page)


def _get_pause(reply: Reply) -> float | None:
    return parse_retry_after(reply.get_header("Retry-After"))


def _get_next(target: Target, reply: Reply) -> Target:
    location = reply.get_header("Location")
    if not location:
        raise build_error(FetchReason.BAD_REDIRECT, f"{reply.status} without a Location", status=reply.status)
    return join_redirect(target, location)


def _check_redirected_post(target: Target, following: Target, reply: Reply) -> None:
    """A body is sent again only as 307 and 308 say, and to nobody else; a GET instead of it would ask nothing."""
    if reply.status in _KEEPING_METHOD and following.origin == target.origin:
        return
    message = f"{target.authority} answered a POST with {reply.status} to {following.authority}"
    raise build_error(FetchReason.BAD_REDIRECT, message, status=reply.status)


def _lower_names(reply: Reply) -> dict[str, str]:
    return {name.lower(): value for name, value in reply.headers.items()}


def _build_conditions(etag: str | None, last_modified: str | None) -> dict[str, str]:
    wanted = {"If-None-Match": etag, "If-Modified-Since": last_modified}
    # What cannot be sent is not asked with: the answer is then the picture itself.
    return {name: value for name, value in wanted.items() if value and value.isascii() and value.isprintable()}


def _build_result(url: str, final: Target, reply: Reply, *, elapsed_ms: float) -> Fetched | NotModified:
    etag = reply.get_header("ETag", most_chars=_MOST_VALIDATOR_CHARS)
    last_modified = reply.get_header("Last-Modified", most_chars=_MOST_VALIDATOR_CHARS)
    if reply.body is None:
        return NotModified(url, final.url, etag, last_modified, elapsed_ms)
    media_type = (reply.get_header("Content-Type") or "").partition(";")[0].strip().lower()
    return Fetched(
        url=url,
        final_url=final.url,
        status=reply.status,
        body=reply.body,
        media_type=media_type if _MEDIA_TYPE.fullmatch(media_type) else None,
        etag=etag,
        last_modified=last_modified,
        headers=_lower_names(reply),
        elapsed_ms=elapsed_ms,
    )
