"""One attempt at one URL: fetch, check, hand to the media store, and say how it ended. Nothing here raises.

What is transient is tried again later, after a pause with full jitter or the one that the host asks for. A picture that
is no picture, and an address that is refused, will be so next time: they are given up at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final

from core.errors import DependencyUnavailableError
from core.log import Event, Log
from core.pictures import DecodeBudget, PictureFacts, PictureRefusedError, describe_picture, to_signed
from core.settings import Settings
from fetching import Fetched, Fetcher, FetchFailedError, FetchReason, FetchRefusedError
from fetching.errors import DEFAULT_RETRY_AFTER_S
from fetching.waiting import draw_backoff
from storage.database.download_outcomes import DownloadOutcome
from storage.database.downloads import DownloadClaim
from storage.database.models import DownloadState
from storage.database.pictures import MediaFile
from storage.media import MediaStore, StagedMedia

OUTCOME_FETCHED: Final = "fetched"
OUTCOME_UNCHANGED: Final = "unchanged"
REASON_STORE_AWAY: Final = "store-away"
REASON_MEMORY: Final = "out-of-memory"
REASON_WORKER_LOST: Final = "worker-lost"
REASON_UNEXPECTED: Final = "unexpected"

_ACCEPT = "image/avif,image/webp,image/png,image/jpeg,image/gif,image/*;q=0.8"
# A worker that is killed is more often an operator's doing than a picture's.
_LOST_LEASES_PER_ATTEMPT = 2
# Not the host's fault: other hosts' downloads had all connections.
_BUSY_WAIT_S = 5.0
_log = Log("downloads")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOptions:
    """Limits of an attempt. `backoff_s` bounds the first pause; it doubles up to `most_backoff_s`.

    A host whose circuit stays open is asked once in a while; after `host_patience_s` its URLs are given up.
    """

    max_bytes: int
    max_pixels: int
    max_attempts: int
    timeout_s: float
    backoff_s: float = 4.0
    most_backoff_s: float = 600.0
    host_patience_s: float = 900.0
    # So many pictures are decoded at once, fewer while large ones are among them.
    decoders: int = 2

    @classmethod
    def of(cls, settings: Settings) -> AttemptOptions:
        """By the settings, with a decoder for each core."""
        return cls(
            max_bytes=settings.picture_max_bytes,
            max_pixels=settings.picture_max_pixels,
            max_attempts=settings.download_max_attempts,
            timeout_s=settings.download_timeout_s,
            host_patience_s=settings.download_host_patience_s,
            decoders=max(2, os.cpu_count() or 2),
        )


@dataclass(frozen=True, slots=True)
class Attempted:
    """How an attempt ended, and the content that it brought: its file is to be settled before the outcome counts."""

    outcome: DownloadOutcome
    staged: StagedMedia | None = None


class Downloader:
    """Makes attempts. Safe between threads."""

    def __init__(self, fetcher: Fetcher, store: MediaStore, options: AttemptOptions) -> None:
        self._fetcher = fetcher
        self._store = store
        self._options = options
        self._budget = DecodeBudget.of(max_pixels=options.max_pixels, places=options.decoders)

    def attempt(self, claim: DownloadClaim) -> Attempted:
        """How the attempt ended."""
        if claim.attempts > _LOST_LEASES_PER_ATTEMPT * self._options.max_attempts:
            detail = "its worker vanished again and again"
            return Attempted(_end(claim)(DownloadState.DEAD, reason=REASON_WORKER_LOST, detail=detail))
        try:
            return self._try(claim)
        except FetchRefusedError as error:
            end = _end(claim)(DownloadState.DEAD, reason=error.reason, detail=str(error), status=error.status)
        except FetchFailedError as error:
            end = self._judge(claim, error)
        except DependencyUnavailableError as error:
            reason, wait_s = REASON_STORE_AWAY, error.retry_after_s
            end = _end(claim)(DownloadState.PENDING, reason=reason, detail=str(error), wait_s=wait_s)
        except MemoryError:
            end = self._fail(claim, REASON_MEMORY, detail="there was no memory for it")
        except Exception as error:
            # A fault of ours, with this picture only: the others go on, and somebody reads the log.
            _log.error(Event.DOWNLOAD_FAILED, error=error, url=claim.url)
            end = self._fail(claim, REASON_UNEXPECTED, detail=f"{type(error).__name__}: {error}")
        return Attempted(end)

    def _try(self, claim: DownloadClaim) -> Attempted:
        has_picture = claim.sha256 is not None and self._store.exists(claim.sha256)
        answer = self._fetcher.fetch(
            claim.url,
            etag=claim.etag if has_picture else None,
            last_modified=claim.last_modified if has_picture else None,
            max_bytes=self._options.max_bytes,
            timeout_s=self._options.timeout_s,
            accept=_ACCEPT,
        )
        if isinstance(answer, Fetched):
            return self._keep(claim, answer)
        end = _end(claim)(
            DownloadState.DONE,
            outcome=OUTCOME_UNCHANGED,
            status=HTTPStatus.NOT_MODIFIED.value,
            latency_ms=round(answer.elapsed_ms),
            etag=answer.etag,
            last_modified=answer.last_modified,
        )
        return Attempted(end)

    def _keep(self, claim: DownloadClaim, answer: Fetched) -> Attempted:
        build = partial(
            _end(claim),
            status=answer.status,
            media_type=answer.media_type,
            bytes=len(answer.body),
            latency_ms=round(answer.elapsed_ms),
        )
        try:
            facts = describe_picture(answer.body, max_pixels=self._options.max_pixels, budget=self._budget)
        except PictureRefusedError as error:
            return Attempted(build(DownloadState.DEAD, reason=error.code_word, detail=error.reason))
        staged = self._store.stage(facts.sha256, answer.body)
        end = build(
            DownloadState.DONE,
            outcome=OUTCOME_FETCHED,
            etag=answer.etag,
            last_modified=answer.last_modified,
            content=_to_media_file(facts, size=len(answer.body)),
        )
        return Attempted(end, staged)

    def _judge(self, claim: DownloadClaim, error: FetchFailedError) -> DownloadOutcome:
        if error.reason is FetchReason.HOST_BUSY:
            return _end(claim)(
                DownloadState.PENDING, reason=error.reason, detail=str(error), wait_s=self._draw(1, _BUSY_WAIT_S)
            )
        if error.reason is not FetchReason.CIRCUIT_OPEN:
            return self._fail(claim, error.reason, detail=str(error), status=error.status, least_s=error.retry_after_s)
        # While one request finds out whether the host is back, the others are told to wait for a moment only.
        is_probed = error.retry_after_s <= DEFAULT_RETRY_AFTER_S
        if claim.silent_s >= self._options.host_patience_s and not is_probed:
            return _end(claim)(DownloadState.DEAD, reason=error.reason, detail=f"{error} (for {claim.silent_s:.0f} s)")
        return _end(claim)(
            DownloadState.PENDING,
            reason=error.reason,
            detail=str(error),
            # Looked at again when patience ends, however long the circuit stays open.
            wait_s=min(error.retry_after_s, max(self._options.host_patience_s - claim.silent_s, 1.0)),
            is_host_silent=True,
        )

    def _fail(
        self, claim: DownloadClaim, reason: str, *, detail: str, status: int | None = None, least_s: float = 0.0
    ) -> DownloadOutcome:
        """Again later, or never if it was the last attempt."""
        if claim.attempts >= self._options.max_attempts:
            return _end(claim)(DownloadState.DEAD, reason=reason, detail=detail, status=status)
        wait_s = max(least_s, self._draw(claim.attempts, self._options.most_backoff_s))
        return _end(claim)(DownloadState.FAILED, reason=reason, detail=detail, status=status, wait_s=wait_s)

    def _draw(self, attempt: int, most_s: float) -> float:
        return draw_backoff(attempt, base_s=self._options.backoff_s, most_s=most_s)


def _end(claim: DownloadClaim) -> Callable[..., DownloadOutcome]:
    return partial(DownloadOutcome, claim.url_hash, claim.url)


def _to_media_file(facts: PictureFacts, *, size: int) -> MediaFile:
    info = facts.info
    return MediaFile(facts.sha256, size, info.media_type, info.width, info.height, to_signed(facts.phash), facts.colour)
