"""Asking one provider: a kept answer if it is fresh, else a request with leave, kept before anybody reads it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from core.errors import DependencyUnavailableError
from core.log import Event, Log
from enrichment.asking.errors import AnswerFailedError
from enrichment.asking.outcomes import Outcome, read_outcome
from enrichment.providers.base import Answer, ProviderInfo, ProviderUnavailableError, Request
from fetching import Fetched, Fetcher, FetchError, NotModified
from fetching.waiting import draw_backoff
from storage.database.answers import AnswerRepository, Asked, StoredAnswer
from storage.provider_gate import Leave, ProviderGate

# Whether a provider may be asked now; `trial`: nobody knows whether it is back.
Readiness = Literal["ready", "trial", "away"]
_log = Log("asking")
# An error's page: enough for what it says, and for what block pages look like.
_ERROR_BYTES = 65_536
_SLEEP_S = 10.0
_MOST_PERIOD_S = 60.0
_LEASE_MARGIN_S = 15.0
# So many requests may be made when one comes back to a provider whose limit was used up.
_DROPS = 10
_SAME_ASKED_EVERY_S = 0.1
_REDIS_RETRY_S = 10.0
_STOPPED_RETRY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOptions:
    """Times are in seconds.

    timeout_s    longest wait for one answer, with its redirects
    max_bytes    largest answer, unpacked
    most_wait_s  longest wait for the limits in one call, while others ask as well
    patience_s   longest wait for the end of a pause or for a closed circuit: whoever has other work decides about more
    attempts     requests in one call while they fail in a way that may pass; each needs leave of its own
    backoff_s    bound of the first wait between them; it doubles up to most_backoff_s
    """

    timeout_s: float = 20.0
    max_bytes: int = 10_000_000
    most_wait_s: float = 90.0
    patience_s: float = 5.0
    attempts: int = 3
    backoff_s: float = 1.0
    most_backoff_s: float = 15.0


class ProviderClient:
    """Asks one provider. Thread-safe; all workers share its limits through the gate.

    `headers` are secret ones (a token): they go to the base URL's origin only, and are neither stored nor logged.
    """

    def __init__(
        self,
        info: ProviderInfo,
        base_url: str,
        fetcher: Fetcher,
        gate: ProviderGate,
        answers: AnswerRepository,
        *,
        headers: Mapping[str, str] | None = None,
        options: AskOptions | None = None,
        sleep: Callable[[float], object] | None = None,
        url_setting: str = "its base URL",
    ) -> None:
        self.info = info
        self._base_url = base_url.rstrip("/")
        self._fetcher = fetcher
        self._gate = gate
        self._answers = answers
        self._headers = dict(headers or {})
        self._options = options or AskOptions()
        self._url_setting = url_setting
        self._has_told_of_redirects = False
        self._stopping = threading.Event()
        self._sleep = sleep or self._stopping.wait

    def ask(self, request: Request, *, most_age_s: float) -> Answer:
        """The answer to a request: a kept one that is younger than `most_age_s`, else what the provider says now.

        Raises ProviderUnavailableError (the provider cannot be asked now), BlockedError (it keeps robots out),
        AnswerFailedError (this request failed and may work later), AnswerRefusedError (it would fail again), and
        DependencyUnavailableError when Postgres is away.
        """
        kept = self._answers.get(self.info.name, request.key)
        if kept is not None and kept.age_s < most_age_s:
            return _to_answer(request.key, kept)
        deadline = time.monotonic() + self._options.most_wait_s
        with self._alone(request, deadline) as renew:
            # Another worker may have asked the same while we waited for it.
            kept = self._answers.get(self.info.name, request.key)
            if kept is not None and kept.age_s < most_age_s:
                return _to_answer(request.key, kept)
            return self._ask_until(request, kept, deadline=deadline, renew=renew)

    def get_readiness(self) -> Readiness:
        """Whether the provider may be asked now: not while it is paused or left alone, and at first only to try.

        Raises DependencyUnavailableError when Redis is away.
        """
        state = self._gate.get_state(self.info.name, self.info.limits)
        if state.paused_s > 0 or state.circuit == "open":
            return "away"
        return "ready" if state.circuit == "closed" else "trial"

    def distrust(self, keys: Sequence[str]) -> None:
        """These answers were of no use (their shape has changed): ask again, whatever their age, the next time."""
        self._answers.distrust(self.info.name, keys)

    def stop(self) -> None:
        """The process is to end: who waits for leave gives up, and nobody is given leave any more."""
        self._stopping.set()

    def close(self) -> None:
        """Close idle connections. Clients may share them: another use opens them again."""
        self._fetcher.close()
        self._gate.close()

    def _ask_until(
        self, request: Request, kept: StoredAnswer | None, *, deadline: float, renew: Callable[[], None]
    ) -> Answer:
        """Requests until one is answered, or no other may be made."""
        failed: AnswerFailedError | None = None
        for attempt in range(1, self._options.attempts + 1):
            try:
                leave = self._wait_for_leave(deadline, renew)
            except ProviderUnavailableError:
                # It may be this very question that opened the circuit: it waits its turn, and another is the probe.
                if failed is not None:
                    raise failed from None
                raise
            outcome, latency_ms = self._send(request, kept)
            asked = Asked(outcome.word, latency_ms)
            answer = self._keep(request, kept, outcome, asked)
            self._settle(leave, outcome)
            if answer is not None:
                return answer
            if not outcome.may_retry or attempt == self._options.attempts:
                break
            failed = outcome.error if isinstance(outcome.error, AnswerFailedError) else None
            backoff_s = draw_backoff(attempt, base_s=self._options.backoff_s, most_s=self._options.most_backoff_s)
            self._sleep(0.0 if outcome.pause_s else backoff_s)
        if outcome.error is None:
            raise AnswerFailedError(self.info.name, outcome.word, "the kept answer is gone that was said to be right")
        raise outcome.error

    def _send(self, request: Request, kept: StoredAnswer | None) -> tuple[Outcome, float]:
        """One request; what it came to, and milliseconds."""
        started = time.perf_counter()
        redirects: list[str] = []
        # A POST has no conditions (RFC 9110 13.1).
        condition = kept if kept is not None and request.body is None and not _is_absence(kept) else None
        result: Fetched | NotModified | FetchError
        try:
            result = self._fetcher.fetch(
                self._base_url + request.path,
                etag=condition.etag if condition else None,
                last_modified=condition.last_modified if condition else None,
                max_bytes=self._options.max_bytes,
                timeout_s=self._options.timeout_s,
                accept=request.accept,
                headers={**self._headers, **request.headers},
                json=request.body,
                error_bytes=_ERROR_BYTES,
                on_redirect=redirects.append,
            )
        except FetchError as error:
            result = error
        self._charge(redirects)
        return read_outcome(self.info.name, request, result), (time.perf_counter() - started) * 1_000

    def _charge(self, redirects: Sequence[str]) -> None:
        """What a redirect led to was a request as well."""
        if not redirects:
            return
        if not self._has_told_of_redirects:
            self._has_told_of_redirects = True
            advice = f"each costs a request: if all of them lead there, change {self._url_setting}"
            url = redirects[-1].partition("?")[0]
            _log.warning(Event.PROVIDER_REDIRECTS, provider=self.info.name, url=url, advice=advice)
        try:
            self._gate.charge(self.info.name, self.info.limits, len(redirects))
        except DependencyUnavailableError as error:
            _log.warning(Event.DEPENDENCY_UNAVAILABLE, dependency=error.dependency, reason=error.reason)

    def _keep(self, request: Request, kept: StoredAnswer | None, outcome: Outcome, asked: Asked) -> Answer | None:
        """Store and count, in one transaction; the answer to give back, if there is one."""
        name = self.info.name
        if (new := outcome.answer) is not None:
            at = self._answers.put(name, request.key, new, asked=asked)
            return Answer(key=request.key, status=new.status, body=new.body, media_type=new.media_type, fetched_at=at)
        if outcome.is_confirmed and kept is not None:
            etag, last_modified = outcome.validators
            confirmed = self._answers.confirm(name, request.key, etag=etag, last_modified=last_modified, asked=asked)
            return None if confirmed is None else _to_answer(request.key, kept, at=confirmed)
        self._answers.count(name, asked)
        return None

    def _settle(self, leave: Leave, outcome: Outcome) -> None:
        """Tell the gate. What came is kept by now, so Redis being away takes nothing from it."""
        hints, pause_s = outcome.hints, outcome.pause_s
        reason = outcome.word if outcome.error is None else str(outcome.error)
        if not pause_s and hints.remaining == 0:
            # Somebody else asks by our address or token, too.
            pause_s, reason = self._choose_reset(hints.reset_s), "its limit is used up"
        try:
            self._gate.settle(
                self.info.name,
                self.info.limits,
                leave,
                outcome.verdict,
                reason=reason[:300],
                pause_s=pause_s,
                told_amount=hints.limit,
            )
        except DependencyUnavailableError as error:
            _log.warning(Event.DEPENDENCY_UNAVAILABLE, dependency=error.dependency, reason=error.reason)

    def _choose_reset(self, reset_s: float | None) -> float:
        """Until the next period: as told, else the longest that there is, of those that headers speak of."""
        longest_s = max(limit.period_s for limit in self.info.limits)
        return min(_MOST_PERIOD_S, longest_s) if reset_s is None else reset_s

    def _wait_for_leave(self, deadline: float, renew: Callable[[], None]) -> Leave:
        """Leave for one request. Raises ProviderUnavailableError if it does not come in time."""
        while True:
            self._check_going_on()
            try:
                leave = self._gate.take(self.info.name, self.info.limits)
                renew()
            except DependencyUnavailableError as error:
                raise self._build_gate_error(error) from error
            if leave.what == "go":
                return leave
            most_s = max(0.0, deadline - time.monotonic())
            if leave.wait_s > (most_s if leave.what == "limit" else min(most_s, self._options.patience_s)):
                raise self._build_refusal(leave)
            # A little more than asked, and not all of those who wait at the same moment.
            self._sleep(min(leave.wait_s, _SLEEP_S) + random.uniform(0.0, 0.01))  # noqa: S311 - no secret

    def _build_refusal(self, leave: Leave) -> ProviderUnavailableError:
        """Why nobody may ask now. Where a limit of a day is used up, not for the next drop: until a few have come."""
        wait_s = leave.wait_s
        if leave.what == "limit":
            scarcest = max(self.info.limits, key=lambda limit: limit.period_s / limit.amount)
            drops = min(_DROPS, scarcest.burst)
            wait_s = max(wait_s, drops * scarcest.period_s / scarcest.amount)
        why = leave.why or {"limit": "its limit is used up", "paused": "paused"}.get(leave.what, "circuit open")
        return ProviderUnavailableError(self.info.name, why, retry_after_s=wait_s)

    @contextmanager
    def _alone(self, request: Request, deadline: float) -> Iterator[Callable[[], None]]:
        """Be the only one who asks this, as long as the block runs and says so by calling what it is given."""
        name, life_s = self.info.name, self._options.timeout_s + _LEASE_MARGIN_S
        token = self._lease(request, deadline, life_s)
        try:
            yield lambda: self._gate.renew_lease(name, request.key, token, life_s=life_s)
        finally:
            try:
                self._gate.release_lease(name, request.key, token)
            except DependencyUnavailableError as error:
                # It ends by itself.
                _log.warning(Event.DEPENDENCY_UNAVAILABLE, dependency=error.dependency, reason=error.reason)

    def _lease(self, request: Request, deadline: float, life_s: float) -> str:
        while True:
            self._check_going_on()
            try:
                token = self._gate.try_lease(self.info.name, request.key, life_s=life_s)
            except DependencyUnavailableError as error:
                raise self._build_gate_error(error) from error
            if token is not None:
                return token
            if time.monotonic() > deadline:
                raise AnswerFailedError(self.info.name, "asked-elsewhere", "another worker asks the same")
            self._sleep(_SAME_ASKED_EVERY_S)

    def _check_going_on(self) -> None:
        if self._stopping.is_set():
            raise ProviderUnavailableError(self.info.name, "this process ends", retry_after_s=_STOPPED_RETRY_S)

    def _build_gate_error(self, error: DependencyUnavailableError) -> ProviderUnavailableError:
        reason = f"Redis is away ({error.reason}), so nobody knows what others ask"
        return ProviderUnavailableError(self.info.name, reason, retry_after_s=_REDIS_RETRY_S)


def _is_absence(kept: StoredAnswer) -> bool:
    return kept.status >= 400


def _to_answer(key: str, kept: StoredAnswer, *, at: datetime | None = None) -> Answer:
    """`fetched_at` is when the provider last said so."""
    fetched_at = at or kept.checked_at
    return Answer(key=key, status=kept.status, body=kept.body, media_type=kept.media_type, fetched_at=fetched_at)
