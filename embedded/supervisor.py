"""The supervisor: servers first, then migrations, then every process of the Procfile; restarts what dies.

One thread owns all of it. Everybody else sees snapshots and leaves requests:

    with Supervisor(StackOptions(home=folder)) as stack:
        stack.wait_until_ready(limit_s=90)
        stack.kill("worker-embed")                     # comes back by itself
        stack.restart("redis-broker", wipe=True)

Order of stopping: the processes of ours, then Qdrant, Postgres, Redis, each with its own time before SIGKILL.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from core.errors import ConfigurationError, DependencyUnavailableError, NotFoundError, ServiceError
from core.log import Event, Log
from embedded.addresses import POSTGRES, QDRANT, REDIS_BROKER, REDIS_CACHE, WEB
from embedded.app_process import AppProcess
from embedded.child import Child
from embedded.files import HomeLock
from embedded.http_probe import answers_ok
from embedded.keeper import Keeper
from embedded.pidfiles import end_leftovers
from embedded.plan import StackOptions, StackPlan, build_plan
from embedded.state import Phase, ProcessState, StackState, get_own_start, save_state
from embedded.unit import Unit
from embedded.watchdog import Watchdog

_TICK_S = 0.1
_READY_POLL_S = 1.0
_POLL_S = 0.05
_SERVERS_LIMIT_S = 120.0
_RELEASE_LIMIT_S = 300.0
_REQUEST_LIMIT_S = 120.0
# What our processes end with when a setting is wrong or a model cannot be loaded (`avs` has the same number).
EXIT_CONFIGURATION = 3
_SERVER_STOP_ORDER = ((QDRANT,), (POSTGRES,), (REDIS_CACHE, REDIS_BROKER))

_log = Log("supervisor")


class _Stop(Exception):  # noqa: N818 - ends the thread in good order, no error
    """Raised in the supervisor's thread when it was asked to stop while it was still starting."""


class Supervisor:
    """Runs one stack in one home. Enter the context to start it, leave it to stop it.

    Entering raises ConflictError when another supervisor owns the home, ConfigurationError for a bad Procfile or a
    port that is taken; later failures are in `snapshot().failure`.
    """

    def __init__(self, options: StackOptions) -> None:
        self._options = options
        self._home = options.home.absolute()
        self._lock = HomeLock(self._home)
        self._stopping = threading.Event()
        self._requests: queue.SimpleQueue[tuple[str, bool, Future[None]]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="supervisor")
        self._own_start = get_own_start()
        self._keepers: dict[str, Keeper] = {}
        self._phase = Phase.STARTING
        self._ready = False
        self._ready_asked_at = 0.0
        self._was_ready = False
        self._error: ServiceError | None = None
        self._saved: StackState | None = None

    def __enter__(self) -> Self:
        self._lock.acquire()
        try:
            end_leftovers(self._home)
            self._plan = build_plan(self._options)
            self._watchdog = Watchdog()
        except BaseException:
            self._lock.release()
            raise
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def env(self) -> dict[str, str]:
        """The variables with which a client joins the stack."""
        return dict(self._plan.env)

    @property
    def plan(self) -> StackPlan:
        """What this stack consists of; known once the context is entered."""
        return self._plan

    @property
    def is_running(self) -> bool:
        """False once everything has ended, on request or after a failure."""
        return self._thread.is_alive()

    @property
    def error(self) -> ServiceError | None:
        """What ended the stack, None as long as nothing has failed."""
        return self._error

    def snapshot(self) -> StackState:
        """The stack as it is now."""
        return StackState(
            phase=self._phase,
            ready=self._ready,
            failure=str(self._error) if self._error else None,
            supervisor_pid=os.getpid(),
            supervisor_started=self._own_start,
            services={name: keeper.status for name, keeper in list(self._keepers.items())},
            env=self._plan.env,
        )

    def request_stop(self) -> None:
        """Begin to stop; returns at once and may be called from a signal handler."""
        self._stopping.set()

    def close(self) -> None:
        """Stop everything and wait for it."""
        self.request_stop()
        if self._thread.is_alive():
            self._thread.join()
        self._lock.release()

    def wait_until_ready(self, *, limit_s: float) -> None:
        """Return once /health/ready answers 200. Raises DependencyUnavailableError when the stack fails or is late."""
        deadline = time.monotonic() + limit_s
        while not self._ready:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                reason = self._error or f"not ready after {limit_s:.0f} s"
                raise DependencyUnavailableError("stack", f"{reason}; see {self._home / 'logs'}")
            time.sleep(_POLL_S)

    def wait_until_running(self, name: str, *, limit_s: float, restarts: int = 0) -> None:
        """Return once a process runs and has been restarted at least so often. Raises DependencyUnavailableError."""
        deadline = time.monotonic() + limit_s
        while True:
            status = self.snapshot().services.get(name)
            if status is not None and status.state is ProcessState.RUNNING and status.restarts >= restarts:
                return
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise DependencyUnavailableError(name, str(self._error or f"not running after {limit_s:.0f} s"))
            time.sleep(_POLL_S)

    def kill(self, name: str) -> None:
        """`kill -9` one process, as the kernel might; the supervisor starts it again. NotFoundError if it is down."""
        status = self.snapshot().services.get(name)
        if status is None or status.pid is None:
            raise NotFoundError("running process", name)
        os.kill(status.pid, signal.SIGKILL)

    def restart(self, name: str, *, wipe: bool = False) -> None:
        """Stop one process in good order, delete a server's data if asked to, start it again; returns when started."""
        if name not in self._keepers or (wipe and name not in self._plan.servers):
            raise NotFoundError("server" if wipe else "process", name)
        done: Future[None] = Future()
        self._requests.put((name, wipe, done))
        done.result(timeout=_REQUEST_LIMIT_S)

    def _run(self) -> None:
        try:
            self._start_all()
            while not self._stopping.wait(_TICK_S):
                self._tick()
        except _Stop:
            pass
        except ServiceError as error:
            self._error = error
            _log.error(Event.PROCESS_STOPPED, process="supervisor", reason=str(error))
        except Exception as error:
            # Whatever it is, the children must be stopped and the caller must hear of it.
            self._error = ServiceError(f"{type(error).__name__}: {error}")
            _log.error(Event.PROCESS_STOPPED, error=error, process="supervisor")
        finally:
            self._stop_all()

    def _start_all(self) -> None:
        self._keep(self._plan.servers.values())
        self._wait_for_servers()
        if self._plan.release is not None:
            self._enter(Phase.MIGRATING)
            self._run_release(self._plan.release)
        self._keep(self._plan.apps)
        self._enter(Phase.RUNNING)

    def _keep(self, units: Iterable[Unit]) -> None:
        for unit in units:
            self._keepers[unit.name] = Keeper(self._build_child(unit))
            self._keepers[unit.name].start()

    def _build_child(self, unit: Unit) -> Child:
        return Child(unit, home=self._home, watchdog=self._watchdog)

    def _wait_for_servers(self) -> None:
        deadline = time.monotonic() + _SERVERS_LIMIT_S
        while pending := [k for k in self._keepers.values() if k.state is not ProcessState.RUNNING]:
            if time.monotonic() > deadline:
                raise pending[0].child.build_error(f"it does not answer after {_SERVERS_LIMIT_S:.0f} s")
            self._pause()

    def _run_release(self, step: AppProcess) -> None:
        child = self._build_child(step)
        child.start()
        deadline = time.monotonic() + _RELEASE_LIMIT_S
        try:
            while child.is_alive():
                if time.monotonic() > deadline:
                    raise child.build_error("the release step takes too long")
                self._pause()
            if child.exit_code != 0:
                raise child.build_error(f"the release step ended with status {child.exit_code}")
        finally:
            child.stop()

    def _pause(self) -> None:
        """Let a little time pass while starting, with everything else going on."""
        if self._stopping.wait(_POLL_S):
            raise _Stop
        self._tick()

    def _tick(self) -> None:
        self._serve_requests()
        for keeper in self._keepers.values():
            keeper.step()
        self._refuse_misconfigured()
        self._ask_readiness()
        self._save()

    def _refuse_misconfigured(self) -> None:
        """End a stack one of whose processes cannot start as it is set: starting it again changes nothing.

        A stack that was ready once has working settings; there the process is started again like any other.
        """
        if self._was_ready:
            return
        for name, keeper in self._keepers.items():
            status = keeper.status
            refused = status.state is ProcessState.WAITING and status.exit_code == EXIT_CONFIGURATION
            if refused and name not in self._plan.servers:
                raise ConfigurationError(f"{name}: {keeper.child.read_reason()}")

    def _ask_readiness(self) -> None:
        """The API says whether the whole is ready; asked seldom, since the answer costs it a look at every server."""
        web = self._keepers.get(WEB)
        if web is None or web.state is not ProcessState.RUNNING:
            self._ready = False
        elif time.monotonic() - self._ready_asked_at >= _READY_POLL_S:
            self._ready = answers_ok(f"{web.child.unit.address}/health/ready")
            self._ready_asked_at = time.monotonic()
            self._was_ready = self._was_ready or self._ready

    def _serve_requests(self) -> None:
        while not self._requests.empty():
            name, wipe, done = self._requests.get()
            try:
                self._restart(self._keepers[name], wipe=wipe)
            except Exception as error:
                done.set_exception(error)
            else:
                done.set_result(None)

    def _restart(self, keeper: Keeper, *, wipe: bool) -> None:
        keeper.child.stop()
        if wipe:
            self._plan.servers[keeper.name].wipe()
        keeper.restarts += 1
        keeper.start()

    def _stop_all(self) -> None:
        self._enter(Phase.STOPPING)
        self._ready = False
        self._stop_group([name for name in self._keepers if name not in self._plan.servers])
        for names in _SERVER_STOP_ORDER:
            self._stop_group(names)
        self._watchdog.close()
        self._enter(Phase.FAILED if self._error else Phase.STOPPED)

    def _stop_group(self, names: Iterable[str]) -> None:
        """Ask all of them first, so that their times to stop run side by side."""
        keepers = [self._keepers[name] for name in names if name in self._keepers]
        asked_at = time.monotonic()
        for keeper in keepers:
            keeper.child.ask_to_stop()
        for keeper in keepers:
            left_s = keeper.child.unit.grace_s - (time.monotonic() - asked_at)
            keeper.child.finish(timeout_s=max(left_s, 0.0))
            keeper.mark_stopped()
            self._save()

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._save()

    def _save(self) -> None:
        state = self.snapshot()
        if state == self._saved:
            return
        try:
            save_state(self._home, state)
        except OSError as error:
            # A full disk must not take the stack down with it; it is written again at the next change.
            _log.warning(Event.DEPENDENCY_UNAVAILABLE, dependency="disk", reason=str(error))
        self._saved = state
