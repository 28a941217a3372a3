"""The synchronous tasks of the query path."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from messaging.names import TASK_ENCODE_PICTURES, TASK_ENCODE_QUERIES
from messaging.picture_call import build_picture_result, unpack_items
from messaging.query_call import build_query_result
from messaging.worker_call import ensure_in_time
from tasks.base import ServiceTask


@shared_task(bind=True, base=ServiceTask, name=TASK_ENCODE_QUERIES, ignore_result=False)
def encode_queries(self: ServiceTask, texts: list[str], deadline: float) -> dict[str, Any]:
    """Vectors of query texts, unless their caller has stopped waiting (`deadline`, epoch seconds)."""
    ensure_in_time(deadline)
    service = self.services.query_encoding
    encoded = service.encode(texts)
    return build_query_result(recipes=service.recipes.text_fingerprint, dense=encoded.dense, lexical=encoded.lexical)


@shared_task(bind=True, base=ServiceTask, name=TASK_ENCODE_PICTURES, ignore_result=False)
def encode_pictures(self: ServiceTask, items: list[dict[str, str]], deadline: float) -> dict[str, Any]:
    """Vectors of query pictures, and of texts that look for pictures; as `encode_queries` otherwise."""
    ensure_in_time(deadline)
    service = self.services.picture_queries
    return build_picture_result(recipe=service.recipe, outcomes=service.encode(unpack_items(items)))
