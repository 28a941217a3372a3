"""Structured logs. Events come from one closed list; values never hold vectors, keys or query texts."""

from __future__ import annotations

import logging
import sys
from enum import StrEnum
from typing import Any, TextIO, cast

import structlog

from core.settings import Settings


class Event(StrEnum):
    """Every log event that we write."""

    PROCESS_STARTED = "process_started"
    PROCESS_STOPPED = "process_stopped"
    PROCESS_RESTARTED = "process_restarted"
    MODEL_LOADED = "model_loaded"
    PRECISION_CHOSEN = "precision_chosen"
    IMPORT_FINISHED = "import_finished"
    RECORD_REFUSED = "record_refused"
    CHUNK_EMBEDDED = "chunk_embedded"
    CHUNK_PASSED_OVER = "chunk_passed_over"
    TITLE_FAILED = "title_failed"
    TITLE_DEAD = "title_dead"
    PICTURE_FAILED = "picture_failed"
    PICTURE_DEAD = "picture_dead"
    JOB_FINISHED = "job_finished"
    ROWS_RESENT = "rows_resent"
    TASK_SEND_FAILED = "task_send_failed"
    GENERATION_CREATED = "generation_created"
    GENERATION_GIVEN_UP = "generation_given_up"
    GENERATION_DROPPED = "generation_dropped"
    GENERATION_WITHDRAWN = "generation_withdrawn"
    REINDEX_COPIED = "reindex_copied"
    REINDEX_GATE = "reindex_gate"
    SNAPSHOT_TAKEN = "snapshot_taken"
    SNAPSHOT_RESTORED = "snapshot_restored"
    ALIAS_SWAPPED = "alias_swapped"
    INDEX_BUILD_STARTED = "index_build_started"
    INDEX_BUILD_FINISHED = "index_build_finished"
    QUERY_BATCH_FAILED = "query_batch_failed"
    CACHE_UNAVAILABLE = "cache_unavailable"
    CACHE_WRITE_FAILED = "cache_write_failed"
    CACHE_WARMED = "cache_warmed"
    REFRESH_FAILED = "refresh_failed"
    CHORE_FAILED = "chore_failed"
    QUERY_LOG_PRUNED = "query_log_pruned"
    JOBS_PRUNED = "jobs_pruned"
    MEDIA_REMOVED = "media_removed"
    NAMES_READ = "names_read"
    NAMES_FAILED = "names_failed"
    RATE_LIMITS_UNAVAILABLE = "rate_limits_unavailable"
    REQUEST_REFUSED = "request_refused"
    KEYS_NOT_REFRESHED = "keys_not_refreshed"
    REQUEST_FAILED = "request_failed"
    CIRCUIT_OPENED = "circuit_opened"
    DOWNLOAD_FAILED = "download_failed"
    DOWNLOADS_FETCHED = "downloads_fetched"
    ENRICH_PART_FAILED = "enrich_part_failed"
    ENRICH_PART_DEAD = "enrich_part_dead"
    ENRICH_LANE_ENDED = "enrich_lane_ended"
    ENRICH_MERGED = "enrich_merged"
    ENRICH_SCHEDULED = "enrich_scheduled"
    PROVIDER_SHAPE_CHANGED = "provider_shape_changed"
    PROVIDER_REDIRECTS = "provider_redirects"
    PROVIDER_PAUSED = "provider_paused"
    PROVIDER_LIMIT_CHANGED = "provider_limit_changed"
    LINK_DOUBTFUL = "link_doubtful"
    MERGE_MODEL_LEARNED = "merge_model_learned"
    SYNTHESIS_FAILED = "synthesis_failed"
    DEPENDENCY_UNAVAILABLE = "dependency_unavailable"


class Log:
    """A thin, typed face over structlog: `log.info(Event.X, key=value)`."""

    def __init__(self, component: str) -> None:
        # Lazy: a bound logger would keep the settings of the moment, and this runs when modules are imported.
        self._logger = structlog.get_logger(component=component)

    def info(self, event: Event, **values: Any) -> None:
        """Something that an operator wants to see happen."""
        self._logger.info(event.value, **values)

    def warning(self, event: Event, **values: Any) -> None:
        """Something that mends itself, but should be known."""
        self._logger.warning(event.value, **values)

    def error(self, event: Event, *, error: BaseException | None = None, **values: Any) -> None:
        """Something that needs a person. The traceback is logged when `error` is given."""
        self._logger.error(event.value, exc_info=error, **values)


class _CurrentStderr:
    """Whatever stderr is when a line is written: it may be exchanged, and a line must never fail for that."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure_logging(settings: Settings, *, stream: TextIO | None = None) -> None:
    """Set up structlog once a process: JSON lines or a console's, on stderr or on `stream`.

    Standard library loggers (Celery's, gunicorn's) keep the handlers and the format that their programs give them.
    """
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not (stream or sys.stderr).isatty())
    level = logging.DEBUG if settings.debug else getattr(logging, settings.log_level)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream or cast(TextIO, _CurrentStderr())),
        cache_logger_on_first_use=True,
    )
    # A line for each request to Qdrant would bury everything else.
    logging.getLogger("httpx").setLevel(logging.WARNING)
