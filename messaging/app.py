"""The Celery application's settings, shared by those who send and those who work."""

from __future__ import annotations

from celery import Celery

from core.settings import Settings
from messaging.names import QUEUE_DEFAULT, ROUTES

_SOCKET_TIMEOUT_S = 2.0
_SENDER_TIMEOUT_S = 1.5


def create_celery(settings: Settings) -> Celery:
    """A Celery app without tasks. JSON only: a message can never carry code."""
    app = Celery("avs", broker=settings.redis_url.get_secret_value(), backend=settings.redis_url.get_secret_value())
    app.conf.update(
        task_serializer="json",
        result_serializer="json",
        accept_content=["json"],
        task_default_queue=QUEUE_DEFAULT,
        task_routes={name: {"queue": queue} for name, queue in ROUTES.items()},
        task_ignore_result=True,
        result_expires=60,
        # Messages are hints: one that is lost is sent again by the reconciler, so early acknowledgement is safe,
        # and a long task is never delivered twice by Redis' visibility timeout.
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_send_task_events=True,
        task_send_sent_event=True,
        worker_hijack_root_logger=False,
        task_publish_retry=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "socket_timeout": 30,
            "socket_connect_timeout": _SOCKET_TIMEOUT_S,
            "visibility_timeout": 3600,
            "queue_order_strategy": "priority",
            # For senders: kombu's default retries for 6 s, in a request thread too. Workers that consume reconnect
            # by broker_connection_max_retries above.
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0.1,
        },
        redis_socket_connect_timeout=_SOCKET_TIMEOUT_S,
        redis_socket_timeout=_SOCKET_TIMEOUT_S,
        redis_retry_on_timeout=False,
        timezone="UTC",
    )
    return app


def create_sender(settings: Settings) -> Celery:
    """A Celery app for those who only send, while somebody waits: it fails fast and opens no result consumer."""
    app = create_celery(settings)
    app.backend_cls = "disabled://"
    app.conf.update(
        result_backend="disabled://",
        # Flower sees the task by the worker's events; a second message for each call would cost as much as the first.
        task_send_sent_event=False,
        broker_connection_timeout=_SENDER_TIMEOUT_S,
        # Only consumers, which wait for the next message, need a long socket timeout.
        broker_transport_options={**app.conf.broker_transport_options, "socket_timeout": _SENDER_TIMEOUT_S},
    )
    return app
