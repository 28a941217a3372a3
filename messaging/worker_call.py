"""A synchronous task of the query worker: arguments in, a result out, as a Celery task that Flower sees.

The caller does not use Celery's result consumer: that one opens a subscription for each call, is not safe between
threads and keeps retrying when Redis is away. Instead the ids of our tasks share a prefix, one subscription covers all
their results, and the worker's ordinary result message is read from it.

A caller belongs to one thread, a dispatcher's.
"""

from __future__ import annotations

import base64
import itertools
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import orjson
import redis
from celery.exceptions import TaskRevokedError
from kombu.exceptions import KombuError
from numpy.typing import NDArray
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.retry import Retry

from core.errors import DeadlineExceededError, DependencyUnavailableError
from core.settings import Settings
from messaging.app import create_sender
from messaging.names import QUEUE_QUERY, heartbeat_key

_SOCKET_TIMEOUT_S = 1.5
# How often a silent wait looks whether a worker is alive at all, and whether the result came past the subscription.
_LOOK_EVERY_S = 0.5
# Celery's name for the key, and the channel, of a task's result.
_RESULT_KEY = "celery-task-meta-"


@dataclass(frozen=True, slots=True)
class TaskCall:
    """A task with its arguments. `shown` is all that dashboards get to see of them: queries are people's own."""

    task: str
    kwargs: Mapping[str, Any]
    shown: str


def ensure_in_time(deadline: float) -> None:
    """For the worker: raises DeadlineExceededError when nobody waits any more. `deadline` in epoch seconds."""
    late_s = time.time() - deadline
    if late_s > 0:
        raise DeadlineExceededError(f"the caller stopped waiting {late_s:.1f} s ago")


class WorkerCaller:
    """Sends tasks to the query worker and waits for their results. For one thread only."""

    def __init__(self, settings: Settings) -> None:
        self._app = create_sender(settings)
        self._redis = redis.Redis.from_url(
            settings.redis_url.get_secret_value(),
            socket_timeout=_SOCKET_TIMEOUT_S,
            socket_connect_timeout=_SOCKET_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._prefix = f"q-{uuid.uuid4().hex}-"
        self._numbers = itertools.count(1)
        self._replies: PubSub | None = None

    def call(self, call: TaskCall, timeout_s: float) -> Any:
        """The JSON result of the task, which also gets `deadline` (epoch seconds).

        Raises DependencyUnavailableError for `redis` or `query-worker`, DeadlineExceededError after `timeout_s`.
        """
        started = time.monotonic()
        try:
            self._subscribe()
            task_id = self._send(call, timeout_s)
            reply = self._wait(task_id, until=started + timeout_s)
            self._redis.delete(_RESULT_KEY + task_id)
        except (redis.RedisError, KombuError, OSError) as error:
            self._unsubscribe()
            raise DependencyUnavailableError("redis", type(error).__name__) from error
        return _read_reply(reply)

    def close(self) -> None:
        """Close the connections."""
        self._unsubscribe()
        self._redis.close()
        self._app.close()

    def _subscribe(self) -> None:
        """Make sure that the subscription is alive, and throw away replies for which nobody waits any more."""
        try:
            while self._replies is not None and self._replies.get_message() is not None:
                pass
        except (redis.RedisError, OSError):
            # Redis was restarted while we were idle: subscribe again, once.
            self._unsubscribe()
        if self._replies is None:
            replies: PubSub = self._redis.pubsub()  # type: ignore[no-untyped-call]
            replies.psubscribe(f"{_RESULT_KEY}{self._prefix}*")
            # Nothing may be sent before the server has confirmed the subscription.
            if replies.get_message(timeout=_SOCKET_TIMEOUT_S) is None:
                replies.close()
                raise redis.TimeoutError
            self._replies = replies

    def _unsubscribe(self) -> None:
        if self._replies is not None:
            self._replies.close()
            self._replies = None

    def _send(self, call: TaskCall, timeout_s: float) -> str:
        task_id = f"{self._prefix}{next(self._numbers)}"
        self._app.send_task(
            call.task,
            kwargs={**call.kwargs, "deadline": time.time() + timeout_s},
            task_id=task_id,
            kwargsrepr=call.shown,
            ignore_result=False,
            # Without a worker nothing is left for the next one but messages that it drops unread.
            expires=max(timeout_s, 1.0),
        )
        return task_id

    def _wait(self, task_id: str, *, until: float) -> bytes:
        wanted = (_RESULT_KEY + task_id).encode()
        look_at = time.monotonic() + _LOOK_EVERY_S
        while (now := time.monotonic()) < until:
            if now >= look_at:
                if (reply := self._look(task_id)) is not None:
                    return reply
                look_at = now + _LOOK_EVERY_S
            assert self._replies is not None
            message = self._replies.get_message(timeout=min(until, look_at) - now)
            if message is not None and message["type"] == "pmessage" and message["channel"] == wanted:
                data: bytes = message["data"]
                return data
        raise DeadlineExceededError("the query worker did not answer in time")

    def _look(self, task_id: str) -> bytes | None:
        """The result if it is stored already. Raises at once when no query worker is alive."""
        # Typed for clients that decode; ours does not.
        keys = [_RESULT_KEY + task_id, heartbeat_key(QUEUE_QUERY)]
        reply, alive = cast(list[bytes | None], self._redis.mget(keys))
        if reply is None and alive is None:
            raise DependencyUnavailableError("query-worker", "no worker of the queue 'query' is running")
        return reply


def pack_array(array: NDArray[Any], dtype: str) -> str:
    """An array for JSON: its bytes in base64."""
    return base64.b64encode(np.ascontiguousarray(array, dtype=dtype).tobytes()).decode("ascii")


def unpack_array(text: str, dtype: str) -> NDArray[Any]:
    """The inverse of `pack_array`, flat. Raises ValueError."""
    return np.frombuffer(base64.b64decode(text), dtype=dtype)


def _read_reply(reply: bytes) -> Any:
    answer = orjson.loads(reply)
    result = answer["result"]
    if answer["status"] != "SUCCESS":
        kind = result.get("exc_type", "unknown") if isinstance(result, dict) else "unknown"
        if kind in (DeadlineExceededError.__name__, TaskRevokedError.__name__):
            raise DeadlineExceededError("the query worker was too busy to begin in time")
        raise DependencyUnavailableError("query-worker", f"the task failed with {kind}")
    return result
