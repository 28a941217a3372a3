"""The supervisor over the real servers, with small processes in place of the product's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from core.errors import ConfigurationError, ConflictError, DependencyUnavailableError
from embedded.addresses import POSTGRES, QDRANT, REDIS_BROKER, REDIS_CACHE, SERVICE_NAMES
from embedded.pidfiles import find_process
from embedded.plan import StackOptions
from embedded.state import Phase, load_state
from embedded.supervisor import Supervisor

ROOT = Path(__file__).resolve().parents[3]
LIMIT_S = 60.0

WEB = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["VECTOR_SERVICE_PORT"])), Handler).serve_forever()
"""
WORKER = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("grandchild", child.pid, flush=True)
time.sleep(600)
"""
RELEASE = """
import os, psycopg
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS released (at timestamptz DEFAULT now())")
    connection.execute("INSERT INTO released DEFAULT VALUES")
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a Procfile and its three programs."""
    folder = tmp_path_factory.mktemp("project")
    for name, code in (("web", WEB), ("worker", WORKER), ("release", RELEASE)):
        (folder / f"{name}.py").write_text(code)
    (folder / "Procfile").write_text(
        "release: python release.py\nweb: python web.py\nworker-embed: python worker.py --home $AVS_HOME\n"
    )
    return folder


def _build_options(project: Path, home: Path) -> StackOptions:
    return StackOptions(home=home, procfile=project / "Procfile")


@pytest.fixture(scope="module")
def stack(project: Path, new_home: Callable[[], Path]) -> Iterator[Supervisor]:
    """A stack that is ready."""
    with Supervisor(_build_options(project, new_home())) as running:
        running.wait_until_ready(limit_s=LIMIT_S)
        yield running


@pytest.fixture
def home(new_home: Callable[[], Path]) -> Path:
    """A folder of the test's own for a stack."""
    return new_home()


def _count_releases(stack: Supervisor) -> int:
    with psycopg.connect(stack.env["DATABASE_URL"]) as connection:
        row = connection.execute("SELECT count(*) FROM released").fetchone()
    assert row is not None
    return int(row[0])


def test_everything_runs_and_the_release_step_came_first(stack: Supervisor) -> None:
    """Servers and processes are up, the migrations ran once, and the state file says the same."""
    assert list(stack.snapshot().services) == [*SERVICE_NAMES, "web", "worker-embed"]
    assert _count_releases(stack) == 1
    state = load_state(Path(stack.env["AVS_HOME"]))
    assert state is not None
    assert state.ready
    assert state.phase is Phase.RUNNING
    assert all(entry.pid for entry in state.services.values())
    assert state.env == stack.env


@pytest.mark.parametrize("name", [*SERVICE_NAMES, "web", "worker-embed"])
def test_whatever_is_killed_comes_back(stack: Supervisor, name: str) -> None:
    """After kill -9 a process is started again at its address, and the stack is ready again."""
    before = stack.snapshot().services[name]
    stack.kill(name)
    stack.wait_until_running(name, limit_s=LIMIT_S, restarts=before.restarts + 1)
    after = stack.snapshot().services[name]
    assert after.pid != before.pid
    assert after.address == before.address
    stack.wait_until_ready(limit_s=LIMIT_S)


def test_killing_a_worker_leaves_no_grandchild(stack: Supervisor) -> None:
    """What a killed process had started itself is ended before it is started again."""
    pid = stack.snapshot().services["worker-embed"].pid
    assert pid is not None
    while not (children := psutil.Process(pid).children()):
        time.sleep(0.02)
    restarts = stack.snapshot().services["worker-embed"].restarts
    stack.kill("worker-embed")
    stack.wait_until_running("worker-embed", limit_s=LIMIT_S, restarts=restarts + 1)
    assert find_process(children[0].pid, started=children[0].create_time()) is None


def test_a_server_can_be_restarted_empty(stack: Supervisor) -> None:
    """`restart(wipe=True)` brings Redis back at its address without its data."""
    with redis.Redis.from_url(stack.env["REDIS_URL"]) as client:
        client.set("key", "value")
        restarts = stack.snapshot().services[REDIS_BROKER].restarts
        stack.restart(REDIS_BROKER, wipe=True)
        stack.wait_until_running(REDIS_BROKER, limit_s=LIMIT_S, restarts=restarts + 1)
        assert client.dbsize() == 0


def test_one_home_has_one_supervisor(stack: Supervisor, project: Path) -> None:
    """A second one is refused."""
    with pytest.raises(ConflictError), Supervisor(_build_options(project, Path(stack.env["AVS_HOME"]))):
        pass
    assert stack.is_running


def test_a_release_step_that_fails_ends_the_stack_with_its_log(home: Path) -> None:
    """Nothing of ours starts on a database that could not be migrated, and all servers are stopped."""
    (home / "Procfile").write_text("release: python -c 'raise SystemExit(\"no such table\")'\nweb: python x.py\n")
    with Supervisor(_build_options(home, home / "home")) as stack:
        with pytest.raises(DependencyUnavailableError, match="no such table"):
            stack.wait_until_ready(limit_s=LIMIT_S)
        assert "web" not in stack.snapshot().services
    assert stack.snapshot().phase is Phase.FAILED
    assert all(entry.pid is None for entry in stack.snapshot().services.values())
    assert load_state(home / "home") is None


def test_a_missing_procfile_is_an_error_before_anything_starts(home: Path) -> None:
    """The caller hears of it on entering, and nothing was started."""
    with pytest.raises(ConfigurationError), Supervisor(_build_options(home, home / "home")):
        pass


def test_a_second_start_uses_the_same_addresses_and_stops_in_order(project: Path, home: Path) -> None:
    """Ports stay over restarts; processes of ours stop first, then Qdrant, Postgres and Redis."""
    with Supervisor(_build_options(project, home)) as stack:
        stack.wait_until_ready(limit_s=LIMIT_S)
        first = dict(stack.env)
    with Supervisor(_build_options(project, home)) as stack:
        stack.wait_until_ready(limit_s=LIMIT_S)
        assert stack.env == first
        assert _count_releases(stack) == 2
        stack.request_stop()
        gone: list[str] = []
        while stack.is_running:
            gone += [n for n, entry in stack.snapshot().services.items() if entry.pid is None and n not in gone]
            time.sleep(0.001)
    order = [name for name in gone if name not in (REDIS_BROKER, REDIS_CACHE)]
    assert order.index(QDRANT) < order.index(POSTGRES) < len(gone)
    assert set(order[:2]) == {"web", "worker-embed"}
    assert set(gone[len(order) :]) <= {REDIS_BROKER, REDIS_CACHE}


_OWNER = """
import sys, time
from pathlib import Path
from embedded.plan import StackOptions
from embedded.supervisor import Supervisor
with Supervisor(StackOptions(home=Path(sys.argv[1]), procfile=Path(sys.argv[2]) / "Procfile")) as stack:
    stack.wait_until_ready(limit_s=60)
    print("ready", flush=True)
    time.sleep(120)
"""


def test_nothing_outlives_a_supervisor_that_was_killed(project: Path, home: Path) -> None:
    """kill -9 of the supervisor ends servers, processes and their children; no state is left that looks alive."""
    command = [sys.executable, "-c", _OWNER, str(home), str(project)]
    owner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True)
    assert owner.stdout is not None
    while "ready" not in owner.stdout.readline():
        assert owner.poll() is None
    family = psutil.Process(owner.pid).children(recursive=True)
    assert len(family) >= len(SERVICE_NAMES) + 4
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    assert load_state(home) is None


def _avs(*args: str, home: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *args],
        env={**os.environ, **env, "AVS_HOME": str(home)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_status_without_a_stack_is_exit_code_4(home: Path) -> None:
    """A script can tell that nothing runs, and `down` has nothing to do."""
    done = _avs("status", "--json", home=home, env={})
    assert done.returncode == 4
    assert json.loads(done.stdout)["phase"] == "stopped"
    assert _avs("down", home=home, env={}).returncode == 0


def test_status_and_down_work_on_a_stack_of_another_process(project: Path, home: Path) -> None:
    """`status --json` gives every address without a password; a second `up` is refused; `down` stops it all."""
    command = [sys.executable, "-c", _UP, str(home), str(project)]
    owner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True)
    try:
        assert owner.stdout is not None
        while "stack: ready" not in (line := owner.stdout.readline()):
            assert line
        done = _avs("status", "--json", home=home, env={})
        shown = json.loads(done.stdout)
        assert (done.returncode, shown["ready"]) == (0, True)
        assert {name for name, entry in shown["services"].items() if entry["address"]} == {*SERVICE_NAMES, "web"}
        assert json.loads((home / "addresses.json").read_text())["password"] not in done.stdout
        assert "web" in _avs("status", home=home, env={}).stdout
        second = _avs("up", home=home, env={})
        assert second.returncode == 1
        assert "already running" in second.stderr
        assert _avs("down", home=home, env={}).returncode == 0
        assert owner.wait(timeout=10) == 0
    finally:
        owner.kill()
        owner.wait()


REFUSING = """
import json, sys
print(json.dumps({"event": "process_stopped", "reason": "TEXT_EMBEDDING_MODEL='typo' cannot be loaded"}))
sys.exit(3)
"""


def test_a_wrong_setting_ends_a_starting_stack_with_its_reason(home: Path, tmp_path: Path) -> None:
    """A worker that ends with exit code 3 is not started for ever: the stack ends at once, says why, and leaves 3."""
    (tmp_path / "refusing.py").write_text(REFUSING)
    (tmp_path / "Procfile").write_text("worker-query: python refusing.py\n")
    done = subprocess.run(
        [sys.executable, "-c", _UP, str(home), str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=100,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr == "avs: worker-query: TEXT_EMBEDDING_MODEL='typo' cannot be loaded\n"
    value = json.loads((home / "state.json").read_text())
    assert value["phase"] == "failed"
    assert value["failure"].endswith("TEXT_EMBEDDING_MODEL='typo' cannot be loaded")
    assert value["services"]["worker-query"]["restarts"] == 0


REFUSING_ONCE = """
import pathlib, sys, time
order = pathlib.Path("refuse")
while not order.exists():
    time.sleep(0.05)
order.unlink()
sys.exit(3)
"""


def test_a_stack_that_was_ready_starts_such_a_process_again(home: Path, tmp_path: Path) -> None:
    """Settings that have worked once are not blamed: exit code 3 is then a death like any other."""
    (tmp_path / "web.py").write_text(WEB)
    (tmp_path / "worker.py").write_text(REFUSING_ONCE)
    (tmp_path / "Procfile").write_text("web: python web.py\nworker-embed: python worker.py\n")
    with Supervisor(_build_options(tmp_path, home)) as stack:
        stack.wait_until_ready(limit_s=LIMIT_S)
        (tmp_path / "refuse").touch()
        stack.wait_until_running("worker-embed", limit_s=LIMIT_S, restarts=1)
        assert stack.is_running


# `avs up` with another Procfile.
_UP = """
import os, sys
from pathlib import Path
import cli.stack
from cli.main import run
from embedded.plan import StackOptions
cli.stack.StackOptions = lambda home: StackOptions(home=home, procfile=Path(sys.argv[2]) / "Procfile")
os.environ["AVS_HOME"] = sys.argv[1]
sys.exit(run(["up"]))
"""
