"""A broker that accepts connections and says nothing."""

from __future__ import annotations

import socket

import pytest
from pydantic import SecretStr

from core.settings import Settings
from messaging.app import create_sender
from messaging.hints import HintSender
from messaging.names import QUEUE_EMBED, TASK_RUN_JOB


@pytest.mark.timeout(20)  # one consumer's socket timeout alone is 30 s
def test_a_hanging_broker_does_not_hold_who_sends() -> None:
    """A hint is given up after seconds, as with a broker that is away: whoever asked for a job waits no longer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = SecretStr(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        sender = HintSender(create_sender(Settings(_env_file=None, redis_url=url)))
        assert sender.send(TASK_RUN_JOB, job_id="x") is False
        assert sender.queue_length(QUEUE_EMBED) == 0
