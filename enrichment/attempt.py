"""One title at one provider: where it is there, what is asked, what the answers say, and how each of its parts ended.

What concerns the whole provider (it is away, it limits us) goes up to the lane. All else ends as a part's outcome: a
wrong answer is a reason and never a fault of the worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol, runtime_checkable

from core.enrichment import STAGE_FIELDS, EnrichStage
from core.errors import ConfigurationError, DependencyUnavailableError
from core.log import Event, Log
from enrichment.asking.errors import AnswerFailedError, AnswerRefusedError
from enrichment.linking.dump import TitlesMissingError
from enrichment.linking.plausible import check_candidates
from enrichment.linking.records import RecordReader
from enrichment.linking.searching import Search, Verify
from enrichment.linking.service import Link
from enrichment.providers.base import (
    Answer,
    BlockedError,
    Candidate,
    Fault,
    Parsed,
    Provider,
    ProviderUnavailableError,
    Request,
    ShapeChangedError,
)
from enrichment.workflow import Workflow
from storage.database.claims import NewClaim
from storage.database.enrich_parts import REASON_WORKER_LOST, PartClaim, PartOutcome
from storage.database.enrichment_models import LinkState, PartState

REASON_SHAPE: Final = "shape-changed"
REASON_BLOCKED: Final = "blocked"
REASON_UNEXPECTED: Final = "unexpected"
REASON_TOO_MANY: Final = "too-many-requests"
REASON_NOTHING: Final = "nothing-there"
REASON_NO_TITLES: Final = "titles-not-fetched"

# A search tells the same for a while; what it found is checked anyway.
_SEARCH_AGE: Final = timedelta(days=7)
# Pages of one part; a provider whose lists have no end would be asked for ever.
_REQUESTS_MAX = 200
# A worker that is killed is more often an operator's doing than a title's.
_LOST_LEASES_PER_ATTEMPT = 2
_DETAIL_MAX = 500
_MISCONFIGURED_S = 3_600.0
_log = Log("enrichment")


class Asker(Protocol):
    """What asks a provider; see enrichment.asking.ProviderClient."""

    def ask(self, request: Request, *, most_age_s: float) -> Answer:
        """A kept answer that is younger than this, or a new one."""
        ...

    def distrust(self, keys: Sequence[str]) -> None:
        """These answers were of no use: ask again the next time."""
        ...


@runtime_checkable
class LooksUp(Protocol):
    """A provider that can be asked by the id that a title has elsewhere."""

    def plan_lookup(self, id_space: str, external_id: str) -> Request | None:
        """The request, read as a search is; None for ids that it does not know."""
        ...


class Linker(Protocol):
    """What knows where titles are; see LinkService."""

    def find(
        self,
        slug: str,
        document: Mapping[str, Any],
        provider: str,
        search: Search | None,
        *,
        verify: Verify | None = None,
        asked_by: str | None = None,
    ) -> Link:
        """The title's place at a provider."""
        ...


@dataclass(frozen=True, slots=True)
class Attempted:
    """How one part ended. `said`: what the provider says now; `keeps`: fields whose earlier value stays.

    `useless`: keys of answers that cannot be read. They are distrusted when all stages of the title have been through:
    several may be about the same answer, which is not asked for once more by each.
    """

    claim: PartClaim
    outcome: PartOutcome
    said: NewClaim | None = None
    keeps: frozenset[str] = frozenset()
    useless: tuple[str, ...] = ()


class Attempts:
    """Makes attempts at one provider. Safe between threads if its parts are."""

    def __init__(
        self,
        provider: Provider,
        client: Asker,
        *,
        links: Linker,
        workflow: Workflow,
        max_attempts: int,
        search: Search | None = None,
    ) -> None:
        self._provider = provider
        self._client = client
        self._links = links
        self._workflow = workflow
        self._max_attempts = max_attempts
        # The record is the page of the metadata: what linking looks at is not asked for once more.
        self._verify = RecordReader(provider, client, most_age_s=_SEARCH_AGE.total_seconds())
        self._search = search or (self._search_provider if provider.info.can_search else None)

    @property
    def name(self) -> str:
        """The provider's."""
        return self._provider.info.name

    def find(self, slug: str, document: Mapping[str, Any], *, asked_by: str | None = None) -> Link:
        """Where the title is at the provider, for the lane that has leased its parts. Raises what asking raises."""
        search = self._search
        if search is not None and isinstance(self._provider, LooksUp):
            search = partial(self._look_up, self._provider, document.get("external_ids", {}), search)
        return self._links.find(slug, document, self.name, search, verify=self._look_at, asked_by=asked_by)

    def judge_link(self, link: Link) -> PartOutcome | None:
        """What the title's parts have come to where it is not at the provider; None where it is."""
        if link.state is LinkState.LINKED and link.external_id is not None:
            return None
        return PartOutcome(state=PartState.ABSENT, reason=f"link-{link.state.value}")

    def attempt(
        self, claim: PartClaim, external_id: str, *, claimed_at: float, before_ask: Callable[[], None] = lambda: None
    ) -> Attempted:
        """Ask and read one part. `claimed_at`: when it was claimed, by the monotonic clock of this process.

        Raises ProviderUnavailableError and DependencyUnavailableError.
        """
        if claim.attempts > _LOST_LEASES_PER_ATTEMPT * self._max_attempts:
            detail = "its worker vanished again and again"
            return Attempted(claim, PartOutcome(state=PartState.DEAD, reason=REASON_WORKER_LOST, detail=detail))
        try:
            return self._try(claim, external_id, claimed_at=claimed_at, before_ask=before_ask)
        except (ProviderUnavailableError, DependencyUnavailableError):
            raise
        except Exception as error:
            return Attempted(claim, self.judge(claim, error))

    def judge(self, claim: PartClaim, error: Exception) -> PartOutcome:
        """The outcome of an attempt that an error has ended."""
        if isinstance(error, BlockedError):
            return PartOutcome(
                state=PartState.BLOCKED,
                reason=REASON_BLOCKED,
                detail=str(error)[:_DETAIL_MAX],
                wait_s=self._workflow.retries.blocked.total_seconds(),
            )
        if isinstance(error, TitlesMissingError):
            # Nobody was asked; it is no failure of this title, however often it happens.
            return PartOutcome(
                state=PartState.FAILED,
                reason=REASON_NO_TITLES,
                detail=str(error),
                wait_s=error.retry_after_s,
                is_blameless=True,
            )
        if isinstance(error, ShapeChangedError):
            detail = f"{error.field_path}: {error.problem}"
            return self._fail(claim, REASON_SHAPE, detail, field=error.field_path)
        if isinstance(error, AnswerFailedError):
            return self._fail(claim, error.reason, str(error), least_s=error.retry_after_s)
        if isinstance(error, AnswerRefusedError):
            return self._fail(claim, error.reason, str(error))
        # A fault of ours, with this title only: the others go on, and somebody reads the log.
        return self._fail(claim, REASON_UNEXPECTED, f"{type(error).__name__}: {error}", error=error)

    def distrust(self, keys: Sequence[str]) -> None:
        """These answers were of no use: ask again the next time."""
        if keys:
            self._client.distrust(keys)

    def _try(
        self, claim: PartClaim, external_id: str, *, claimed_at: float, before_ask: Callable[[], None]
    ) -> Attempted:
        answers: dict[str, Answer] = {}
        try:
            return self._ask(claim, external_id, answers, claimed_at=claimed_at, before_ask=before_ask)
        except ShapeChangedError as error:
            return Attempted(claim, self.judge(claim, error), useless=tuple(answers))
        except ConfigurationError as error:
            # It does not know our client, say: that is so for every title, until somebody changes a setting.
            self._client.distrust(list(answers))
            raise ProviderUnavailableError(self.name, str(error), retry_after_s=_MISCONFIGURED_S) from error

    def _ask(
        self,
        claim: PartClaim,
        external_id: str,
        answers: dict[str, Answer],
        *,
        claimed_at: float,
        before_ask: Callable[[], None],
    ) -> Attempted:
        """Puts what came into `answers` as it comes."""
        stage = EnrichStage(claim.stage)
        waiting: tuple[Request, ...] = self._provider.plan(stage, external_id)
        parsed = Parsed({})
        while waiting:
            for request in waiting:
                before_ask()
                # What came since the claim is as fresh as can be: another stage may have asked the same.
                most_age_s = claim.most_age_s + time.monotonic() - claimed_at
                answers[request.key] = self._client.ask(request, most_age_s=most_age_s)
            if all(answer.is_absent for answer in answers.values()):
                status = next(iter(answers.values())).status
                return Attempted(claim, _be_absent(answers.values(), reason=f"http-{status}"))
            parsed = self._provider.parse(stage, external_id, answers)
            waiting = tuple(request for request in parsed.more if request.key not in answers)
            if len(answers) + len(waiting) > _REQUESTS_MAX:
                detail = f"more than {_REQUESTS_MAX} requests for one part"
                return Attempted(claim, self._fail(claim, REASON_TOO_MANY, detail))
        return self._conclude(claim, parsed, answers)

    def _conclude(self, claim: PartClaim, parsed: Parsed, answers: Mapping[str, Answer]) -> Attempted:
        parsed = _require_title(EnrichStage(claim.stage), parsed)
        changed = [fault for fault in parsed.faults if fault.kind == "shape"]
        for fault in changed:
            self._report(claim, REASON_SHAPE, fault.problem, field=fault.field)
        if changed and not parsed.facts:
            detail = f"{changed[0].field}: {changed[0].problem}"
            outcome = self._fail(claim, REASON_SHAPE, detail, is_reported=True)
            return Attempted(claim, outcome, useless=tuple(answers))
        if not answers:
            return Attempted(claim, PartOutcome(state=PartState.ABSENT, reason=REASON_NOTHING))
        said = self._build_claim(claim, parsed, answers)
        if not parsed.facts and not parsed.faults:
            return Attempted(claim, _be_absent(answers.values(), reason=REASON_NOTHING))
        outcome = PartOutcome(state=PartState.DONE, fetched_at=said.fetched_at)
        return Attempted(claim, outcome, said, _find_kept(EnrichStage(claim.stage), parsed))

    def _build_claim(self, claim: PartClaim, parsed: Parsed, answers: Mapping[str, Answer]) -> NewClaim:
        return NewClaim(
            slug=claim.slug,
            provider=claim.provider,
            stage=claim.stage,
            facts=parsed.facts,
            faults=[{"field": one.field, "problem": one.problem, "kind": one.kind} for one in parsed.faults],
            answers=list(answers),
            parser_version=self._provider.info.parser_version,
            fetched_at=_get_oldest(answers.values()),
        )

    def _search_provider(self, title: str) -> Sequence[Candidate]:
        request = self._provider.plan_search(title)
        if request is None:
            return ()
        return self._read_search(request)

    def _look_up(
        self, provider: LooksUp, ids: Mapping[str, Any], search: Search, title: str
    ) -> Sequence[Candidate]:  # fmt: skip
        """What the provider has under the title's id elsewhere; only without that what it finds by name."""
        for space, external_id in sorted(ids.items()):
            request = provider.plan_lookup(space, str(external_id))
            if request is None:
                continue
            if found := self._read_search(request):
                return found
        return search(title)

    def _read_search(self, request: Request) -> Sequence[Candidate]:
        """What a search found. An answer that cannot be read is asked for again the next time."""
        answer = self._client.ask(request, most_age_s=_SEARCH_AGE.total_seconds())
        if answer.is_absent:
            return ()
        try:
            return check_candidates(self.name, self._provider.parse_search(answer))
        except ShapeChangedError:
            self._client.distrust([request.key])
            raise

    def _look_at(self, external_id: str) -> Candidate | None:
        """The provider's own record of an id, for linking. One that cannot be read is asked for again the next time."""
        try:
            return self._verify(external_id)
        except ShapeChangedError:
            self._client.distrust([one.key for one in self._provider.plan(EnrichStage.METADATA, external_id)])
            raise

    def _fail(
        self,
        claim: PartClaim,
        reason: str,
        detail: str,
        *,
        least_s: float = 0.0,
        field: str | None = None,
        error: Exception | None = None,
        is_reported: bool = False,
    ) -> PartOutcome:
        """Again later, or never if it was the last attempt."""
        if not is_reported:
            self._report(claim, reason, detail, field=field, error=error)
        failed = PartOutcome(state=PartState.FAILED, reason=reason, detail=detail[:_DETAIL_MAX])
        if claim.attempts >= self._max_attempts:
            where = f"{claim.provider} {claim.stage}"
            _log.error(Event.ENRICH_PART_DEAD, slug=claim.slug, part=where, reason=reason)
            return replace(failed, state=PartState.DEAD)
        wait_s = self._workflow.retries.get_wait(claim.attempts).total_seconds()
        return replace(failed, wait_s=max(least_s, wait_s))

    def _report(
        self, claim: PartClaim, reason: str, detail: str, *, field: str | None = None, error: Exception | None = None
    ) -> None:
        known = {"provider": claim.provider, "stage": claim.stage, "slug": claim.slug, "reason": reason}
        if field is not None:
            known["field"] = field
        if error is not None:
            _log.error(Event.ENRICH_PART_FAILED, error=error, **known)
        else:
            _log.warning(Event.ENRICH_PART_FAILED, detail=detail[:_DETAIL_MAX], **known)


def _be_absent(answers: Collection[Answer], *, reason: str) -> PartOutcome:
    """The provider has nothing there now. What it said earlier stays as a claim, with the time at which it did."""
    return PartOutcome(state=PartState.ABSENT, reason=reason, fetched_at=_get_oldest(answers))


def _get_oldest(answers: Collection[Answer]) -> datetime:
    return min(answer.fetched_at for answer in answers)


def _require_title(stage: EnrichStage, parsed: Parsed) -> Parsed:
    """A record of a title without any name is none that we know how to read."""
    if stage is not EnrichStage.METADATA or "title" in parsed.facts or not (parsed.facts or parsed.faults):
        return parsed
    return replace(parsed, faults=(*parsed.faults, Fault("title", "is not there", "shape")))


def _find_kept(stage: EnrichStage, parsed: Parsed) -> frozenset[str]:
    """Fields that keep an earlier value: those with a fault; all of the stage where the answer's form has changed, or
    where it says nothing any more.
    """
    if not parsed.facts or any(fault.kind == "shape" for fault in parsed.faults):
        return frozenset(STAGE_FIELDS[stage])
    return frozenset(fault.field.split(".")[0] for fault in parsed.faults) & frozenset(STAGE_FIELDS[stage])
