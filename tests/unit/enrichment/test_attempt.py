"""One attempt at one part: what is asked, and how every kind of answer and error ends. Without servers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.enrichment import EnrichStage
from core.errors import ConfigurationError, DependencyUnavailableError
from enrichment.asking.errors import AnswerFailedError, AnswerRefusedError
from enrichment.attempt import Attempts
from enrichment.linking.service import Link
from enrichment.providers.base import (
    Answer,
    BlockedError,
    Candidate,
    Fault,
    Limit,
    Parsed,
    ProviderInfo,
    ProviderUnavailableError,
    Request,
    ShapeChangedError,
)
from enrichment.workflow import DEFAULT_PATH, parse_workflow
from storage.database.enrich_parts import PartClaim
from storage.database.enrichment_models import LinkState, PartState

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SAID = {"title": "A title", "synopsis": "A town."}
WORKFLOW = parse_workflow(DEFAULT_PATH.read_text(encoding="utf-8"))
INFO = ProviderInfo(
    name="kitsu",
    id_space="kitsu",
    stages=frozenset(EnrichStage),
    limits=(Limit(1, 1.0),),
    can_search=True,
    licence="none",
    terms_url="https://example.org",
    parser_version=7,
)


def build_answer(key: str, *, status: int = 200, age: timedelta = timedelta()) -> Answer:
    """An answer of so long ago."""
    return Answer(key=key, status=status, body=b"{}", media_type="application/json", fetched_at=NOW - age)


class _Client:
    """Stands for ProviderClient: answers by key, or errors."""

    def __init__(self, answers: Mapping[str, Answer | Exception]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, float]] = []
        self.distrusted: list[str] = []

    def ask(self, request: Request, *, most_age_s: float) -> Answer:
        self.asked.append((request.key, most_age_s))
        answer = self.answers[request.key]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def distrust(self, keys: Sequence[str]) -> None:
        self.distrusted += keys


class _Provider:
    """Asks 'first', and whatever the parsing says then."""

    info = INFO

    def __init__(self, parse: Callable[[Mapping[str, Answer]], Parsed]) -> None:
        self._parse = parse

    def plan(self, stage: EnrichStage, external_id: str) -> tuple[Request, ...]:
        return (Request(key="first", path=f"/{external_id}/{stage}"),)

    def parse(self, stage: EnrichStage, external_id: str, answers: Mapping[str, Answer]) -> Parsed:
        return self._parse(answers)

    def plan_search(self, title: str) -> Request | None:
        return Request(key=f"search {title}", path="/") if title else None

    def parse_search(self, answer: Answer) -> Sequence[Candidate]:
        return [Candidate(external_id="77", titles=(answer.key,))]


class _LookingUp(_Provider):
    """Can also be asked by MyAnimeList's id."""

    def plan_lookup(self, id_space: str, external_id: str) -> Request | None:
        return Request(key=f"lookup {external_id}", path="/") if id_space == "mal" else None


class _Links:
    """Stands for LinkService: keeps what a search brought."""

    def __init__(self) -> None:
        self.found: list[Candidate] = []

    def find(
        self,
        slug: str,
        document: Mapping[str, Any],
        provider: str,
        search: Any,
        *,
        verify: Any = None,
        asked_by: str | None = None,
    ) -> Link:
        self.found = list(search(document["title"])) if search else []
        return Link(state=LinkState.NONE, external_id=None, probability=0.0, method="titles")


def build(
    answers: Mapping[str, Answer | Exception],
    parse: Callable[[Mapping[str, Answer]], Parsed] = lambda _: Parsed(SAID),
    *,
    provider: type[_Provider] = _Provider,
) -> tuple[Attempts, _Client, _Links]:
    """Attempts over a client with these answers."""
    client, links = _Client(answers), _Links()
    made = Attempts(provider(parse), client, links=links, workflow=WORKFLOW, max_attempts=3)
    return made, client, links


def build_claim(attempts: int = 1, *, most_age_s: float = 100.0) -> PartClaim:
    """A claim of the stage metadata."""
    return PartClaim("a-title", "kitsu", "metadata", attempts, most_age_s)


def attempt(made: Attempts, claim: PartClaim | None = None) -> Any:
    """An attempt that begins now."""
    return made.attempt(claim or build_claim(), "77", claimed_at=time.monotonic())


def test_what_is_said_is_a_claim_with_its_time_and_its_answers() -> None:
    """The oldest of several answers tells when it was said; further pages are asked until there are no more."""

    def parse(answers: Mapping[str, Answer]) -> Parsed:
        more = () if "second" in answers else (Request(key="second", path="/2"),)
        return Parsed(SAID, (Fault("year", "is 0"),), more)

    made, client, _ = build(
        {"first": build_answer("first", age=timedelta(hours=2)), "second": build_answer("second")}, parse
    )
    done = attempt(made)
    assert done.outcome.state is PartState.DONE and done.outcome.fetched_at == NOW - timedelta(hours=2)
    assert (done.said.facts, done.said.answers) == (SAID, ["first", "second"])
    assert done.said.faults == [{"field": "year", "problem": "is 0", "kind": "value"}]
    assert (done.said.parser_version, done.said.fetched_at) == (7, NOW - timedelta(hours=2))
    assert done.keeps == {"year"} and [key for key, _ in client.asked] == ["first", "second"]


def test_an_answer_may_be_as_old_as_the_claim_says() -> None:
    """And a little more: what came since the claim is fresh for all stages of the title."""
    made, client, _ = build({"first": build_answer("first")})
    made.attempt(build_claim(most_age_s=100.0), "77", claimed_at=time.monotonic() - 50)
    assert 150 <= client.asked[0][1] < 160


def test_an_answer_of_another_form_keeps_what_was_known() -> None:
    """A part of the answer has changed: fields that are missing now keep their value, and the fault is stored."""
    fault = Fault("data.attributes.titles", "is no object", "shape")
    made, _, _ = build({"first": build_answer("first")}, lambda _: Parsed(SAID, (fault,)))
    done = attempt(made)
    assert done.outcome.state is PartState.DONE and {"title_english", "genres", "synopsis"} <= done.keeps
    nameless, _, _ = build({"first": build_answer("first")}, lambda _: Parsed({"year": 1999}))
    assert {one["field"] for one in attempt(nameless).said.faults} == {"title"}


@pytest.mark.parametrize(
    ("error", "state", "reason", "wait_s"),
    [
        (ShapeChangedError("kitsu", "data", "is not there"), PartState.FAILED, "shape-changed", 600),
        (AnswerFailedError("kitsu", "timeout", "took too long"), PartState.FAILED, "timeout", 600),
        (AnswerFailedError("kitsu", "http-5xx", "x", retry_after_s=9_000), PartState.FAILED, "http-5xx", 9_000),
        (AnswerRefusedError("kitsu", "too-large", "50 MB"), PartState.FAILED, "too-large", 600),
        (BlockedError("a page that keeps robots out"), PartState.BLOCKED, "blocked", 30 * 86_400),
        (ZeroDivisionError("ours"), PartState.FAILED, "unexpected", 600),
    ],
)
def test_every_error_has_its_end(error: Exception, state: PartState, reason: str, wait_s: float) -> None:
    """A word of a closed list, what stood there, and when it is tried again."""
    made, _, _ = build({"first": error})
    outcome = attempt(made).outcome
    assert (outcome.state, outcome.reason, outcome.wait_s) == (state, reason, wait_s)
    assert outcome.detail


def test_failures_in_a_row_end_with_the_last_attempt() -> None:
    """It waits longer after each, and is dead after the last; so is what kills its workers."""
    made, _, _ = build({"first": ShapeChangedError("kitsu", "data", "is not there")})
    waits = [attempt(made, build_claim(attempts)).outcome.wait_s for attempts in (1, 2)]
    assert waits == [600, 3_600]
    assert attempt(made, build_claim(3)).outcome.state is PartState.DEAD
    fine, client, _ = build({"first": build_answer("first")})
    lost = attempt(fine, build_claim(7)).outcome
    assert (lost.state, lost.reason, client.asked) == (PartState.DEAD, "worker-lost", [])


@pytest.mark.parametrize(
    "error",
    [ProviderUnavailableError("kitsu", "away", retry_after_s=5), DependencyUnavailableError("postgres", "away")],
)
def test_what_concerns_all_titles_goes_up(error: Exception) -> None:
    """The lane decides on the provider, and nobody is blamed for a server of ours."""
    made, _, _ = build({"first": error})
    with pytest.raises(type(error)):
        attempt(made)


def test_a_provider_that_does_not_know_our_client_is_left_alone() -> None:
    """It says so about every title: somebody has to change a setting."""

    def parse(_: Mapping[str, Answer]) -> Parsed:
        raise ConfigurationError("ANIDB_CLIENT is not known there")

    made, client, _ = build({"first": build_answer("first")}, parse)
    with pytest.raises(ProviderUnavailableError, match="ANIDB_CLIENT") as caught:
        attempt(made)
    assert caught.value.retry_after_s == 3_600 and client.distrusted == ["first"]


@pytest.mark.parametrize(
    ("answers", "parsed", "reason"),
    [
        ({"first": build_answer("first", status=404)}, Parsed({"synopsis": "never read"}), "http-404"),
        ({"first": build_answer("first")}, Parsed({}), "nothing-there"),
    ],
)
def test_nothing_there_is_an_answer_and_takes_nothing_away(
    answers: Mapping[str, Answer], parsed: Parsed, reason: str
) -> None:
    """The part is absent, with when that was said; no claim is stored in the place of an earlier one."""
    made, _, _ = build(answers, lambda _: parsed)
    done = attempt(made)
    assert (done.outcome.state, done.outcome.reason, done.outcome.fetched_at) == (PartState.ABSENT, reason, NOW)
    assert done.said is None


def test_what_cannot_be_read_is_named_for_distrust() -> None:
    """All answers of the part, whether the parser gives up or finds nothing in another form."""

    def refuse(_: Mapping[str, Answer]) -> Parsed:
        raise ShapeChangedError("kitsu", "data", "is not there")

    for parse in (refuse, lambda _: Parsed({}, (Fault("data", "is not there", "shape"),))):
        made, client, _ = build({"first": build_answer("first")}, parse)
        failed = attempt(made)
        assert (failed.outcome.state, failed.outcome.reason) == (PartState.FAILED, "shape-changed")
        assert failed.useless == ("first",) and client.distrusted == []


def test_a_list_without_end_is_given_up() -> None:
    """A provider that always names another page is not followed for ever."""

    class Endless(dict[str, Answer]):
        def __missing__(self, key: str) -> Answer:
            return build_answer(key)

    made, client, _ = build(Endless(), lambda answers: Parsed({}, (), (Request(key=f"page {len(answers)}", path="/"),)))
    assert attempt(made).outcome.reason == "too-many-requests" and len(client.asked) <= 200


def test_titles_are_looked_for_by_name() -> None:
    """The provider's search serves linking; an absent answer finds nothing."""
    made, client, links = build(
        {"search Akira": build_answer("search Akira"), "search Nope": build_answer("x", status=404)}
    )
    link = made.find("akira", {"title": "Akira"})
    assert [one.titles for one in links.found] == [("search Akira",)] and client.asked[0][1] == 7 * 86_400
    outcome = made.judge_link(link)
    assert outcome is not None and (outcome.state, outcome.reason) == (PartState.ABSENT, "link-none")
    made.find("nope", {"title": "Nope"})
    assert links.found == []
    there = Link(state=LinkState.LINKED, external_id="1", probability=1.0, method="catalogue")
    assert made.judge_link(there) is None


def test_an_id_of_elsewhere_goes_before_a_name() -> None:
    """A provider that knows others' ids is asked by them first, and by name only if that finds nothing."""
    answers = {
        "lookup 1": build_answer("lookup 1"),
        "lookup 2": build_answer("lookup 2", status=404),
        "search Akira": build_answer("search Akira"),
    }
    made, client, links = build(answers, provider=_LookingUp)
    made.find("akira", {"title": "Akira", "external_ids": {"anilist": 5, "mal": 1}})
    assert [one.titles for one in links.found] == [("lookup 1",)] and len(client.asked) == 1
    made.find("akira", {"title": "Akira", "external_ids": {"mal": 2}})
    assert [one.titles for one in links.found] == [("search Akira",)]


def test_what_linking_cannot_read_is_asked_for_again() -> None:
    """A search answer and a record of another form are distrusted: they would be read once more for a week."""

    class Changed(_Provider):
        def parse_search(self, answer: Answer) -> Sequence[Candidate]:
            raise ShapeChangedError("kitsu", "data", "is no list")

    made, client, _ = build({"search Akira": build_answer("search Akira")}, provider=Changed)
    with pytest.raises(ShapeChangedError):
        made.find("akira", {"title": "Akira"})
    assert client.distrusted == ["search Akira"]

    def fail(_: Mapping[str, Answer]) -> Parsed:
        raise ShapeChangedError("kitsu", "data", "is not there")

    class Verifying(_Links):
        def find(self, *args: Any, verify: Any = None, asked_by: str | None = None) -> Link:
            verify("77")
            raise AssertionError("the record can be read")

    read, client, _ = build({"first": build_answer("first")}, fail)
    read._links = Verifying()
    with pytest.raises(ShapeChangedError):
        read.find("akira", {"title": "Akira"})
    assert client.distrusted == ["first"]
