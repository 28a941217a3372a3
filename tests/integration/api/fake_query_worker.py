"""A real Celery worker of the queue `query` with the fake encoder: the product's task, without a model.

Run as a script. QUERY_DELAY_S makes every batch take that long; QUERY_FAILS makes the task raise.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from types import SimpleNamespace

import redis

import tasks.queries  # noqa: F401  # registers the task
from core.recipe import RecipeSet
from core.settings import get_settings
from inference.base import Encoded
from inference.bm25 import Bm25Encoder
from inference.fake import FakeTextEncoder
from inference.picture_queries import PictureQueryService
from inference.queries import QueryEncodingService
from inference.registry import load_picture_encoder
from messaging.app import create_celery
from messaging.names import QUEUE_QUERY, heartbeat_key

TEMPLATE_VERSION = 1


def build_encoders(template_version: int = TEMPLATE_VERSION) -> tuple[FakeTextEncoder, Bm25Encoder, RecipeSet]:
    """The encoders of the tests, for documents and queries alike."""
    text, lexical = FakeTextEncoder(template_version=template_version), Bm25Encoder(template_version=template_version)
    return text, lexical, RecipeSet(text.recipe, lexical.recipe, lexical.recipe)


class SlowOrFailing:
    """An encoding service that misbehaves as the environment says."""

    def __init__(self, service: QueryEncodingService) -> None:
        self._service = service
        self.recipes = service.recipes

    def encode(self, texts: Sequence[str]) -> Encoded:
        """As the service, later or never."""
        time.sleep(float(os.environ.get("QUERY_DELAY_S", "0")))
        if "QUERY_FAILS" in os.environ:
            raise MemoryError("out of device memory")
        return self._service.encode(texts)


def beat(url: str) -> None:
    """Show a heartbeat like the real worker's, with a shorter life."""
    client = redis.Redis.from_url(url, socket_timeout=1)
    while True:
        try:
            client.set(heartbeat_key(QUEUE_QUERY), os.getpid(), ex=2)
        except redis.RedisError:
            time.sleep(0.1)
        time.sleep(0.5)


def main() -> None:
    """Work until terminated."""
    settings = get_settings()
    app = create_celery(settings)
    app.conf.broker_connection_retry = True
    version = int(os.environ.get("QUERY_TEMPLATE_VERSION", str(TEMPLATE_VERSION)))
    service = SlowOrFailing(QueryEncodingService(*build_encoders(version)))
    pictures = PictureQueryService(load_picture_encoder(settings), max_pixels=settings.picture_max_pixels)
    app.services = SimpleNamespace(query_encoding=service, picture_queries=pictures)
    threading.Thread(target=beat, args=(settings.redis_url.get_secret_value(),), daemon=True).start()
    app.worker_main(
        ["worker", "-Q", QUEUE_QUERY, "--pool", "solo", "--without-gossip", "--without-mingle", "--loglevel", "WARNING"]
    )


if __name__ == "__main__":
    main()
