"""How things stand with each provider: what the gate, the kept answers and the parts say, as JSON for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from core.errors import DependencyUnavailableError, NotFoundError
from core.providers import PROVIDER_LIMITS, why_not
from core.settings import Settings
from storage.database.answers import AnswerCounts, AnswerHealth, AnswerRepository
from storage.database.part_counts import PartCountRepository, PartCounts
from storage.database.session import Database
from storage.provider_gate import Bucket, GateState, ProviderGate

# Every other outcome of a request is an error.
_GOOD = frozenset({"ok", "not-modified", "absent"})


class ProviderHealthReader:
    """Reads the health of all providers. Building it connects to nothing."""

    def __init__(self, settings: Settings, database: Database, *, gate: ProviderGate | None = None) -> None:
        self._settings = settings
        self._gate = gate or ProviderGate(settings, timeout_s=1.0)
        self._answers = AnswerRepository(database)
        self._parts = PartCountRepository(database)

    def read(self) -> dict[str, Any]:
        """`gate`: 'ok' or why it cannot be told how things stand there; `providers`: all six, in our order.

        Raises DependencyUnavailableError when Postgres is away. Without Redis nobody asks, and that is said.
        """
        names = list(PROVIDER_LIMITS)
        health, parts = self._answers.load_health(names), self._parts.count()
        states: dict[str, GateState] = {}
        gate = "ok"
        try:
            states = self._gate.get_states(PROVIDER_LIMITS)
        except DependencyUnavailableError as error:
            gate = str(error)
        return {
            "gate": gate,
            "providers": [
                self._describe(name, health[name], parts.get(name, PartCounts()), states.get(name)) for name in names
            ],
        }

    def resume(self, name: str) -> None:
        """End a provider's pause and its circuit, and forget smaller limits: a person knows better.

        Raises NotFoundError for a name that is none, DependencyUnavailableError when Redis is away.
        """
        if name not in PROVIDER_LIMITS:
            raise NotFoundError("provider", name)
        self._gate.resume(name)

    def close(self) -> None:
        """Close the connections to Redis."""
        self._gate.close()

    def _describe(self, name: str, health: AnswerHealth, parts: PartCounts, state: GateState | None) -> dict[str, Any]:
        reason = why_not(self._settings, name)
        return {
            "name": name,
            "configured": reason is None,
            "why_not": reason,
            **_describe_gate(state),
            "hour": _describe_counts(health.hour),
            "day": _describe_counts(health.day),
            "newest_answer_at": _show(health.newest_at),
            "newest_answer_age_s": _get_age_s(health.newest_at),
            "answers": health.kept,
            "answers_bytes": health.kept_bytes,
            "parts": dict(sorted(parts.states.items())),
            "retry_at": _show(parts.retry_at),
        }


def _describe_gate(state: GateState | None) -> dict[str, Any]:
    """All is null while the gate cannot be asked."""
    if state is None:
        names = ("limits", "paused_s", "pause_reason", "circuit", "circuit_s", "circuit_reason", "failures")
        return dict.fromkeys(names)
    return {
        "limits": [_describe_bucket(bucket) for bucket in state.buckets],
        "paused_s": round(state.paused_s, 1),
        "pause_reason": state.pause_reason,
        "circuit": state.circuit,
        "circuit_s": round(state.circuit_s, 1),
        "circuit_reason": state.circuit_reason,
        "failures": state.failures,
    }


def _describe_bucket(bucket: Bucket) -> dict[str, Any]:
    return {
        "amount": bucket.limit.amount,
        "period_s": bucket.limit.period_s,
        "burst": bucket.limit.burst,
        "left": round(bucket.left, 2),
        "present_amount": bucket.amount,
        "present_per_minute": round(bucket.a_second * 60, 2),
    }


def _describe_counts(counts: AnswerCounts) -> dict[str, Any]:
    errors = sum(count for outcome, count in counts.outcomes.items() if outcome not in _GOOD)
    requests = counts.requests
    return {
        "since": _show(counts.since),
        "requests": requests,
        "errors": errors,
        "error_rate": round(errors / requests, 4) if requests else None,
        "latency_ms": round(counts.latency_ms / requests, 1) if requests else None,
        "outcomes": dict(sorted(counts.outcomes.items())),
    }


def _show(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None


def _get_age_s(at: datetime | None) -> float | None:
    return None if at is None else round(max(0.0, (datetime.now(UTC) - at).total_seconds()), 1)
