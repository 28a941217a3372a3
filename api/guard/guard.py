"""The one judge of requests: by key, role, rate and quota. Knows WSGI and nothing of Flask, so both lanes ask it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from api.guard.keyring import REFRESH_S, KeyRing
from api.guard.tokens import get_address, is_meant_for_loopback, read_token
from api.guard.usage import UsageTally, get_seconds_left
from core.errors import (
    ForbiddenError,
    InvalidInputError,
    QuotaExceededError,
    RateLimitedError,
    ServiceError,
    UnauthorizedError,
)
from core.keys import Role
from core.log import Event, Log
from core.rates import Rate, Window, parse_rate
from core.settings import Settings
from search.chores import Chore, Chores
from storage.database.keys import ApiKey, KeyRepository
from storage.rate_limits import RateLimiter

# Refused requests of one address; those with a valid key are never counted here.
REFUSALS = Rate(60, 60)
_log = Log("guard")


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about one request: let it pass, unless there is an error.

    `name` is whom the request is counted for, None where nothing is counted.
    """

    error: ServiceError | None = None
    key: ApiKey | None = None
    name: str | None = None
    window: Window | None = None

    @property
    def headers(self) -> list[tuple[str, str]]:
        """How much is left of the limit, for the answer."""
        if self.window is None:
            return []
        return [
            ("RateLimit-Limit", str(self.window.rate.amount)),
            ("RateLimit-Remaining", str(self.window.remaining)),
            ("RateLimit-Reset", str(_round_up(self.window.reset_s))),
        ]


PASSED = Decision()


class Guard:
    """Judges requests. Building it connects to nothing; safe between threads."""

    def __init__(self, settings: Settings, *, keys: KeyRepository, limiter: RateLimiter) -> None:
        self._needs_key = settings.needs_keys
        self._is_local = settings.is_local
        self._key_rate = parse_rate(settings.rate_limit_key)
        self._open_rate = parse_rate(settings.rate_limit_open)
        self._limiter = limiter
        self._ring = KeyRing(keys)
        self._tally = UsageTally(keys)
        self._chores = Chores([Chore("keys", REFRESH_S, self.refresh, at_end=True)])

    def check(self, environ: Mapping[str, Any], least: Role | None) -> Decision:
        """Judge a request for a route that needs `least`; None: a public one, which always passes."""
        if least is None:
            return PASSED
        try:
            token = read_token(environ)
            return self._check_open(environ) if token is None else self._check_key(environ, token, least)
        except ServiceError as error:
            return Decision(error=error)

    def charge(self, decision: Decision, cost: int, *, field: str) -> Decision:
        """Count a request, of which one is counted already, as `cost` requests in all.

        Raises InvalidInputError that names `field` when the limit can never allow so many at once.
        """
        rate = None if decision.window is None else decision.window.rate
        if rate is not None and cost > rate.amount:
            raise InvalidInputError(field, f"counts as {cost} requests, and {rate} are allowed: send fewer at a time")
        if decision.name is None or cost <= 1:
            return decision
        return self._count(decision, rate, cost=cost - 1)

    def refresh(self) -> None:
        """Write down what keys asked for, and read those in use anew. Raises DependencyUnavailableError."""
        self._tally.flush()
        self._tally.note(self._ring.refresh())

    def close(self) -> None:
        """Write down what was counted and close the connections."""
        self._chores.close()
        self._limiter.close()

    def _check_open(self, environ: Mapping[str, Any]) -> Decision:
        if self._needs_key:
            raise self._refuse(environ, "no key")
        if self._is_local and not is_meant_for_loopback(environ):
            raise ForbiddenError("this service is open to its own machine alone: ask for it as localhost")
        if self._open_rate is None:
            return PASSED
        return self._count(Decision(name=f"address:{get_address(environ)}"), self._open_rate)

    def _check_key(self, environ: Mapping[str, Any], token: str, least: Role) -> Decision:
        # With the first key that is sent: a process that sees none has no thread for them.
        self._chores.start()
        key, fault = self._ring.find(token)
        if key is None:
            raise self._refuse(environ, fault)
        if not key.role.allows(least):
            _log.info(Event.REQUEST_REFUSED, status=403, key=key.id, role=key.role, least=least)
            raise ForbiddenError(f"the role of this key is {key.role}; this needs {least}")
        return self._count(Decision(key=key, name=f"key:{key.id}"), key.get_rate(self._key_rate))

    def _count(self, decision: Decision, rate: Rate | None, *, cost: int = 1) -> Decision:
        window = None
        if rate is not None and decision.name is not None:
            window = self._limiter.hit(decision.name, rate, cost=cost)
        if window is not None and not window.is_allowed:
            return self._limit(replace(decision, window=window), cost=cost)
        if decision.key is not None and not self._tally.add(decision.key, cost=cost):
            return replace(decision, window=window, error=_build_quota_error(decision.key))
        return replace(decision, window=window)

    def _limit(self, decision: Decision, *, cost: int) -> Decision:
        window = decision.window
        assert window is not None
        wait_s = _round_up(window.get_wait_s(cost))
        error = RateLimitedError(f"{window.rate} are allowed; come back in {wait_s} s", retry_after_s=wait_s)
        return replace(decision, error=error)

    def _refuse(self, environ: Mapping[str, Any], reason: str) -> ServiceError:
        """One answer for every reason: which it was is for the log."""
        window = self._limiter.hit(f"refused:{get_address(environ)}", REFUSALS)
        if window is not None and not window.is_allowed:
            wait_s = _round_up(window.get_wait_s())
            return RateLimitedError(
                f"too many requests without a valid key; come back in {wait_s} s", retry_after_s=wait_s
            )
        _log.info(Event.REQUEST_REFUSED, status=401, reason=reason)
        return UnauthorizedError("send a valid API key as `Authorization: Bearer` or as `X-API-Key`")


def _build_quota_error(key: ApiKey) -> QuotaExceededError:
    return QuotaExceededError(
        f"this key's {key.monthly_quota} requests a month are used up; the next month begins on the 1st at 00:00 UTC",
        retry_after_s=get_seconds_left(datetime.now(UTC)),
    )


def _round_up(seconds: float) -> int:
    """Whole seconds after which it is certain."""
    return max(1, math.ceil(seconds + 0.001))
