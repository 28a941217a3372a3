"""Queues by resource and tasks by name. A task is sent by its name; only workers import its code."""

from __future__ import annotations

from typing import Final

QUEUE_QUERY: Final = "query"  # dedicated GPU worker: nothing else runs on it
QUEUE_EMBED: Final = "embed"  # bulk GPU work
QUEUE_NETWORK: Final = "network"  # enrichment and downloads, many threads
QUEUE_DEFAULT: Final = "default"  # bookkeeping

TASK_ENCODE_QUERIES: Final = "query.encode"
TASK_EMBED_CHUNK: Final = "index.embed_chunk"
TASK_ENCODE_PICTURES: Final = "query.encode_pictures"
TASK_EMBED_PICTURES: Final = "pictures.embed_chunk"
TASK_FETCH_DOWNLOADS: Final = "downloads.fetch"
TASK_START_DOWNLOADS: Final = "downloads.start_missing"
TASK_ENRICH_LANE: Final = "enrich.fetch"
TASK_ENRICH_MERGE: Final = "enrich.merge"
TASK_ENRICH_SCHEDULE: Final = "enrich.start_schedule"
TASK_RUN_JOB: Final = "jobs.run"
TASK_FINISH_JOB: Final = "jobs.finish"
TASK_RECONCILE: Final = "jobs.reconcile"
TASK_PRUNE_JOBS: Final = "jobs.prune"
TASK_PRUNE_QUERY_LOG: Final = "query_log.prune"

ROUTES: Final[dict[str, str]] = {
    TASK_ENCODE_QUERIES: QUEUE_QUERY,
    TASK_EMBED_CHUNK: QUEUE_EMBED,
    TASK_ENCODE_PICTURES: QUEUE_QUERY,
    TASK_EMBED_PICTURES: QUEUE_EMBED,
    TASK_FETCH_DOWNLOADS: QUEUE_NETWORK,
    TASK_START_DOWNLOADS: QUEUE_DEFAULT,
    TASK_ENRICH_LANE: QUEUE_NETWORK,
    TASK_ENRICH_MERGE: QUEUE_DEFAULT,
    TASK_ENRICH_SCHEDULE: QUEUE_DEFAULT,
    TASK_RUN_JOB: QUEUE_DEFAULT,
    TASK_FINISH_JOB: QUEUE_DEFAULT,
    TASK_RECONCILE: QUEUE_DEFAULT,
    TASK_PRUNE_JOBS: QUEUE_DEFAULT,
    TASK_PRUNE_QUERY_LOG: QUEUE_DEFAULT,
}


def heartbeat_key(queue: str) -> str:
    """Redis key (broker) that a worker of this queue renews while it is alive and its model is loaded."""
    return f"avs:worker:{queue}"
