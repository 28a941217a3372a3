"""Who may ask a provider now: token buckets, pauses and a circuit, in the broker's Redis, one for all workers.

Invariant: nobody asks without leave, leave is given by one clock (that of Redis), and a Redis that has lost its memory
gives it as if a request had just been made. Without Redis nobody is given leave: who knows what the others ask.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.errors import DependencyUnavailableError
from core.log import Event, Log
from core.providers import Limit
from core.settings import Settings
from storage.provider_scripts import CHARGE, RELEASE, RENEW, RESUME, SETTLE, STATE, TAKE

_log = Log("provider-gate")
_PREFIX = "avs:provider"
# Headers that speak of a limit do not say of which period; providers that send them count by the minute.
_TOLD_PERIOD_S = 60.0


class Verdict(StrEnum):
    """What a request says about its provider. `neutral`: nothing, as when we refused the answer ourselves."""

    OK = "ok"
    FAILED = "failed"
    LIMITED = "limited"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    """How strict the gate is. Times are in seconds.

    margin          share of a limit that is used
    threshold       failures in a row that open the circuit
    open_s          how long it is open at first; doubles up to most_open_s
    probe_s         how long the one request of a half-open circuit is waited for
    learned_s       how long a smaller limit that a provider told us of is believed
    penalty_every_s the rate is made smaller at most this often, however many are refused at once
    """

    margin: float = 0.95
    threshold: int = 5
    open_s: float = 30.0
    most_open_s: float = 600.0
    probe_s: float = 60.0
    learned_s: float = 4 * 3_600.0
    penalty_every_s: float = 60.0
    least_factor: float = 0.1


@dataclass(frozen=True, slots=True)
class Leave:
    """`what` is 'go' for leave to make one request, which must end in `settle`; else why not, and for how long."""

    what: Literal["go", "limit", "paused", "circuit"]
    wait_s: float
    why: str
    is_probe: bool


@dataclass(frozen=True, slots=True)
class Bucket:
    """A limit as it is now. `left`: requests that may be made at once; `amount`, `a_second`: with what was learned."""

    limit: Limit
    left: float
    a_second: float
    amount: float


@dataclass(frozen=True, slots=True)
class GateState:
    """How things stand with a provider. Seconds are 0 where nothing is waited for."""

    paused_s: float
    pause_reason: str | None
    circuit: Literal["closed", "open", "half-open"]
    circuit_s: float
    circuit_reason: str | None
    failures: int
    buckets: tuple[Bucket, ...]


class ProviderGate:
    """Gives leave to ask. Thread-safe; every method is one round trip and raises DependencyUnavailableError."""

    def __init__(self, settings: Settings, *, options: GateOptions | None = None, timeout_s: float = 2.0) -> None:
        self._options = options or GateOptions()
        self._redis = redis.Redis.from_url(
            settings.redis_url.get_secret_value(),
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            # Once more on a connection that died while it lay idle; a token taken twice is a request less.
            retry=Retry(NoBackoff(), 1),
            decode_responses=True,
        )
        self._take = self._redis.register_script(TAKE)
        self._charge = self._redis.register_script(CHARGE)
        self._settle = self._redis.register_script(SETTLE)
        self._state = self._redis.register_script(STATE)
        self._resume = self._redis.register_script(RESUME)
        self._renew = self._redis.register_script(RENEW)
        self._release = self._redis.register_script(RELEASE)

    def take(self, provider: str, limits: Sequence[Limit]) -> Leave:
        """Take a token of every limit, or none of any."""
        arguments = [self._options.margin, self._options.probe_s, *_flatten(limits)]
        what, wait_s, why, is_probe = self._run(self._take, _build_key(provider), arguments)
        return Leave(what, float(wait_s), why, bool(int(is_probe)))

    def settle(
        self,
        provider: str,
        limits: Sequence[Limit],
        leave: Leave,
        verdict: Verdict,
        *,
        reason: str = "",
        pause_s: float = 0.0,
        told_amount: float | None = None,
    ) -> None:
        """Tell how a request ended. `pause_s`: nobody asks for so long; `told_amount`: X-RateLimit-Limit."""
        options = self._options
        told_of = min(limits, key=lambda limit: abs(limit.period_s - _TOLD_PERIOD_S))
        arguments = [
            verdict.value,
            int(leave.is_probe),
            reason,
            pause_s,
            options.threshold,
            options.open_s,
            options.most_open_s,
            options.learned_s,
            options.penalty_every_s,
            options.least_factor,
            _name(told_of),
            told_of.amount,
            told_amount or 0,
        ]
        changes = [float(value) for value in self._run(self._settle, _build_key(provider), arguments)]
        _log_changes(provider, reason, changes)

    def charge(self, provider: str, limits: Sequence[Limit], requests: int) -> None:
        """These were made without leave of their own: whoever asks next waits for as much longer."""
        self._run(self._charge, _build_key(provider), [self._options.margin, requests, *_flatten(limits)])

    def get_state(self, provider: str, limits: Sequence[Limit]) -> GateState:
        """How things stand, with the limits by which was asked last: `limits` only if nobody has. Changes nothing."""
        values = self._run(self._state, _build_key(provider), [self._options.margin, *_flatten(limits)])
        return _build_state(values)

    def get_states(self, limits: Mapping[str, Sequence[Limit]]) -> dict[str, GateState]:
        """How things stand with each provider. A round trip for each."""
        return {provider: self.get_state(provider, own) for provider, own in limits.items()}

    def resume(self, provider: str) -> None:
        """Forget pause, circuit and what was learned of limits: a person knows better. Buckets stay as they are."""
        self._run(self._resume, _build_key(provider), [])

    def try_lease(self, provider: str, request: str, *, life_s: float) -> str | None:
        """Be the only one who makes this request, for so long; returns a token to release it with, None: another is."""
        token = uuid.uuid4().hex
        try:
            held = self._redis.set(_build_lease_key(provider, request), token, nx=True, px=round(life_s * 1_000))
        except redis.RedisError as error:
            raise _to_unavailable(error) from error
        return token if held else None

    def renew_lease(self, provider: str, request: str, token: str, *, life_s: float) -> None:
        """Hold it for so long from now; nothing happens if it is lost: two ask then, which costs a request."""
        self._run(self._renew, _build_lease_key(provider, request), [token, round(life_s * 1_000)])

    def release_lease(self, provider: str, request: str, token: str) -> None:
        """Give it back; one that has become another's stays his."""
        self._run(self._release, _build_lease_key(provider, request), [token])

    def close(self) -> None:
        """Close the connections; another use opens them again."""
        self._redis.close()

    def _run(self, script: Any, key: str, arguments: list[Any]) -> Any:
        try:
            return script(keys=[key], args=arguments)
        except redis.RedisError as error:
            raise _to_unavailable(error) from error


def _build_key(provider: str) -> str:
    return f"{_PREFIX}:{{{provider}}}"


def _build_lease_key(provider: str, request: str) -> str:
    digest = hashlib.sha256(request.encode()).hexdigest()[:32]
    return f"{_PREFIX}-request:{{{provider}}}:{digest}"


def _name(limit: Limit) -> str:
    # Not by its amount: workers of two versions, or with two settings, still share what is left.
    return f"{limit.period_s:g}"


def _flatten(limits: Sequence[Limit]) -> list[Any]:
    return [value for limit in limits for value in (_name(limit), limit.amount, limit.period_s, limit.burst)]


def _build_state(values: list[Any]) -> GateState:
    paused_s, circuit_s = float(values[0]), float(values[2])
    buckets = []
    for start in range(6, len(values), 6):
        declared, period_s, burst, left, a_second, amount = (float(value) for value in values[start : start + 6])
        buckets.append(Bucket(Limit(declared, period_s, int(burst)), max(0.0, left), a_second, amount))
    is_open = bool(int(values[5]))
    return GateState(
        paused_s=paused_s,
        pause_reason=values[1] or None if paused_s else None,
        circuit="closed" if not is_open else "open" if circuit_s > 0 else "half-open",
        circuit_s=circuit_s,
        circuit_reason=values[3] or None if is_open else None,
        failures=int(float(values[4])),
        buckets=tuple(buckets),
    )


def _log_changes(provider: str, reason: str, changes: list[float]) -> None:
    opened_s, paused_s, factor, amount = changes
    if opened_s:
        _log.warning(Event.CIRCUIT_OPENED, host=provider, seconds=round(opened_s, 1), reason=reason)
    if paused_s:
        _log.warning(Event.PROVIDER_PAUSED, provider=provider, seconds=round(paused_s, 1), reason=reason)
    if factor or amount:
        _log.warning(Event.PROVIDER_LIMIT_CHANGED, provider=provider, factor=factor or None, told_amount=amount or None)


def _to_unavailable(error: redis.RedisError) -> DependencyUnavailableError:
    return DependencyUnavailableError("redis", type(error).__name__)
