"""Is everything there that a search needs? All checks at once, each with a short time of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from threading import Lock

from api.problems import show_detail
from core.log import Event, Log

CHECK_TIMEOUT_S = 1.5
_log = Log("health")


@dataclass(frozen=True, slots=True)
class Check:
    """Something that raises when it is away. `required`: without it no search can be answered."""

    run: Callable[[], None]
    required: bool = True


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found. `ms` is None when it did not answer."""

    ok: bool
    required: bool
    ms: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The results by name."""

    checks: dict[str, CheckResult]

    @property
    def is_ready(self) -> bool:
        """True if nothing required is away."""
        return all(check.ok for check in self.checks.values() if check.required)

    @property
    def status(self) -> str:
        """ready; degraded when something optional is away; unavailable."""
        if not self.is_ready:
            return "unavailable"
        return "ready" if all(check.ok for check in self.checks.values()) else "degraded"


class HealthChecker:
    """Runs the checks side by side. A check that hangs is not started again until it has come back."""

    def __init__(self, checks: Mapping[str, Check], *, timeout_s: float = CHECK_TIMEOUT_S) -> None:
        self._checks = dict(checks)
        self._timeout_s = timeout_s
        self._pool = ThreadPoolExecutor(len(self._checks), thread_name_prefix="health")
        self._running: dict[str, Future[tuple[str | None, float]]] = {}
        self._lock = Lock()

    def check(self) -> HealthReport:
        """Ask all, and wait no longer than the timeout for any."""
        deadline = time.monotonic() + self._timeout_s
        futures = {name: self._start(name) for name in self._checks}
        return HealthReport({name: self._collect(name, future, deadline) for name, future in futures.items()})

    def close(self) -> None:
        """Start nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _start(self, name: str) -> Future[tuple[str | None, float]]:
        with self._lock:
            running = self._running.get(name)
            if running is None or running.done():
                running = self._running[name] = self._pool.submit(_run, name, self._checks[name])
            return running

    def _collect(self, name: str, future: Future[tuple[str | None, float]], deadline: float) -> CheckResult:
        required = self._checks[name].required
        try:
            reason, ms = future.result(max(0.0, deadline - time.monotonic()))
        except FutureTimeoutError:
            return CheckResult(False, required, None, f"no answer within {self._timeout_s:g} s")
        return CheckResult(reason is None, required, ms if reason is None else None, reason)


def _run(name: str, check: Check) -> tuple[str | None, float]:
    """Why the check failed, None when it did not, and how long it took in milliseconds."""
    started = time.perf_counter()
    try:
        check.run()
    except Exception as error:  # a report of what is away must not fall over what it finds
        _log.warning(Event.DEPENDENCY_UNAVAILABLE, dependency=name, reason=str(error))
        return show_detail(error), 0.0
    return None, round((time.perf_counter() - started) * 1_000, 2)
