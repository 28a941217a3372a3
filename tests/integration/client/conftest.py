"""The API as it is served: gunicorn over the small index of the API's tests, and clients of it."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from api.app import create_app
from client import Client, ClientError, RetryPolicy
from core.keys import Role, build_token
from storage.database.keys import KeyRepository
from storage.database.session import Database

ROOT = Path(__file__).resolve().parents[3]


def _load_fixtures(folder: str) -> Any:
    """The conftest of a neighbour. Test folders are no packages, so it is loaded by its path."""
    name = f"{folder}_fixtures_of_clients"
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "integration" / folder / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


_api, _admin = _load_fixtures("api"), _load_fixtures("admin")
# A small index behind a query worker, for searches through gunicorn.
index, build_env, start_worker, worker = _api.index, _api.build_env, _api.start_worker, _api.worker
# The whole write side in one process, for operators.
pipeline, workers, api = _admin.pipeline, _admin.workers, _admin.api

StartWeb = Callable[..., AbstractContextManager["Web"]]


class Web:
    """A web process on a port of its own."""

    def __init__(self, env: dict[str, str], port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start gunicorn as the Procfile does, and return when it answers."""
        command = [sys.executable, "-m", "gunicorn", "--config", "api/gunicorn_config.py", "api.wsgi:app"]
        self._process = subprocess.Popen(command, cwd=ROOT, env=self._env)
        for _ in range(600):
            assert self._process.poll() is None, "gunicorn ended"
            try:
                with Client(self.url, retries=0, timeout_s=2) as client:
                    client.is_alive()
                    return
            except ClientError:
                time.sleep(0.1)
        pytest.fail("gunicorn does not answer")

    def stop(self) -> None:
        """End it and wait for the end."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=30)


@pytest.fixture(scope="module")
def start_web(build_env: Callable[..., dict[str, str]]) -> StartWeb:
    """Run a web process for the length of a `with`; keyword arguments are variables of its environment."""

    @contextmanager
    def start(**more: str) -> Iterator[Web]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port: int = server.getsockname()[1]
        values = {"VECTOR_SERVICE_PORT": str(port), "LOG_LEVEL": "ERROR", "QUERY_DEADLINE_S": "10", **more}
        web = Web(build_env(**values), port)
        web.start()
        try:
            yield web
        finally:
            web.stop()

    return start


@pytest.fixture(scope="module")
def web(start_web: StartWeb, worker: None) -> Iterator[Web]:
    """A web process for the whole module, open to this machine."""
    with start_web() as running:
        yield running


@pytest.fixture(scope="module")
def guarded(start_web: StartWeb, worker: None) -> Iterator[Web]:
    """One that wants a key."""
    with start_web(API_AUTH="required") as running:
        yield running


@pytest.fixture
def client(web: Web) -> Iterator[Client]:
    """A client of it."""
    with Client(web.url) as made:
        yield made


@pytest.fixture
def add_key(index: Any) -> Iterator[Callable[..., str]]:
    """Make an API key; its text."""
    database = Database(index.settings.database_url.get_secret_value())

    def add(role: Role, **values: Any) -> str:
        key_id, token, secret_hash = build_token()
        KeyRepository(database).add(key_id, name="test", role=role, secret_hash=secret_hash, **values)
        return token

    yield add
    database.close()


@pytest.fixture
def operator(api: Any, workers: Any) -> Iterator[Client]:
    """A client of a web process with workers behind it."""
    server = make_server("127.0.0.1", 0, create_app(api), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with Client(f"http://127.0.0.1:{server.port}") as made:
            yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def patience() -> RetryPolicy:
    """Short waits, for as long as a web process may take to start on a busy machine."""
    return RetryPolicy(retries=1_000, deadline_s=180, first_wait_s=0.1, longest_wait_s=0.5)
