"""Merging of titles whose parts are settled, for every job that waits for them.

The rows are leased first and closed last, and merging is idempotent: a worker that dies between leaves titles that are
merged once more, and found as they are.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.errors import DependencyUnavailableError
from core.log import Event, Log
from enrichment.titles.merger import MergeReport
from messaging.hints import HintSender
from messaging.names import TASK_FINISH_JOB
from storage.database.enrich_rows import EnrichRowRepository, MergeRow

_log = Log("enrichment")


class Merger(Protocol):
    """What makes titles of claims; see TitleMerger."""

    def merge(self, slugs: Sequence[str]) -> MergeReport:
        """Merge these titles."""
        ...


@dataclass(frozen=True, slots=True)
class MergeCounts:
    """Titles of one call."""

    changed: int = 0
    unchanged: int = 0
    failed: int = 0


class MergeService:
    """Merges titles of jobs. Any number of calls at once."""

    def __init__(
        self,
        rows: EnrichRowRepository,
        merger: Merger,
        hints: HintSender,
        *,
        owner: str,
        lease_s: float,
        max_attempts: int,
    ) -> None:
        self._rows = rows
        self._merger = merger
        self._hints = hints
        self._owner = owner
        self._lease_s = lease_s
        self._max_attempts = max_attempts

    def merge(self, slugs: Sequence[str], *, early: bool = False) -> MergeCounts:
        """Merge those of the titles that are ready, and end the jobs that waited for nothing else.

        `early`: merge them whether they are ready or not, for what is known so far; no row is closed by that.
        Raises DependencyUnavailableError; then nothing is blamed.
        """
        if early:
            return _count(self._merger.merge(sorted(set(slugs))))
        # Another owner for each call: two of one process must not take each other's rows for their own.
        owner = f"{self._owner}:{uuid.uuid4().hex[:8]}"
        rows = self._rows.claim(slugs, owner=owner, lease_s=self._lease_s)
        if not rows:
            return MergeCounts()
        report = self._merge_rows(rows, owner)
        for job_id in sorted({row.job_id for row in rows}):
            if self._rows.count_open(job_id) == 0:
                self._hints.send(TASK_FINISH_JOB, job_id=str(job_id))
        return _count(report)

    def _merge_rows(self, rows: Sequence[MergeRow], owner: str) -> MergeReport:
        wanted = sorted({row.slug for row in rows})
        try:
            report = self._merge_safely(wanted)
        except DependencyUnavailableError as error:
            self._rows.release(rows, owner=owner, reason=str(error))
            raise
        for slug, reason in report.failed.items():
            failed = [row for row in rows if row.slug == slug]
            self._rows.fail(failed, owner=owner, reason=reason, max_attempts=self._max_attempts)
        self._rows.complete([row for row in rows if row.slug not in report.failed], owner=owner)
        return report

    def _merge_safely(self, slugs: Sequence[str]) -> MergeReport:
        """All of them together; where that fails, one by one, so that one title does not stop the others."""
        try:
            return self._merger.merge(slugs)
        except DependencyUnavailableError:
            raise
        except Exception as error:
            _log.error(Event.TITLE_FAILED, error=error, slug=slugs[0], stage="merge", titles=len(slugs))
            if len(slugs) == 1:
                return MergeReport(failed={slugs[0]: f"{type(error).__name__}: {error}"})
        reports = [self._merge_safely([slug]) for slug in slugs]
        return MergeReport(
            changed=tuple(slug for report in reports for slug in report.changed),
            unchanged=tuple(slug for report in reports for slug in report.unchanged),
            failed={slug: reason for report in reports for slug, reason in report.failed.items()},
        )


def _count(report: MergeReport) -> MergeCounts:
    return MergeCounts(len(report.changed), len(report.unchanged), len(report.failed))
