"""Workers killed at random while they enrich: nothing that was kept is asked again, and the end is the same."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from core.enrichment import ID_SPACES, EnrichStage
from core.settings import Settings
from embedded.services import EmbeddedServices
from enrichment.providers.base import Answer, Provider, Request
from enrichment.providers.registry import build_providers
from storage.database.answers import AnswerRepository
from storage.database.session import Database
from tests.integration.enrichment.local_pipeline import LocalPipeline
from tests.provider_stands import ProviderStands, StandTitle, load_titles
from tests.provider_stands.fleet import WorkerFleet
from tests.provider_stands.records import build_key
from tests.provider_stands.server import PROVIDERS
from tests.provider_stands.titles import build_catalogue
from tests.provider_stands.workflows import write_workflow

TITLES = 14
FACTOR = 20.0
SEED = 20_261_121
# So many answers are kept when the next worker is killed; give or take some.
KILLS = (30, 80, 130)
LIMIT_S = 180.0
# Nobody is put off: who is late is waited for.
PATIENCE = {"provider = ": 'provider = "60 s"'}
# Of each provider in each worker; see write_workflow.
LANES = 2
_ANSWERED = frozenset({200, 404})


@pytest.fixture(scope="module")
def titles() -> tuple[StandTitle, ...]:
    """Short ones, of which some need several pages."""
    return tuple(title for title in load_titles(300) if len(title.episodes) <= 52)[:TITLES]


@pytest.fixture
def fleet(
    titles: tuple[StandTitle, ...],
    stands: ProviderStands,
    services: EmbeddedServices,
    new_database: Callable[[], str],
    redis_url: str,
    tmp_path: Path,
) -> Iterator[WorkerFleet]:
    """Two workers and beat, whose reconciler finds what the dead leave behind."""
    env = {
        **services.env,
        **stands.env,
        "DATABASE_URL": new_database(),
        "REDIS_URL": redis_url,
        "AVS_HOME": str(tmp_path),
        "ENRICH_WORKFLOW": str(write_workflow(tmp_path, FACTOR, changes=PATIENCE, daily_limits=False)),
        # A request that a dead worker was making is not made by another one for 15 seconds more than this.
        "ENRICH_TIMEOUT_S": "3",
        "RECONCILE_EVERY_S": "2",
        "LEASE_S": "5",
    }
    with WorkerFleet(env, folder=tmp_path, workers=2, beat=True) as running:
        running.add_titles(build_catalogue(titles, keep=frozenset({"animeschedule"})))
        yield running


@pytest.fixture
def stands(titles: tuple[StandTitle, ...]) -> Iterator[ProviderStands]:
    """Slow enough for requests to be under way when a worker dies."""
    with ProviderStands(titles, factor=FACTOR, latency_s=0.03) as running:
        yield running


@pytest.mark.timeout(600)
def test_killed_workers_lose_nothing_and_ask_nothing_twice(
    fleet: WorkerFleet,
    stands: ProviderStands,
    titles: tuple[StandTitle, ...],
    new_database: Callable[[], str],
    redis_url: str,
    tmp_path: Path,
) -> None:
    """After kill -9 of workers at random, every kept answer was asked for once, and all ends as without kills."""
    numbers = random.Random(SEED)
    keeper = Keeper(fleet.env, stands, titles)
    job_id = fleet.run_json("enrich", "--no-wait", "--no-index")["id"]
    asked: dict[str, int] = {}
    for least in KILLS:
        wanted = least + numbers.randrange(20)
        fleet.wait_until(lambda wanted=wanted: count_kept(fleet) >= wanted, limit_s=LIMIT_S)
        name = numbers.choice(fleet.worker_names)
        fleet.kill(name)
        kept = keeper.list_kept()
        counts = count_answered(stands)
        asked = {key: counts[key] for key in kept} | asked
        fleet.start(name)
    fleet.wait_until(lambda: is_completed(fleet, job_id), limit_s=LIMIT_S)
    counts = count_answered(stands)
    assert len(asked) >= KILLS[-1]
    assert {key: counts[key] for key in asked} == asked
    # What was under way when a worker died: a request for each of its lanes at most.
    assert counts.total() - len(counts) <= len(KILLS) * len(PROVIDERS) * LANES
    assert fleet.query("SELECT count(*) FROM dead_letters") == [(0,)]
    found = read_end(fleet.query)
    expected = enrich_without_kills(titles, new_database(), redis_url, tmp_path)
    assert set(found["parts"].values()) <= {"done", "absent"} and len(found["documents"]) == TITLES
    for what, value in expected.items():
        assert {key: value[key] for key in value if found[what].get(key) != value[key]} == {}, what
        assert found[what].keys() == value.keys()


class Keeper:
    """Tells which requests have an answer in Postgres, by the names that the stand-ins have for them."""

    def __init__(self, env: Mapping[str, str], stands: ProviderStands, titles: tuple[StandTitle, ...]) -> None:
        given: dict[str, Any] = {name.lower(): value for name, value in stands.env.items()}
        self._providers = build_providers(Settings(_env_file=None, **given))
        self._database_url = env["DATABASE_URL"]
        self._stands = stands
        self._titles = titles

    def list_kept(self) -> set[str]:
        """`provider key` of every request of the plan that is answered, page by page."""
        with closing(Database(self._database_url)) as database:
            answers = AnswerRepository(database)
            return {
                f"{name} {self._build_key(name, request)}"
                for name, provider in self._providers.items()
                for title in self._titles
                for stage in provider.info.stages
                for request in iterate_kept(provider, stage, title, answers)
            }

    def _build_key(self, name: str, request: Request) -> str:
        target = urlsplit(self._stands.url(name)).path + request.path
        body = b"" if request.body is None else json.dumps(dict(request.body)).encode()
        return build_key("POST" if body else "GET", target, body)


def iterate_kept(
    provider: Provider, stage: EnrichStage, title: StandTitle, kept: AnswerRepository
) -> Iterator[Request]:
    """Requests of a stage that have an answer, as far as the answers lead."""
    external_id = title.ids[ID_SPACES[provider.info.name]]
    answers: dict[str, Answer] = {}
    waiting = provider.plan(stage, external_id)
    while waiting:
        for request in waiting:
            stored = kept.get(provider.info.name, request.key)
            if stored is None:
                return
            answers[request.key] = Answer(
                key=request.key,
                status=stored.status,
                body=stored.body,
                media_type=stored.media_type,
                fetched_at=stored.checked_at,
            )
            yield request
        waiting = provider.parse(stage, external_id, answers).more


def count_kept(fleet: WorkerFleet) -> int:
    """Answers in Postgres."""
    ((count,),) = fleet.query("SELECT count(*) FROM provider_answers")
    return int(count)


def count_answered(stands: ProviderStands) -> Counter[str]:
    """Requests that were answered, by `provider key`."""
    return Counter(f"{one.provider} {one.key}" for one in stands.list_seen() if one.status in _ANSWERED)


def is_completed(fleet: WorkerFleet, job_id: str) -> bool:
    """The job has ended."""
    return fleet.query("SELECT 1 FROM jobs WHERE id = %s AND state = 'completed'", job_id) == [(1,)]


def enrich_without_kills(
    titles: tuple[StandTitle, ...], database_url: str, redis_url: str, folder: Path
) -> dict[str, Any]:
    """The same titles by one worker that lives."""
    workflow = folder / "undisturbed"
    workflow.mkdir()
    path = write_workflow(workflow, 100_000, changes=PATIENCE, daily_limits=False)
    with ProviderStands(titles) as stands:
        pipeline = LocalPipeline(database_url, redis_url, stands.env, workflow=path)
        pipeline.add(*build_catalogue(titles, keep=frozenset({"animeschedule"})))
        job = pipeline.run(then_index=False)
        deadline = time.monotonic() + LIMIT_S
        while not pipeline.jobs.get(job.id).is_closed and time.monotonic() < deadline:
            pipeline.drain()
        end = read_end(lambda statement: [tuple(row) for row in pipeline.query(statement)])
        pipeline.database.close()
    return end


def read_end(query: Callable[[str], list[tuple[Any, ...]]]) -> dict[str, Any]:
    """Documents, what each provider says, and how each part ended; no times, and no ids that are drawn."""
    return {
        "documents": dict(query("SELECT slug, document FROM titles")),
        "claims": {row[:3]: row[3] for row in query("SELECT slug, provider, stage, facts FROM claims")},
        "parts": {row[:3]: row[3] for row in query("SELECT slug, provider, stage, state FROM enrich_parts")},
        "quality": dict(query("SELECT slug, round(quality::numeric, 3) FROM provenance")),
    }
