"""Where log lines go."""

from __future__ import annotations

import io

import pytest
import structlog

from core.log import Event, Log, configure_logging
from core.settings import Settings


def test_a_line_goes_to_whatever_stderr_is_when_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever exchanges and closes stderr (a test runner, a redirection) breaks no log call that comes after."""
    before = structlog.get_config()
    first, second = io.StringIO(), io.StringIO()
    try:
        monkeypatch.setattr("sys.stderr", first)
        configure_logging(Settings(_env_file=None, log_format="json"))
        log = Log("test")
        log.info(Event.PROCESS_STARTED, number=1)
        monkeypatch.setattr("sys.stderr", second)
        first_lines = first.getvalue()
        first.close()
        log.info(Event.PROCESS_STARTED, number=2)
    finally:
        structlog.configure(**before)
    assert '"number": 1' in first_lines
    assert '"number": 2' in second.getvalue()
