"""Lanes: each works on one provider for a while, whatever jobs want of it, so that none waits for another's limits.

Claims, answers and outcomes are in Postgres before they count. A worker may die at any line: what it had leased falls
free when the lease ends, and no answer that was kept is asked for again.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from core.errors import DependencyUnavailableError, NotFoundError
from core.log import Event, Log
from enrichment.attempt import Attempted, Attempts
from enrichment.linking.dump import TitlesMissingError
from enrichment.providers.base import ProviderUnavailableError
from enrichment.workflow import Workflow
from messaging.hints import HintSender
from messaging.names import TASK_ENRICH_MERGE, TASK_FINISH_JOB
from storage.database.enrich_parts import EnrichPartRepository, PartClaim, PartOutcome
from storage.database.enrich_rows import EnrichRowRepository
from storage.database.enrichment_models import PartState
from storage.database.titles import TitleRepository

REASON_AWAY: Final = "provider-unavailable"
REASON_GARBAGE: Final = "answers-unusable"
MERGED_AT_ONCE: Final = 25
# Titles claimed at once: a stage or six each, so that a slice is not spent on claiming.
_TITLES = 2
_RENEWALS_PER_LEASE = 3
_HINT_EVERY_S = 2.0
_log = Log("enrichment")


def send_merges(hints: HintSender, slugs: Sequence[str]) -> None:
    """Hints to merge these titles, some of them at a time."""
    for start in range(0, len(slugs), MERGED_AT_ONCE):
        hints.send(TASK_ENRICH_MERGE, slugs=list(slugs[start : start + MERGED_AT_ONCE]))


@dataclass(slots=True)
class LaneReport:
    """What became of one call: outcomes by state. `has_more`: it ended because its time was over."""

    outcomes: Counter[str] = field(default_factory=Counter)
    has_more: bool = False


class LaneService:
    """Works on lanes. At most `lanes` of a provider at once in this process (see the workflow)."""

    def __init__(
        self,
        attempts: Mapping[str, Attempts],
        *,
        parts: EnrichPartRepository,
        rows: EnrichRowRepository,
        titles: TitleRepository,
        hints: HintSender,
        workflow: Workflow,
        owner: str,
        lease_s: float,
    ) -> None:
        self._attempts = dict(attempts)
        self._parts = parts
        self._rows = rows
        self._titles = titles
        self._hints = hints
        self._workflow = workflow
        self._owner = owner
        self._lease_s = lease_s
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        # Somebody was turned away since a lane of this provider last looked for work.
        self._turned_away: set[str] = set()
        # Titles in a row of which no answer could be used.
        self._useless: Counter[str] = Counter()

    def stop(self) -> None:
        """Begin nothing more: calls that run record what they have and return."""
        self._stopping.set()

    def run(self, provider: str, *, slice_s: float = 30.0) -> LaneReport:
        """Ask this provider until nothing is wanted of it, it cannot be asked, or for `slice_s` seconds.

        Raises DependencyUnavailableError when Postgres is away; nothing is blamed for that.
        """
        if provider not in self._attempts or not self._enter(provider):
            return LaneReport()
        started = time.monotonic()
        lane = _Lane(self, self._attempts[provider], ends_at=started + slice_s)
        try:
            lane.work()
        finally:
            self._leave(provider)
            lane.send_hints()
        report = lane.report
        # Who was turned away just now relied on this lane.
        report.has_more = report.has_more or (provider in self._turned_away and not self._stopping.is_set())
        seconds = round(time.monotonic() - started, 3)
        _log.info(Event.ENRICH_LANE_ENDED, provider=provider, seconds=seconds, **report.outcomes)
        return report

    def _enter(self, provider: str) -> bool:
        with self._lock:
            if self._running[provider] >= self._workflow.get_provider(provider).lanes:
                self._turned_away.add(provider)
                return False
            self._running[provider] += 1
            return True

    def _leave(self, provider: str) -> None:
        with self._lock:
            self._running[provider] -= 1

    def _look_anew(self, provider: str) -> None:
        with self._lock:
            self._turned_away.discard(provider)

    def _count_useless(self, provider: str, *, is_useless: bool) -> bool:
        """True if so many titles in a row brought nothing that the provider is better left alone."""
        with self._lock:
            self._useless[provider] = self._useless[provider] + 1 if is_useless else 0
            if self._useless[provider] < self._workflow.patience.garbage_titles:
                return False
            self._useless[provider] = 0
            return True


class _Lane:
    """One call of `run`, on its caller's thread."""

    def __init__(self, service: LaneService, attempts: Attempts, *, ends_at: float) -> None:
        self.report = LaneReport()
        self._service = service
        self._attempts = attempts
        self._provider = attempts.name
        self._ends_at = ends_at
        # Two calls of one process must not take each other's parts for their own.
        self._owner = f"{service._owner}:{uuid.uuid4().hex[:8]}"
        self._held: dict[tuple[str, str], PartClaim] = {}
        self._claimed_at = self._renewed_at = self._hinted_at = time.monotonic()
        self._ended: list[str] = []

    def work(self) -> None:
        """Until nothing is wanted, or the time is over."""
        while not self._is_ending():
            self._service._look_anew(self._provider)
            claims = self._claim()
            if not claims:
                return
            try:
                self._work_on(claims)
            except ProviderUnavailableError as error:
                if not self._wait(error):
                    return
            finally:
                self._hand_back()
            self.send_hints(least_s=_HINT_EVERY_S)
        self.report.has_more = not self._service._stopping.is_set()

    def send_hints(self, *, least_s: float = 0.0) -> None:
        """Titles of which nothing is open any more can be merged."""
        if not self._ended or time.monotonic() - self._hinted_at < least_s:
            return
        self._hinted_at = time.monotonic()
        settled = self._service._rows.list_settled(self._ended)
        self._ended = []
        send_merges(self._service._hints, settled)

    def _is_ending(self) -> bool:
        return self._service._stopping.is_set() or time.monotonic() >= self._ends_at

    def _claim(self) -> list[PartClaim]:
        service = self._service
        claims = service._parts.claim(self._provider, titles=_TITLES, owner=self._owner, lease_s=service._lease_s)
        self._claimed_at = self._renewed_at = time.monotonic()
        self._held = {(claim.slug, claim.stage): claim for claim in claims}
        order = {stage.value: place for place, stage in enumerate(service._workflow.stage_names)}
        # By title as they came, and in the workflow's order.
        by_slug = {slug: place for place, slug in enumerate(dict.fromkeys(claim.slug for claim in claims))}
        return sorted(claims, key=lambda claim: (by_slug[claim.slug], order.get(claim.stage, len(order))))

    def _work_on(self, claims: list[PartClaim]) -> None:
        documents = self._service._titles.load(sorted({claim.slug for claim in claims}))
        for slug, of_title in groupby(claims, key=lambda claim: claim.slug):
            if self._is_ending():
                return
            title = documents.get(slug)
            # A title that is gone took its parts along.
            if title is None:
                continue
            states = self._ask_about(list(of_title), title.document)
            if not states:
                return
            self._ended.append(slug)
            is_useless = not states - {PartState.FAILED, PartState.DEAD}
            if self._service._count_useless(self._provider, is_useless=is_useless):
                self._leave_alone()
                return

    def _ask_about(self, claims: list[PartClaim], document: Mapping[str, object]) -> set[PartState]:
        """The states that the title's parts have come to; none if it was put back untouched."""
        try:
            link = self._attempts.find(claims[0].slug, document, asked_by=self._owner)
        except NotFoundError:
            return {PartState.ABSENT}
        except ProviderUnavailableError:
            raise
        except TitlesMissingError as error:
            self._fail_all(claims, error)
            # Nobody was asked: it says nothing of the provider's answers.
            return {PartState.ABSENT}
        except Exception as error:
            return self._fail_all(claims, error)
        if (outcome := self._attempts.judge_link(link)) is not None:
            return {self._record(Attempted(claim, outcome)) for claim in claims}
        assert link.external_id is not None
        states: set[PartState] = set()
        useless: set[str] = set()
        for claim in claims:
            if self._service._stopping.is_set():
                break
            attempted = self._attempts.attempt(
                claim, link.external_id, claimed_at=self._claimed_at, before_ask=self._renew
            )
            states.add(self._record_safely(attempted))
            useless.update(attempted.useless)
            if attempted.outcome.state is PartState.BLOCKED:
                rest = [one for one in claims if (one.slug, one.stage) in self._held]
                states.update(self._record(Attempted(one, attempted.outcome)) for one in rest)
                break
        self._attempts.distrust(sorted(useless))
        return states

    def _fail_all(self, claims: list[PartClaim], error: Exception) -> set[PartState]:
        """The title could not be looked for."""
        if isinstance(error, DependencyUnavailableError):
            raise error
        return {self._record(Attempted(claim, self._attempts.judge(claim, error))) for claim in claims}

    def _record_safely(self, attempted: Attempted) -> PartState:
        """As `_record`; where what was said cannot be stored, that is this part's failure and nobody else's."""
        try:
            return self._record(attempted)
        except DependencyUnavailableError:
            raise
        except Exception as error:
            return self._record(Attempted(attempted.claim, self._attempts.judge(attempted.claim, error)))

    def _record(self, attempted: Attempted) -> PartState:
        claim, keeps = attempted.claim, attempted.keeps
        is_ours = self._service._parts.record(
            claim, attempted.outcome, owner=self._owner, said=attempted.said, keeps=lambda name: name in keeps
        )
        self._held.pop((claim.slug, claim.stage), None)
        self.report.outcomes[attempted.outcome.state.value if is_ours else "lost"] += 1
        return attempted.outcome.state

    # The provider as a whole

    def _wait(self, error: ProviderUnavailableError) -> bool:
        """Wait for a provider that is back soon; False if it is put off."""
        if error.retry_after_s <= self._service._workflow.patience.provider.total_seconds():
            self._hand_back()
            left_s = max(0.0, self._ends_at - time.monotonic())
            self._service._stopping.wait(min(max(error.retry_after_s, 0.05), left_s))
            return True
        self._put_off(wait_s=error.retry_after_s, reason=REASON_AWAY, detail=error.reason)
        return False

    def _leave_alone(self) -> None:
        pause_s = self._service._workflow.patience.garbage_pause.total_seconds()
        count = self._service._workflow.patience.garbage_titles
        self._put_off(wait_s=pause_s, reason=REASON_GARBAGE, detail=f"nothing could be used of {count} titles in a row")

    def _put_off(self, *, wait_s: float, reason: str, detail: str) -> None:
        """The jobs go on without it: what is open there waits for its time, and the others' data is merged."""
        parts = self._service._parts
        count = parts.put_off(self._provider, wait_s=wait_s, reason=reason, detail=detail, owner=self._owner)
        self._held.clear()
        self.report.outcomes["put-off"] += count
        _log.warning(Event.ENRICH_PART_FAILED, provider=self._provider, reason=reason, parts=count, wait_s=wait_s)
        for job_id in parts.list_waiting_jobs(self._provider):
            self._service._hints.send(TASK_FINISH_JOB, job_id=str(job_id))

    # Leases

    def _renew(self) -> None:
        now = time.monotonic()
        if now - self._renewed_at < self._service._lease_s / _RENEWALS_PER_LEASE:
            return
        self._renewed_at = now
        slugs = sorted({slug for slug, _ in self._held})
        self._service._parts.renew(self._provider, slugs, owner=self._owner, lease_s=self._service._lease_s)

    def _hand_back(self) -> None:
        """What has not been asked is given back without blame."""
        if self._held:
            outcome = PartOutcome(state=PartState.PENDING, reason="handed-back")
            self._service._parts.settle(list(self._held.values()), outcome, owner=self._owner)
            self._held.clear()
