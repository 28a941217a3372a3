"""A process of ours, as a line of the Procfile says it: web, a worker, beat, Flower or the release step."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from core.errors import ConfigurationError
from embedded.http_probe import answers_ok
from embedded.procfile import build_command
from embedded.unit import Launch

_GRACE_S: Mapping[str, float] = {"worker-embed": 40.0, "worker-network": 30.0}
_DEFAULT_GRACE_S = 15.0


@dataclass(frozen=True, kw_only=True)
class AppProcess:
    """One Procfile line. `probe_url` is asked for readiness; a process without one is ready when it runs."""

    name: str
    line: str
    cwd: Path
    env: Mapping[str, str] = field(repr=False)
    address: str | None = None
    probe_url: str | None = None
    # A warm shutdown: gunicorn ends its requests, Celery its running tasks.
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    @property
    def grace_s(self) -> float:
        """Bulk workers may finish the batch that they hold; what is cut short is done again from its lease."""
        return _GRACE_S.get(self.name, _DEFAULT_GRACE_S)

    def prepare(self) -> Launch:
        """Resolve the program. Raises ConfigurationError when it is not installed."""
        command = build_command(self.line, env=self.env)
        program = shutil.which(command[0], path=self.env.get("PATH"))
        if program is None:
            raise ConfigurationError(f"{self.name}: there is no program {command[0]!r}")
        return Launch(command=(program, *command[1:]), cwd=self.cwd, env=self.env)

    def is_ready(self) -> bool:
        """True once the probe answers 200."""
        return self.probe_url is None or answers_ok(self.probe_url)
