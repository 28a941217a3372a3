"""Sending hints. A hint that cannot be sent is logged, not raised: Postgres has the row, the reconciler sends again."""

from __future__ import annotations

from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from core.log import Event, Log

_log = Log("messaging")


class HintSender:
    """Sends tasks by name to their queues."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def send(self, task: str, **kwargs: Any) -> bool:
        """Send one hint; False if the broker is away."""
        try:
            self._app.send_task(task, kwargs=kwargs, ignore_result=True)
        except (OperationalError, RedisError, OSError) as error:
            _log.warning(Event.TASK_SEND_FAILED, task=task, reason=type(error).__name__)
            return False
        return True

    def queue_length(self, queue: str) -> int:
        """Messages that wait in a queue; 0 if the broker is away (then none of them can be relied on)."""
        try:
            with self._app.connection_for_read() as connection:
                return int(connection.default_channel.client.llen(queue))
        except (OperationalError, RedisError, OSError) as error:
            _log.warning(Event.TASK_SEND_FAILED, task="queue_length", reason=type(error).__name__)
            return 0
