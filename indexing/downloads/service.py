"""Fetches what jobs want: claims ahead, keeps the threads busy, and records many outcomes at once.

Claims, contents and outcomes are in Postgres before they count, so a process may die at any line: what it had leased
falls free when the lease ends, and of what it had fetched only what was not recorded yet is fetched again.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from queue import Empty, SimpleQueue
from typing import Final, Protocol

import stamina

from core.errors import DependencyUnavailableError, TransientError
from core.log import Event, Log
from indexing.downloads.attempt import REASON_STORE_AWAY, Attempted
from indexing.downloads.lanes import HostLanes
from storage.database.download_outcomes import ContentLostError, DownloadOutcome, OutcomeRepository
from storage.database.downloads import DownloadClaim, DownloadRepository, Shard, get_host
from storage.database.models import DownloadState
from storage.media import MediaStore, StagedMedia

# So many outcomes in one transaction, or those of so many seconds: a round trip each would cost more than the fetch.
BATCH: Final = 128
_BATCH_S = 0.25
# Claims ahead for each thread: lanes of busy hosts are passed over, and recording takes a moment.
_AHEAD = 4
_RENEWALS_PER_LEASE = 3
_POLL_S = 0.05
# Who finds nothing due waits so long for what is due soon; the reconciler sees to the rest.
_PATIENCE_S = 5.0
_log = Log("downloads")


class Attempts(Protocol):
    """What makes one attempt; see Downloader."""

    def attempt(self, claim: DownloadClaim) -> Attempted:
        """How it ended. Raises nothing."""
        ...


@dataclass(slots=True)
class ShardReport:
    """What became of one call: outcomes by name (fetched, unchanged, failed, dead, pending), bytes that came.

    `has_more`: it ended because its time was over or it was told to, and not for want of work.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    has_more: bool = False


class DownloadService:
    """Works on shards of jobs. Any number of calls at once share the threads of this process."""

    def __init__(
        self,
        *,
        downloads: DownloadRepository,
        outcomes: OutcomeRepository,
        attempts: Attempts,
        store: MediaStore,
        lanes: HostLanes,
        threads: int,
        owner: str,
        lease_s: float,
    ) -> None:
        self._downloads = downloads
        self._outcomes = outcomes
        self._attempts = attempts
        self._store = store
        self._lanes = lanes
        self._window = _AHEAD * threads
        self._owner = owner
        self._lease_s = lease_s
        self._stopping = threading.Event()
        # Hosts that were put off since they last answered.
        self._late_hosts: set[str] = set()

    def stop(self) -> None:
        """Begin nothing more: calls that run record what they have and return."""
        self._stopping.set()

    @property
    def is_stopping(self) -> bool:
        """True once it was told to stop."""
        return self._stopping.is_set()

    def fetch_shard(self, job_id: uuid.UUID, shard: Shard, *, slice_s: float = 30.0) -> ShardReport:
        """Fetch what is due of the shard until nothing is for a while, or for `slice_s` seconds.

        Raises DependencyUnavailableError when Postgres or the media store is away; nothing is blamed for that.
        """
        started = time.monotonic()
        run = _Run(self, job_id, shard, ends_at=started + slice_s)
        try:
            run.work()
        finally:
            run.close()
        report = run.report
        _log.info(
            Event.DOWNLOADS_FETCHED,
            job_id=str(job_id),
            shard=str(shard),
            seconds=round(time.monotonic() - started, 3),
            bytes=report.bytes,
            **report.outcomes,
        )
        return report


class _Run:
    """One call of fetch_shard. Only its own thread touches it; the threads of the lanes put into `_results`."""

    def __init__(self, service: DownloadService, job_id: uuid.UUID, shard: Shard, *, ends_at: float) -> None:
        self.report = ShardReport()
        self._service = service
        self._job_id = job_id
        self._shard = shard
        self._ends_at = ends_at
        # Two calls of one process must not take each other's rows for their own.
        self._owner = f"{service._owner}:{uuid.uuid4().hex[:8]}"
        self._results: SimpleQueue[Attempted] = SimpleQueue()
        self._flying: dict[str, tuple[DownloadClaim, Future[None]]] = {}
        self._collected: list[DownloadOutcome] = []
        self._staged: list[StagedMedia] = []
        self._after = ""
        self._look_again_at = 0.0
        self._recorded_at = self._renewed_at = time.monotonic()
        self._fault: str | None = None

    def work(self) -> None:
        """Until nothing is due, the time is over, or a server is away."""
        while True:
            is_ending = self._is_ending()
            if not is_ending:
                self._claim()
            if not self._flying and not self._collected and (is_ending or not self._wait_for_due()):
                break
            self._collect()
            if self._is_batch_due():
                self._record()
            self._renew()
            if is_ending:
                self._hand_back()
        self.report.has_more = self._is_ending()
        if self._fault is not None:
            raise DependencyUnavailableError("media", self._fault)

    def close(self) -> None:
        """After an error: what waits is not begun, and what was fetched is recorded if that can be."""
        self._hand_back()
        while self._flying:
            self._collect(most=len(self._flying) + len(self._collected))
        if self._collected:
            self._record()

    def _is_ending(self) -> bool:
        return self._fault is not None or self._service._stopping.is_set() or time.monotonic() >= self._ends_at

    # Claiming

    def _claim(self) -> None:
        room = self._service._window - len(self._flying)
        if room < self._service._window // 2 or time.monotonic() < self._look_again_at:
            return
        claims = self._service._downloads.claim(
            self._job_id,
            shard=self._shard,
            after=self._after,
            limit=room,
            owner=self._owner,
            lease_s=self._service._lease_s,
        )
        for claim in claims:
            call = partial(self._attempt, claim)
            if claim.silent_s:
                self._service._late_hosts.add(claim.host)
            self._flying[claim.url_hash] = (claim, self._service._lanes.submit(claim.host, call))
        if len(claims) == room:
            self._after = claims[-1].url_hash
            return
        # The end of the list; from its beginning on something may have fallen due again.
        self._look_again_at = 0.0 if self._after else time.monotonic() + _BATCH_S
        self._after = ""

    def _attempt(self, claim: DownloadClaim) -> None:
        self._results.put(self._service._attempts.attempt(claim))

    def _wait_for_due(self) -> bool:
        """Wait for what is due soon; False if nothing is."""
        wait_s = self._service._downloads.get_wait(self._job_id, shard=self._shard)
        if wait_s is None or wait_s > _PATIENCE_S:
            return False
        self._service._stopping.wait(min(max(wait_s, _POLL_S), _PATIENCE_S))
        self._after, self._look_again_at = "", 0.0
        return True

    # Ending

    def _collect(self, *, most: int = BATCH) -> None:
        """Outcomes that are there, until `most` are collected; waits a moment for the first."""
        wait_s: float | None = _POLL_S
        while self._flying and len(self._collected) < most:
            try:
                attempted = self._results.get(timeout=wait_s) if wait_s else self._results.get_nowait()
            except Empty:
                return
            wait_s, outcome = None, attempted.outcome
            if attempted.staged is not None:
                self._staged.append(attempted.staged)
            if self._flying.pop(outcome.url_hash, None) is not None:
                self._collected.append(outcome)
            if outcome.reason == REASON_STORE_AWAY:
                self._fault = outcome.detail

    def _is_batch_due(self) -> bool:
        if not self._collected:
            return False
        is_last = not self._flying
        return is_last or len(self._collected) >= BATCH or time.monotonic() - self._recorded_at >= _BATCH_S

    def _record(self) -> None:
        batch = self._collected
        for attempt in stamina.retry_context(
            on=DependencyUnavailableError, attempts=None, timeout=self._service._lease_s, wait_max=2.0
        ):
            with attempt:
                batch = self._record_once(batch)
        self._collected, self._staged = [], []
        self._recorded_at = time.monotonic()
        for outcome in batch:
            name = outcome.outcome if outcome.state is DownloadState.DONE and outcome.outcome else outcome.state
            self.report.outcomes[str(name)] += 1
            self.report.bytes += outcome.bytes or 0 if outcome.content else 0
        self._postpone_hosts(batch)

    def _record_once(self, batch: list[DownloadOutcome]) -> list[DownloadOutcome]:
        store, outcomes = self._service._store, self._service._outcomes
        try:
            store.settle(self._staged)
        except DependencyUnavailableError as error:
            # The disk is full, say: what could not be kept is nobody's fault, and nothing more is begun.
            self._fault = str(error)
            batch = [_give_back(one, REASON_STORE_AWAY, wait_s=error.retry_after_s) for one in batch]
        try:
            outcomes.record(batch, owner=self._owner, is_stored=store.exists)
        except ContentLostError as error:
            # A cleaner took them for orphans between the write and the row: they are fetched once more.
            batch = [
                _give_back(one, "media-lost") if one.content and one.content.sha256 in error.lost else one
                for one in batch
            ]
            outcomes.record(batch, owner=self._owner, is_stored=store.exists)
        return batch

    def _postpone_hosts(self, batch: list[DownloadOutcome]) -> None:
        """The other URLs of hosts that do not answer need not be claimed one by one to find that out."""
        late = self._service._late_hosts
        silent = {get_host(one.url): one.wait_s for one in batch if one.is_host_silent}
        for host, wait_s in silent.items():
            self._service._downloads.postpone_host(host, wait_s=wait_s)
        late.update(silent)
        for host in late & {get_host(one.url) for one in batch if _has_answered(one)}:
            self._service._downloads.forgive_host(host)
            late.discard(host)

    def _hand_back(self) -> None:
        """What has not begun is given back without blame."""
        for url_hash, (claim, future) in list(self._flying.items()):
            if future.cancel():
                del self._flying[url_hash]
                self._collected.append(
                    DownloadOutcome(claim.url_hash, claim.url, DownloadState.PENDING, reason="handed-back")
                )

    def _renew(self) -> None:
        now = time.monotonic()
        if now - self._renewed_at < self._service._lease_s / _RENEWALS_PER_LEASE:
            return
        self._renewed_at = now
        hashes = [*self._flying, *(one.url_hash for one in self._collected)]
        try:
            self._service._downloads.renew(hashes, owner=self._owner, lease_s=self._service._lease_s)
        except TransientError as error:
            # The next turn comes before the lease ends.
            _log.warning(Event.DEPENDENCY_UNAVAILABLE, dependency="postgres", reason=str(error))


def _has_answered(outcome: DownloadOutcome) -> bool:
    """True if the host is well, whatever it thinks of this address. One that only ever answers 5xx is not."""
    is_told = outcome.status is not None and outcome.status < HTTPStatus.INTERNAL_SERVER_ERROR
    return outcome.state is DownloadState.DONE or (outcome.state is DownloadState.DEAD and is_told)


def _give_back(outcome: DownloadOutcome, reason: str, *, wait_s: float = 0.0) -> DownloadOutcome:
    """The same without its content: the URL is to be fetched again. What brought no content stays as it is."""
    if outcome.content is None:
        return outcome
    return DownloadOutcome(outcome.url_hash, outcome.url, DownloadState.PENDING, reason=reason, wait_s=wait_s)
