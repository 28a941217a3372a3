"""Providers that answer badly, through the whole pipeline: recorded, never stored as truth, never fatal.

Every mood of the stand-ins has two titles. Both are asked of all six providers in one job: the one had good answers
before, the other is new. The tests look at what came of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from core.enrichment import ID_SPACES
from storage.database.jobs import Job
from storage.database.models import JobState
from tests.integration.enrichment.pipeline import TrialPipeline
from tests.provider_stands import ProviderStands, StandTitle, load_titles
from tests.provider_stands.server import PROVIDERS
from tests.provider_stands.titles import build_catalogue
from tests.provider_stands.workflows import write_workflow

# No answer can be used: the part fails, with one of these reasons.
USELESS: Mapping[str, frozenset[str]] = {
    "failing": frozenset({"http-5xx"}),
    "broken": frozenset({"wrong-form", "shape-changed"}),
    "cut": frozenset({"truncated-body"}),
    "mangled": frozenset({"wrong-form", "shape-changed"}),
    "reshaped": frozenset({"wrong-form", "shape-changed"}),
    "bare": frozenset({"wrong-form", "shape-changed"}),
    "empty": frozenset({"wrong-form", "shape-changed"}),
    "html-page": frozenset({"wrong-form", "shape-changed"}),
    "exploding": frozenset({"wrong-form", "shape-changed"}),
    "reaching-out": frozenset({"wrong-form", "shape-changed"}),
    "huge": frozenset({"too-large"}),
    "inflated": frozenset({"too-large"}),
    # A redirect of a POST to another host is refused before anybody looks where it leads.
    "to-metadata": frozenset({"forbidden-address", "bad-redirect"}),
    "to-private": frozenset({"forbidden-address", "bad-redirect"}),
    "to-file": frozenset({"forbidden-scheme"}),
}
# Some of what they say may be used, or nothing; none of it may be wrong. (Pages are read whatever their encoding.)
DOUBTFUL = ("mangled", "recoded", "nulls", "absurd", "unknown", "markup")
MOODS = tuple(dict.fromkeys((*USELESS, *DOUBTFUL)))
READ_ANYWAY = {("mangled", "anime-planet")}
OF_NO_USE = [(mood, provider) for mood in USELESS for provider in PROVIDERS if (mood, provider) not in READ_ANYWAY]
# What a mood changes truly: other texts, roles of other names, and numbers that nobody has any more.
CHANGING: Mapping[str, frozenset[str]] = {
    "markup": frozenset({"synopsis", "characters", "episode_list"}),
    "unknown": frozenset({"staff", "synonyms", "characters", "statistics"}),
    "nulls": frozenset({"statistics", "related_anime"}),
}
_MARKUP = re.compile(r"<[a-z/!]|javascript:|onerror|alert\(", re.IGNORECASE)
_MOST_ANSWER_BYTES = 2_000_000


@dataclass(frozen=True)
class Case:
    """A mood with its titles."""

    mood: str
    known: StandTitle
    fresh: StandTitle


@dataclass(frozen=True)
class Outcome:
    """What is in the database: documents and claims before and after, and every part after."""

    cases: Mapping[str, Case]
    slugs: Mapping[str, str]
    imported: Mapping[str, Mapping[str, Any]]
    before: Mapping[str, Mapping[str, Any]]
    after: Mapping[str, Mapping[str, Any]]
    claims_before: Mapping[tuple[str, str, str], Any]
    claims: Mapping[tuple[str, str, str], Any]
    parts: Mapping[tuple[str, str, str], Any]
    job: Job

    def slug_of(self, title: StandTitle) -> str:
        """The title's slug."""
        return self.slugs[title.ids["mal"]]

    def list_parts(self, title: StandTitle, provider: str) -> list[Any]:
        """The title's parts at a provider that were asked of the title itself."""
        slug = self.slug_of(title)
        return [part for key, part in self.parts.items() if key[:2] == (slug, provider)]


@pytest.fixture(scope="module")
def outcome(new_database: Any, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """A good job over the known titles, then one over all of them with every provider in every mood."""
    folder = tmp_path_factory.mktemp("bad-providers")
    short = [title for title in load_titles(300) if len(title.episodes) <= 13 and title.facts["status"] == "FINISHED"]
    cases = {mood: Case(mood, short[2 * place], short[2 * place + 1]) for place, mood in enumerate(MOODS)}
    titles = [title for case in cases.values() for title in (case.known, case.fresh)]
    changes = {"garbage_titles": "garbage_titles = 100000"}
    workflow = write_workflow(folder, 100_000, changes=changes)
    with ProviderStands(titles) as stands:
        env = {**stands.env, "ENRICH_MAX_ANSWER_BYTES": str(_MOST_ANSWER_BYTES)}
        pipeline = TrialPipeline(new_database(), redis_url, env, workflow=workflow)
        yield _run(pipeline, stands, cases)
        pipeline.close()


def _run(pipeline: TrialPipeline, stands: ProviderStands, cases: Mapping[str, Case]) -> Outcome:
    titles = [title for case in cases.values() for title in (case.known, case.fresh)]
    pipeline.add(*build_catalogue(titles, keep=frozenset({"animeschedule"})))
    imported = pipeline.load_documents()
    slugs = {str(document["external_ids"]["mal"]): slug for slug, document in imported.items()}
    pipeline.enrich([slugs[case.known.ids["mal"]] for case in cases.values()])
    before, claims_before = pipeline.load_documents(), _load_claims(pipeline)
    for case in cases.values():
        for title in (case.known, case.fresh):
            for provider in PROVIDERS:
                for match in build_matches(provider, title):
                    stands.set_mood(provider, case.mood, match=match)
    job_id = pipeline.enrich(sorted(slugs.values()), refresh=True)
    parts = pipeline.query("SELECT * FROM enrich_parts")
    return Outcome(
        cases=cases,
        slugs=slugs,
        imported=imported,
        before=before,
        after=pipeline.load_documents(),
        claims_before=claims_before,
        claims=_load_claims(pipeline),
        parts={(part.slug, part.provider, part.stage): part for part in parts},
        job=pipeline.jobs.get(job_id),
    )


def _load_claims(pipeline: TrialPipeline) -> dict[tuple[str, str, str], Any]:
    return {(row.slug, row.provider, row.stage): row for row in pipeline.query("SELECT * FROM claims")}


def build_matches(provider: str, title: StandTitle) -> tuple[str, ...]:
    """Texts that are in every request about a title, and in none about another."""
    number = title.ids[ID_SPACES[provider]]
    return {
        "jikan": (f"/anime/{number}/",),
        "anilist": (f'"id": {number}}}', f'"id":{number}}}', f'"id":{number},', f'"id": {number},'),
        "kitsu": (f"/anime/{number}?", f"/anime/{number}/", f"media_id%5D={number}&"),
        "anidb": (f"aid={number}",),
        "animeschedule": (f"/anime/{number}",),
        "anime-planet": (f"/anime/{number}",),
    }[provider]


def _is_shared(part: Any) -> bool:
    """AnimeSchedule's episodes are read from the week's time table, which is in no mood."""
    return bool(part.provider == "animeschedule" and part.stage == "episodes")


@pytest.mark.parametrize(("mood", "provider"), OF_NO_USE)
def test_answers_of_no_use_are_a_reason(outcome: Outcome, mood: str, provider: str) -> None:
    """A part that was answered so has failed for a known reason, says what stood there, and is due again."""
    case = outcome.cases[mood]
    for title in (case.known, case.fresh):
        parts = [part for part in outcome.list_parts(title, provider) if not _is_shared(part)]
        assert parts
        for part in parts:
            assert (part.state, part.reason in USELESS[mood]) == ("failed", True), (
                part.stage,
                part.reason,
                part.detail,
            )
            assert part.detail and part.due_at > part.settled_at


@pytest.mark.parametrize("mood", sorted(USELESS.keys() - {"mangled"}))
def test_nothing_of_no_use_is_stored(outcome: Outcome, mood: str) -> None:
    """The known title's claims are what they were; of the fresh one there is none, and it is what was imported."""
    case = outcome.cases[mood]
    known, fresh = outcome.slug_of(case.known), outcome.slug_of(case.fresh)
    for key, claim in outcome.claims.items():
        if key[0] == known:
            assert claim.facts == outcome.claims_before[key].facts
        assert key[0] != fresh or not claim.facts, key
    assert outcome.after[fresh] == outcome.imported[fresh]


@pytest.mark.parametrize("mood", MOODS)
def test_a_title_keeps_what_it_had(outcome: Outcome, mood: str) -> None:
    """Whatever the providers answer the second time, the document is the one of the first, but for a new synopsis."""
    slug = outcome.slug_of(outcome.cases[mood].known)
    assert "synopsis" in outcome.before[slug] and "characters" in outcome.before[slug]
    changing = CHANGING.get(mood, frozenset())
    before = {name: value for name, value in outcome.before[slug].items() if name not in changing}
    after = {name: value for name, value in outcome.after[slug].items() if name not in changing}
    assert after == before


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("mood", ["absurd", "unknown"])
def test_values_that_cannot_be_are_faults(outcome: Outcome, mood: str, provider: str) -> None:
    """Of a value that no title has, a claim says where it stood and what is wrong; the rest of the answer is taken."""
    case = outcome.cases[mood]
    slug = outcome.slug_of(case.fresh)
    claims = [claim for key, claim in outcome.claims.items() if key[:2] == (slug, provider)]
    faults = [fault for claim in claims for fault in claim.faults]
    assert faults and all(fault["field"] and fault["problem"] for fault in faults)
    assert any(claim.facts for claim in claims)


@pytest.mark.parametrize("mood", DOUBTFUL)
def test_what_is_stored_can_be_true(outcome: Outcome, mood: str) -> None:
    """No claim and no document of a title says what no title can be: years, counts, scores, dates, words, markup."""
    case = outcome.cases[mood]
    for title in (case.known, case.fresh):
        slug = outcome.slug_of(title)
        check_facts(outcome.after[slug], title)
        for key, claim in outcome.claims.items():
            if key[0] == slug:
                check_facts(claim.facts, title)


def check_facts(facts: Mapping[str, Any], title: StandTitle) -> None:
    """The plausible, and never another thing than the stand-in's title where it has one."""
    known = title.facts
    assert facts.get("type") in (None, "UNKNOWN", known["type"])
    assert facts.get("status") in (None, "UNKNOWN", known["status"])
    assert facts.get("season") in (None, known["season"])
    assert facts.get("year") in (None, known["year"])
    assert facts.get("episodes") in (None, known.get("episodes"))
    assert 0 <= facts.get("score", 5) <= 10
    assert facts.get("duration", 24) > 0
    assert all(facts.get(name, 0) >= 0 for name in ("members", "popularity", "favorites", "scored_by", "rank"))
    start = (facts.get("aired") or {}).get("start")
    assert start is None or date.fromisoformat(start).year in (known["year"] - 1, known["year"], known["year"] + 1)
    written = json.dumps(facts, ensure_ascii=False)
    assert not _MARKUP.search(written) and "\ufffd" not in written and "\\u0000" not in written


def test_markup_is_taken_out_of_texts(outcome: Outcome) -> None:
    """The words of a synopsis that came as HTML are kept, its entities read, its scripts gone."""
    slug = outcome.slug_of(outcome.cases["markup"].fresh)
    synopses = [claim.facts["synopsis"] for key, claim in outcome.claims.items()
                if key[0] == slug and "synopsis" in claim.facts]  # fmt: skip
    assert len(synopses) >= 4
    assert all("A quiet town & a loud year." in synopsis for synopsis in synopses)


def test_the_job_ends_all_the_same(outcome: Outcome) -> None:
    """Everything that failed is due again or dead; the job is completed, and no worker fault is among the reasons."""
    assert outcome.job.state == JobState.COMPLETED
    assert {part.state for part in outcome.parts.values()} <= {"done", "absent", "failed"}
    assert "unexpected" not in {part.reason for part in outcome.parts.values()}


def test_other_titles_are_as_good_as_ever(outcome: Outcome) -> None:
    """Before anything went wrong, every known title had its facts from its sources."""
    for case in outcome.cases.values():
        document = outcome.before[outcome.slug_of(case.known)]
        assert document["title"] == case.known.title
        assert document.get("episodes") == case.known.facts.get("episodes")
        assert _list_names(document["staff"]) >= {case.known.staff[0].person.name}


def _list_names(people: Sequence[Mapping[str, Any]]) -> set[str]:
    return {str(person["name"]) for person in people}
