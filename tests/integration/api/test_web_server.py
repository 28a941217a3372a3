"""The API as it is served: gunicorn with our configuration, called over the wire by `avs search` and by threads."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.usefixtures("worker")
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        free: int = server.getsockname()[1]
        return free


@pytest.fixture
def web(build_env: Callable[..., dict[str, str]], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """gunicorn as the Procfile starts it."""
    command = [sys.executable, "-m", "gunicorn", "--config", "api/gunicorn_config.py", "api.wsgi:app"]
    env = build_env(VECTOR_SERVICE_PORT=str(port), LOG_LEVEL="WARNING", QUERY_DEADLINE_S="10")
    process = subprocess.Popen(command, cwd=ROOT, env=env)
    try:
        _wait_until_live(process, port)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_until_live(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(300):
        assert process.poll() is None, "gunicorn ended"
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=1).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    pytest.fail("gunicorn does not answer")


def test_a_hundred_clients_at_once(web: subprocess.Popen[bytes], port: int) -> None:
    """A hundred connections with different searches are all answered, and no error is among them."""

    def ask(number: int) -> int:
        body = {"query": f"search number {number}", "limit": 5}
        return httpx.post(f"http://127.0.0.1:{port}/api/v1/search", json=body, timeout=60).status_code

    with ThreadPoolExecutor(100) as pool:
        assert set(pool.map(ask, range(200))) == {200}
    stats = httpx.get(f"http://127.0.0.1:{port}/stats", timeout=10).json()["search"]
    assert stats["embedding"]["calls"] < stats["embedding"]["keys"]


def test_the_command_line_searches_over_http(
    web: subprocess.Popen[bytes], port: int, build_env: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    """`avs search --json` prints the API's answer; a wrong filter is exit code 2 and says which."""
    env = build_env(VECTOR_SERVICE_PORT=str(port), AVS_HOME=str(tmp_path))

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cli.main", "search", *args]
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)

    good = run("robot boy", "--limit", "3", "--json", "--filter", "year=1900..2030", "--vector", "title_vector")
    assert good.returncode == 0, good.stderr
    assert len(json.loads(good.stdout)["results"]) == 3
    table = run("robot boy", "--limit", "3")
    assert table.returncode == 0
    assert "found in" in table.stdout
    bad = run("robot boy", "--filter", "colour=red")
    assert bad.returncode == 2
    assert "filters.colour" in bad.stderr
    assert run("robot boy", "--limit", "0").returncode == 2


def test_without_a_server_the_command_says_so(
    port: int, build_env: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    """Exit code 4 and the way to start one."""
    env = build_env(VECTOR_SERVICE_PORT=str(port), AVS_HOME=str(tmp_path))
    command = [sys.executable, "-m", "cli.main", "search", "robot"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 4
    assert "avs up" in done.stderr


def test_a_stop_lets_running_requests_end(web: subprocess.Popen[bytes], port: int) -> None:
    """SIGTERM under load: every request that was taken is answered whole, and the process ends by itself."""
    stop, answers = threading.Event(), []

    def ask(number: int) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            count = 0
            while not stop.is_set():
                try:
                    body = {"query": f"stop {number} {count}", "limit": 3}
                    answers.append(client.post("/api/v1/search", json=body).status_code)
                except (httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError):
                    return  # refused, or an idle connection closed: not a request that was taken
                count += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    while len(answers) < 20:
        time.sleep(0.05)
    os.kill(web.pid, signal.SIGTERM)
    assert web.wait(timeout=30) == 0
    stop.set()
    for thread in threads:
        thread.join(timeout=30)
    assert set(answers) == {200}
