"""Hints over a real Redis: they arrive in their queue, and a restart of Redis costs nothing but the hints."""

from __future__ import annotations

import json

import pytest
from pydantic import SecretStr

from core.settings import Settings
from embedded.services import EmbeddedServices
from messaging.app import create_celery
from messaging.hints import HintSender
from messaging.names import QUEUE_DEFAULT, QUEUE_EMBED, TASK_EMBED_CHUNK, TASK_RUN_JOB


@pytest.fixture
def sender(services: EmbeddedServices, redis_url: str) -> HintSender:
    """A sender over the embedded broker."""
    return HintSender(create_celery(Settings(_env_file=None, redis_url=SecretStr(redis_url))))


def test_hints_wait_in_the_queue_of_their_task(sender: HintSender) -> None:
    """Each task goes to its own queue, as JSON, and is counted there."""
    assert sender.queue_length(QUEUE_EMBED) == 0
    for _ in range(3):
        assert sender.send(TASK_EMBED_CHUNK, job_id="j", slugs=["a"], collection="c")
    assert sender.send(TASK_RUN_JOB, job_id="j")
    assert (sender.queue_length(QUEUE_EMBED), sender.queue_length(QUEUE_DEFAULT)) == (3, 1)
    with sender._app.connection_for_read() as connection:
        message = json.loads(connection.default_channel.client.lindex(QUEUE_DEFAULT, 0))
    assert message["headers"]["task"] == TASK_RUN_JOB and message["content-type"] == "application/json"


def test_a_restart_of_redis_costs_only_hints(sender: HintSender, fresh_services: EmbeddedServices) -> None:
    """Away, sending answers False and the queue counts as empty; back again and wiped, the same sender goes on."""
    assert sender.send(TASK_RUN_JOB, job_id="j")
    fresh_services.kill("redis-broker")
    assert sender.send(TASK_RUN_JOB, job_id="j") is False
    assert sender.queue_length(QUEUE_DEFAULT) == 0
    fresh_services.restart("redis-broker", wipe=True)
    assert any(sender.send(TASK_RUN_JOB, job_id="j") for _ in range(3))
    assert sender.queue_length(QUEUE_DEFAULT) >= 1
