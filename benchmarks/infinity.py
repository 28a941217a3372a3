"""infinity-emb, the yardstick of (d): an embedding server with the same MiniLM, in a virtual environment of its own.

Its dependencies do not agree with ours, so it is installed beside them at the first use (about 5 GB, a few minutes).
It reads the model from the folder of the package that carries it and asks no hub.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import orjson

from benchmarks.processes import CpuReading, read_cpu
from benchmarks.stack import ROOT, stop_process
from embedded.ports import choose_port
from inference.model_files import MINILM, find_model

REQUIREMENTS = ("infinity-emb[torch,server]", "transformers<5", "typer<0.16", "click<8.2")
PATH = "/embeddings"
MODEL = "minilm"
DIMENSION = 384
_FOLDER = ROOT / "var" / "bench" / "infinity"
_INSTALL_LIMIT_S = 1_800
_START_LIMIT_S = 240.0
_POLL_S = 0.5


def ensure_environment(folder: Path = _FOLDER) -> Path:
    """The program in its virtual environment, installed if it is not there. Raises CalledProcessError."""
    venv = folder / ".venv"
    ready = folder / ".ready"
    if not ready.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, timeout=120)
        install = [str(venv / "bin" / "pip"), "install", "--quiet", *REQUIREMENTS]
        subprocess.run(install, check=True, timeout=_INSTALL_LIMIT_S)
        ready.touch()
    return venv / "bin" / "infinity_emb"


def build_body(text: str) -> bytes:
    """One text, as a client that searches would send it."""
    return orjson.dumps({"model": MODEL, "input": [text]})


def check_answer(body: str) -> None:
    """Raises ValueError unless the answer holds one vector of the model."""
    vectors = [entry["embedding"] for entry in json.loads(body)["data"]]
    if [len(vector) for vector in vectors] != [DIMENSION]:
        raise ValueError(f"infinity answered {[len(vector) for vector in vectors]} numbers")


class InfinityServer:
    """The server on a free port of loopback, for as long as the context is entered."""

    def __init__(self, *, log: Path) -> None:
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        program = ensure_environment()
        self.port = choose_port()
        command = [
            str(program),
            "v2",
            "--model-id",
            str(find_model(MINILM, revision="main").folder),
            "--served-model-name",
            MODEL,
        ]
        command += ["--device", "cpu", "--no-bettertransformer", "--host", "127.0.0.1", "--port", str(self.port)]
        env = {**os.environ, "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        with self._log.open("wb") as out:
            self._process = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.STDOUT)
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            stop_process(self._process)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            stop_process(self._process)

    def read_cpu(self) -> CpuReading:
        """CPU seconds of the server."""
        assert self._process is not None
        return read_cpu({"infinity": self._process.pid})

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_LIMIT_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                tail = self._log.read_text(errors="replace")[-2_000:]
                raise RuntimeError(f"infinity ended with {process.returncode}: {tail}")
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/health", timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(_POLL_S)
        raise TimeoutError(f"infinity does not answer after {_START_LIMIT_S:.0f} s")
