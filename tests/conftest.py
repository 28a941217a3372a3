"""What every test may count on: no setting of the developer's shell or `.env` reaches it, and no model hub is asked.

One gap: programs that a test starts in the project's folder read `.env` themselves. They are given their servers by
their tests, which goes before it.
"""

from __future__ import annotations

import os
from pathlib import Path

import structlog

from core.settings import Settings

_ROOT = Path(__file__).resolve().parents[1]


class _DotEnv(os.PathLike[str]):
    """`.env` of the current folder, as always, but for that of the project: it is the developer's."""

    def __fspath__(self) -> str:
        return os.devnull if Path.cwd() == _ROOT else ".env"


Settings.model_config["env_file"] = _DotEnv()  # type: ignore[typeddict-item]
# Servers and models of a test come from its fixtures, never from the shell that started pytest.
for _name in Settings.model_fields:
    os.environ.pop(_name.upper(), None)
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# An error drawn with all variables of all frames takes up to ten seconds, and nobody reads it.
_plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _plain])
# Two test processes must not choose the same port in the moment before one of them listens on it (embedded/ports.py).
if _worker := os.environ.get("PYTEST_XDIST_WORKER"):
    _width = 12_000 // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    _first = 20_000 + int(_worker.removeprefix("gw")) * _width
    os.environ["AVS_PORTS"] = f"{_first}-{_first + _width - 1}"
