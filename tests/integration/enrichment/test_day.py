"""A day in some seconds: real workers and beat, the providers' limits in the same faster time, three of six in trouble.

The long run, with figures, is `make bench ARGS="--only j"`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.settings import Settings
from embedded.services import EmbeddedServices
from storage.provider_gate import ProviderGate
from tests.provider_stands import ProviderStands, load_titles
from tests.provider_stands.fleet import WorkerFleet
from tests.provider_stands.server import PROVIDERS
from tests.provider_stands.titles import build_catalogue
from tests.provider_stands.workflows import write_workflow

FACTOR = 20.0
TITLES = 10
TROUBLE = {"kitsu": "refused", "anilist": "limited", "anidb": "garbage"}
LIMIT_S = 120.0
# Shorter windows are some ten milliseconds in this time: what a busy machine does to two arrivals. The benchmark
# measures them in true time.
_SHORTEST_WINDOW_S = 60.0
_STATES = "SELECT state, count(*) FROM enrich_parts WHERE provider = %s GROUP BY state"


@pytest.fixture(scope="module")
def stands() -> Iterator[ProviderStands]:
    """Requests are measured, and an hour of 429 lasts a minute."""
    titles = [title for title in load_titles(300) if len(title.episodes) <= 26][:TITLES]
    with ProviderStands(titles, factor=FACTOR, hour_s=60.0) as running:
        yield running


@pytest.fixture(scope="module")
def fleet(
    stands: ProviderStands,
    services: EmbeddedServices,
    new_database: Callable[[], str],
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WorkerFleet]:
    """Two workers and beat; the catalogue is imported."""
    folder = tmp_path_factory.mktemp("day")
    # A busy machine is no reason to put anybody off.
    changes = {'every = "5 min"': 'every = "1 s"', "provider =": 'provider = "15 s"'}
    workflow = write_workflow(folder, FACTOR, changes=changes, daily_limits=False)
    env = {
        **services.env,
        **stands.env,
        "DATABASE_URL": new_database(),
        "REDIS_URL": redis_url,
        "AVS_HOME": str(folder),
        "ENRICH_WORKFLOW": str(workflow),
        "RECONCILE_EVERY_S": "2",
        "LEASE_S": "10",
    }
    with WorkerFleet(env, folder=folder, workers=2, beat=True) as running:
        running.add_titles(build_catalogue(stands.titles))
        yield running


@pytest.mark.timeout(400)
def test_what_others_say_arrives_and_the_rest_is_done_later(fleet: WorkerFleet, stands: ProviderStands) -> None:
    """With one provider away, one at 429 and one talking garbage a job ends with the others' data; the rest follows."""
    for provider, mood in TROUBLE.items():
        stands.set_mood(provider, mood)
    job_id = fleet.run_json("enrich", "--no-wait", "--no-index")["id"]
    fleet.wait_until(lambda: get_state(fleet, job_id) == "completed", limit_s=LIMIT_S)
    check_the_first_part(fleet)
    for provider in TROUBLE:
        stands.set_mood(provider, "normal")
    let_time_pass(fleet)
    fleet.wait_until(lambda: count_open(fleet) == 0, limit_s=LIMIT_S)
    check_the_end(fleet)
    check_the_stands(stands)


def check_the_first_part(fleet: WorkerFleet) -> None:
    """Every title has what three sources say; nothing of the others is believed, and all of it is due again."""
    for provider in PROVIDERS:
        states = dict(fleet.query(_STATES, provider))
        if provider in TROUBLE:
            assert set(states) == {"failed"}, (provider, states)
        else:
            assert set(states) <= {"done", "absent"} and states["done"] >= TITLES, (
                provider,
                states,
                list_reasons(fleet),
            )
    documents = [document for (document,) in fleet.query("SELECT document FROM titles")]
    assert len(documents) == TITLES
    assert all(document["synopsis"] and document["staff"] and document["characters"] for document in documents)
    said = {provider for (provider,) in fleet.query("SELECT DISTINCT provider FROM claims")}
    assert said == set(PROVIDERS) - set(TROUBLE)
    assert fleet.query("SELECT 1 FROM enrich_parts WHERE state = 'failed' AND due_at IS NULL") == []


def list_reasons(fleet: WorkerFleet) -> list[Any]:
    """Why parts are not done."""
    return fleet.query("SELECT provider, state, reason, detail, count(*) FROM enrich_parts GROUP BY 1, 2, 3, 4")


def check_the_end(fleet: WorkerFleet) -> None:
    """All six sources have said something of every title, and its fields name them."""
    for provider in PROVIDERS:
        rows = fleet.query("SELECT count(DISTINCT slug) FROM claims WHERE provider = %s AND facts <> '{}'", provider)
        assert rows == [(TITLES,)], provider
    fleet.wait_until(
        lambda: all("anidb" in list_sources(fields) for (fields,) in fleet.query("SELECT fields FROM provenance")),
        limit_s=LIMIT_S,
    )
    assert fleet.query("SELECT count(*) FROM provenance") == [(TITLES,)]


def check_the_stands(stands: ProviderStands) -> None:
    """No limit was exceeded, and nothing that had been answered well was asked for again."""
    for provider, windows in stands.measure().items():
        for window in windows:
            is_short = window["period_s"] < _SHORTEST_WINDOW_S
            assert is_short or window["most"] <= window["allowed"], (provider, window)
        good = [
            one.key
            for one in stands.list_seen(provider)
            if one.is_limited and (one.mood, one.status) == ("normal", 200)
        ]
        assert len(good) == len(set(good)), provider


def let_time_pass(fleet: WorkerFleet) -> None:
    """Pauses, open circuits and waits for another try are over: in a day's time they would be."""
    gate = ProviderGate(Settings(_env_file=None, redis_url=fleet.env["REDIS_URL"]))
    for provider in PROVIDERS:
        gate.resume(provider)
    gate.close()
    fleet.query("UPDATE enrich_parts SET due_at = now() WHERE state = 'failed'")


def get_state(fleet: WorkerFleet, job_id: str) -> Any:
    """The job's."""
    ((state,),) = fleet.query("SELECT state FROM jobs WHERE id = %s", job_id)
    return state


def count_open(fleet: WorkerFleet) -> int:
    """Parts that are not done, and jobs that run."""
    ((parts,),) = fleet.query("SELECT count(*) FROM enrich_parts WHERE state NOT IN ('done', 'absent')")
    ((jobs,),) = fleet.query("SELECT count(*) FROM jobs WHERE kind = 'enrich' AND state NOT IN ('completed', 'failed')")
    return int(parts) + int(jobs)


def list_sources(fields: dict[str, Any]) -> set[str]:
    """Everybody whom the provenance of a title names."""
    return {source for field in fields.values() for source in field["sources"]}


def test_the_reports_tell_of_it(fleet: WorkerFleet) -> None:
    """`avs enrich providers` shows all six after the day."""
    shown = fleet.run_command("enrich", "providers", "--json")
    assert all(f'"{provider}"' in shown for provider in PROVIDERS)
