"""What a worker does when it starts and while it lives: load its model before the first task, show a heartbeat."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import Any

import redis
import stamina
from celery.signals import worker_init, worker_ready, worker_shutting_down

from core.errors import DependencyUnavailableError, PermanentError
from core.log import Event, Log
from core.settings import Settings
from messaging.names import QUEUE_EMBED, QUEUE_QUERY, heartbeat_key

EXIT_CONFIGURATION = 3
EXIT_FAILURE = 1
HEARTBEAT_EVERY_S = 2.0
HEARTBEAT_LIFE_S = 10
# Beside bulk encoding at this niceness a query stays at 9 ms (median) instead of 34.
_BULK_NICENESS = 19
_log = Log("worker")


def connect(settings: Settings, services: Any) -> None:
    """Register the signal handlers. They are kept alive by `weak=False`."""
    stopping = threading.Event()

    def prepare(sender: Any, **_: Any) -> None:
        prepare_or_exit(sender.app.services, _queues_of(sender))

    def start_heartbeat(sender: Any, **_: Any) -> None:
        queues = _queues_of(sender.controller)
        _log.info(Event.PROCESS_STARTED, queues=sorted(queues))
        thread = threading.Thread(target=_beat, args=(settings, queues, stopping), name="heartbeat", daemon=True)
        thread.start()

    def stop(**_: Any) -> None:
        stopping.set()
        services.stop()

    worker_init.connect(prepare, weak=False)
    worker_ready.connect(start_heartbeat, weak=False)
    worker_shutting_down.connect(stop, weak=False)


def prepare_or_exit(services: Any, queues: Iterable[str]) -> None:
    """Prepare all queues. Raises SystemExit: with EXIT_CONFIGURATION if a person has to change something first.

    Celery logs what a signal's handler raises and works on; a worker without its model must end instead.
    """
    try:
        for queue in queues:
            prepare_queue(services, queue)
    except PermanentError as error:
        _log.error(Event.PROCESS_STOPPED, reason=str(error))
        raise SystemExit(EXIT_CONFIGURATION) from error
    except Exception as error:
        # A server that is away, or a fault that nobody foresaw: another start may fare better.
        _log.error(Event.PROCESS_STOPPED, reason=str(error), error=error)
        raise SystemExit(EXIT_FAILURE) from error


def prepare_queue(services: Any, queue: str) -> None:
    """Load what the queue's tasks need. A model that cannot be loaded ends the process with its reason."""
    if queue == QUEUE_QUERY:
        services.query_encoding.warm_up()
        services.picture_queries.warm_up()
    elif queue == QUEUE_EMBED:
        os.nice(max(0, _BULK_NICENESS - os.nice(0)))
        pictures, embedding = services.picture_embedding, services.embedding
        for attempt in stamina.retry_context(on=DependencyUnavailableError, attempts=20, timeout=60.0):
            with attempt:
                if pictures is not None:
                    pictures.ensure_generation()
                embedding.ensure_generation()


def _queues_of(worker: Any) -> set[str]:
    return set(worker.app.amqp.queues.consume_from)


def _beat(settings: Settings, queues: set[str], stopping: threading.Event) -> None:
    client = redis.Redis.from_url(settings.redis_url.get_secret_value(), socket_timeout=2, socket_connect_timeout=2)
    while not stopping.is_set():
        try:
            with client.pipeline(transaction=False) as pipeline:
                for queue in queues:
                    pipeline.set(heartbeat_key(queue), os.getpid(), ex=HEARTBEAT_LIFE_S)
                pipeline.execute()
        except redis.RedisError as error:
            _log.warning(Event.DEPENDENCY_UNAVAILABLE, dependency="redis", reason=type(error).__name__)
        stopping.wait(HEARTBEAT_EVERY_S)
