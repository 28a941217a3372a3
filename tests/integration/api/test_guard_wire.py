"""The guard over the wire, as gunicorn serves it: bodies without a length, keys in the log, keys made by `avs keys`."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.keys import build_token

ROOT = Path(__file__).resolve().parents[3]
MAX_BODY = 10_000


class Served:
    """A web process that needs keys, and `avs` beside it."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        self.env = env
        self.log = log
        self.port = int(env["VECTOR_SERVICE_PORT"])

    def avs(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run a command."""
        command = [sys.executable, "-m", "cli.main", *args]
        return subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=60, check=False)

    def create_key(self, *args: str) -> str:
        """A key that the command made."""
        done = self.avs("keys", "create", "--name", "wire", *args)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def get(self, path: str, token: str | None = None) -> httpx.Response:
        """One request."""
        headers = {"X-API-Key": token} if token else {}
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=10)

    def send(self, data: bytes) -> bytes:
        """The whole answer to these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(data)
            answer = b""
            while not _is_whole(answer) and (more := connection.recv(65_536)):
                answer += more
            return answer


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    return bool(end) and length is not None and len(body) >= int(length[1])


@pytest.fixture(scope="module")
def served(build_env: Callable[..., dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """gunicorn as the Procfile starts it, with keys required and a small limit of bodies."""
    folder = tmp_path_factory.mktemp("served")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    env = build_env(
        VECTOR_SERVICE_PORT=str(port),
        API_AUTH="required",
        MAX_BODY_BYTES=str(MAX_BODY),
        DEBUG="true",
        AVS_HOME=str(folder),
    )
    command = [sys.executable, "-m", "gunicorn", "--config", "api/gunicorn_config.py", "api.wsgi:app"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
        try:
            _wait_until_live(process, port)
            yield Served(env, folder / "log")
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_until_live(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "gunicorn ended"
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=1).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    pytest.fail("gunicorn does not answer")


def _build_chunked(token: str, body: bytes, *, path: str = "/api/v1/jobs", ends: bool = True) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {token}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    parts = [body[start : start + 1_000] for start in range(0, len(body), 1_000)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return head + chunks + (b"0\r\n\r\n" if ends else b"")


@pytest.mark.parametrize("ends", [True, False])
def test_a_body_without_a_length_is_bounded(served: Served, ends: bool) -> None:
    """A chunked body above the limit is a 413 problem, also one that never ends; a small one is read as ever."""
    token = served.create_key("--role", "editor")
    big = json.dumps({"kind": "index", "ids": ["x" * MAX_BODY * 2]}).encode()
    answer = served.send(_build_chunked(token, big, ends=ends))
    assert answer.startswith(b"HTTP/1.1 413 ") and b"application/problem+json" in answer
    small = served.send(_build_chunked(token, b'{"kind": "nonsense"}'))
    assert small.startswith(b"HTTP/1.1 422 ") and b'"field":"kind"' in small


def test_a_body_is_not_read_for_a_caller_without_a_key(served: Served) -> None:
    """The refusal comes before the body is looked at, however large it is said to be."""
    head = (
        b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 999999999\r\n\r\n"
    )
    assert served.send(head).startswith(b"HTTP/1.1 401 ")


def test_a_key_lives_from_create_to_revoke(served: Served) -> None:
    """`avs keys create` prints the key alone on stdout; it opens at once; `list` shows no secret; `revoke` ends it."""
    token = served.create_key("--role", "reader", "--quota", "100", "--rate", "50/minute", "--expires", "30")
    key_id = token.split("_")[1]
    assert served.get("/stats").status_code == 401
    first = served.get("/stats", token)
    assert (first.status_code, first.headers["RateLimit-Limit"]) == (200, "50")
    _wait_until(lambda: _find(served, key_id)["used_this_month"] == 1)
    listed = _find(served, key_id)
    assert (listed["role"], listed["state"], listed["monthly_quota"]) == ("reader", "active", 100)
    assert listed["last_used_at"] and listed["expires_at"]
    for shown in (served.avs("keys", "list").stdout, served.avs("keys", "list", "--json").stdout):
        assert key_id in shown and token[-64:] not in shown
    revoked = served.avs("keys", "revoke", key_id)
    assert revoked.returncode == 0
    _wait_until(lambda: served.get("/stats", token).status_code == 401)
    assert _find(served, key_id)["state"] == "revoked"


def test_the_command_line_sends_its_key(served: Served) -> None:
    """`avs search` uses AVS_API_KEY, and names it when it is missing."""
    without = served.avs("search", "robot")
    assert without.returncode != 0 and "AVS_API_KEY" in without.stderr
    token = served.create_key("--role", "reader")
    keyed = Served({**served.env, "AVS_API_KEY": token}, served.log).avs("search", "robot")
    # No query worker runs here: it got past the guard, to the search itself.
    assert "AVS_API_KEY" not in keyed.stderr and token not in keyed.stderr + keyed.stdout


@pytest.mark.parametrize(
    ("args", "code", "named"),
    [
        (("create", "--name", " ", "--role", "reader"), 2, "--name"),
        (("create", "--name", "a\x1b[2J", "--role", "reader"), 2, "--name"),
        (("create", "--name", "a", "--role", "owner"), 2, "--role"),
        (("create", "--name", "a"), 2, "--role"),
        (("create", "--name", "a", "--role", "reader", "--quota", "0"), 2, "--quota"),
        (("create", "--name", "a", "--role", "reader", "--rate", "lots"), 2, "--rate"),
        (("create", "--name", "a", "--role", "reader", "--expires", "0"), 2, "--expires"),
        (("revoke", "nobody"), 5, "nobody"),
    ],
)
def test_wrong_input_makes_no_key(served: Served, args: tuple[str, ...], code: int, named: str) -> None:
    """The option is named, the exit code says what kind of error it is, and nothing is stored."""
    before = _list_ids(served)
    done = served.avs("keys", *args)
    assert (done.returncode, done.stdout) == (code, "")
    assert named in done.stderr
    assert _list_ids(served) == before


def test_no_key_is_in_the_log_of_the_process(served: Served) -> None:
    """Right and wrong keys, in headers and in addresses, with debug logs on: none of them is written anywhere."""
    token, wrong = served.create_key("--role", "reader"), build_token()[1]
    for one in (token, wrong):
        for path in ("/stats", "/api/v1/jobs", "/nowhere", f"/stats?api_key={one}", f"/api/v1/jobs/{one}"):
            served.get(path, one)
        served.send(f"GET /stats?key={one} HTTP/9.9\r\nX-API-Key: {one}\r\n\r\n".encode())
    text = served.log.read_text()
    assert "unknown id" in text
    for one in (token, wrong):
        assert one not in text and one[-64:] not in text


def _list_ids(served: Served) -> list[str]:
    return [key["id"] for key in json.loads(served.avs("keys", "list", "--json").stdout)]


def _find(served: Served, key_id: str) -> dict[str, Any]:
    keys = json.loads(served.avs("keys", "list", "--json").stdout)
    return next(key for key in keys if key["id"] == key_id)


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.2)
