"""schemathesis drives every documented operation over the wire, by what /openapi.json says of it.

`make test` sends requests that are the same each time; `make fuzz` goes on with a new seed each time, which it prints,
and takes the options of `schemathesis run`. Every answer has to be one that the document names, by status, type,
headers and schema: no 5xx, 503 included, since all servers are there. The index is a throw-away one, so titles may be
deleted.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
import pytest

from core.keys import Role, build_token
from storage.database.keys import KeyRepository
from storage.database.session import Database

pytestmark = pytest.mark.usefixtures("worker")
ROOT = Path(__file__).resolve().parents[4]
HERE = Path(__file__).parent
ARGS = os.environ.get("FUZZ_ARGS")
# The same requests each time, few enough for every run of the tests.
BRIEF = ("--generation-deterministic", "--max-examples", "12", "--phases", "examples,coverage,fuzzing,stateful")
LONG = ("--phases", "examples,coverage,fuzzing,stateful", "--max-time", "300")


@dataclass(frozen=True)
class Served:
    """A service that needs keys, and a key for everything."""

    url: str
    token: str
    log: Path


@pytest.fixture(scope="module")
def served(build_env: Callable[..., dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """gunicorn as the Procfile starts it, with keys and without limits of rate."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    env = build_env(
        VECTOR_SERVICE_PORT=str(port),
        API_AUTH="required",
        RATE_LIMIT_KEY="none",
        TRUSTED_PROXIES="1",
        LOG_LEVEL="WARNING",
        QUERY_DEADLINE_S="30",
        IMPORT_ROOT=str(tmp_path_factory.mktemp("imports")),
        MEDIA_PATH=str(tmp_path_factory.mktemp("media")),
    )
    log = tmp_path_factory.mktemp("web") / "log"
    command = [sys.executable, "-m", "gunicorn", "--config", "api/gunicorn_config.py", "api.wsgi:app"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=out)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(process, url, log)
            yield Served(url, _add_key(env["DATABASE_URL"]), log)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _add_key(database_url: str) -> str:
    database = Database(database_url)
    key_id, token, secret_hash = build_token()
    KeyRepository(database).add(key_id, name="fuzz", role=Role.ADMIN, secret_hash=secret_hash)
    database.close()
    return token


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    for _ in range(300):
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/health/ready", timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass  # not there yet
        time.sleep(0.1)
    pytest.fail("gunicorn does not become ready")


def _fuzz(served: Served, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{served.url}/openapi.json", "--no-color", *options),
    ]
    # What it prints is the report: pytest keeps it for a failure, and `make fuzz` shows it as it comes.
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "FUZZ_KEY": served.token, **env}, text=True, check=False
    )


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /api/v1/suggest?q=" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 9_000 + b"\r\n\r\n", 431),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX Y: 1\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: a\x00b\r\n\r\n", 400),
        (b"GET /health HTTP/9.9\r\nHost: localhost\r\n\r\n", 400),
        (b"no request at all\r\n\r\n", 400),
        (b"POST /api/v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /api/v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
    ],
    ids=["long address", "long header", "name of a header", "NUL", "version", "noise", "negative", "two lengths"],
)
def test_what_no_application_sees_is_refused_in_the_same_form(
    served: Served, request_bytes: bytes, status: int
) -> None:
    """Requests that are no HTTP get a problem document from the web server, and the connection ends."""
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(request_bytes)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    problem = orjson.loads(body)
    assert head.split(b"\r\n")[0].split()[1] == str(status).encode()
    assert b"\r\nContent-Type: application/problem+json" in head
    assert problem["status"] == status
    assert f"X-Request-ID: {problem['request_id']}".encode() in head


@pytest.mark.skipif(ARGS is not None, reason="make fuzz")
@pytest.mark.timeout(900)
def test_the_service_keeps_what_its_document_promises(served: Served) -> None:
    """Examples, edges, random values and sequences of calls get answers that the document names, and no 5xx."""
    done = _fuzz(served, *BRIEF, FUZZ_BRIEFLY="1")
    assert done.returncode == 0, served.log.read_text()[-10_000:]


@pytest.mark.skipif(ARGS is None, reason="for make fuzz")
@pytest.mark.timeout(0)
def test_the_service_keeps_it_for_long(served: Served) -> None:
    """The same for as long as `make fuzz ARGS="--max-time SECONDS"` says, with all fields and a new seed."""
    done = _fuzz(served, *LONG, *shlex.split(ARGS or ""))
    assert done.returncode == 0, served.log.read_text()[-10_000:]
