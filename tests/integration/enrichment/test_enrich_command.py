"""`avs enrich`: what it starts, what it refuses, and what it says at the end."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import CliRunner, Result

from cli.enriching import enrich_command
from cli.exits import Exit
from cli.jobs import jobs_command
from core.errors import ConfigurationError, InvalidInputError
from storage.database.jobs import KIND_ENRICH, JobRepository
from storage.database.models import JobState
from tests.integration.enrichment.pipeline import TrialPipeline
from tests.provider_stands import ProviderStands
from tests.provider_stands.workflows import write_workflow

FACTOR = 2_000.0


@pytest.fixture(scope="module")
def stands() -> Iterator[ProviderStands]:
    """The providers."""
    with ProviderStands(factor=FACTOR) as running:
        yield running


@pytest.fixture
def pipeline(
    database_url: str, redis_url: str, stands: ProviderStands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TrialPipeline]:
    """A worker for Kitsu, one title that it knows, and the same settings for commands."""
    redis.Redis.from_url(redis_url).flushdb()
    env = stands.build_env(["kitsu"])
    for name, value in {**env, "DATABASE_URL": database_url, "REDIS_URL": redis_url, "AVS_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    made = TrialPipeline(database_url, redis_url, env, workflow=write_workflow(tmp_path, FACTOR))
    made.execute("TRUNCATE titles, jobs, provider_answers CASCADE")
    title = stands.titles[0]
    made.add({"title": title.title, "external_ids": {"kitsu": title.ids["kitsu"]}})
    yield made
    made.close()


def run(*arguments: str) -> Result:
    """Run `avs enrich` in this process."""
    return CliRunner().invoke(enrich_command, arguments, standalone_mode=False)


def work_on_next_job(pipeline: TrialPipeline) -> threading.Thread:
    """Do, beside the command, what its workers would do; index jobs end at once."""

    def work() -> None:
        jobs = JobRepository(pipeline.database)
        while not (found := jobs.list_open_of(KIND_ENRICH)):
            threading.Event().wait(0.02)
        pipeline.hints.send("jobs.run", job_id=str(found[0].id))
        pipeline.drain()
        for one in pipeline.others:
            jobs.close(one, JobState.COMPLETED)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def load_params(pipeline: TrialPipeline, result: Result) -> dict[str, Any]:
    """The params of the job that a command has started and not waited for."""
    assert result.exception is None, result.output
    assert result.return_value == Exit.OK
    job = pipeline.jobs.get(uuid.UUID(result.stdout.split()[-1]))
    assert job.kind == KIND_ENRICH
    return job.params


@pytest.mark.parametrize(
    ("arguments", "params"),
    [
        ((), {}),
        (("--stale",), {"stale": True}),
        (("--refresh", "--no-index"), {"refresh": True, "then_index": False}),
        (("--provider", "kitsu", "--stage", "staff", "--stage", "metadata"),
         {"providers": ["kitsu"], "stages": ["staff", "metadata"]}),
        (("reparse", "--provider", "kitsu"), {"reparse": True, "providers": ["kitsu"]}),
    ],
)  # fmt: skip
def test_a_job_is_what_was_asked_for(
    pipeline: TrialPipeline, arguments: tuple[str, ...], params: dict[str, Any]
) -> None:
    """Without --wait the command says which job it has stored."""
    assert load_params(pipeline, run(*arguments, "--no-wait")) == params


def test_titles_are_named_by_slug_or_by_id(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """Each once; an unknown one is refused by its name, and no job is stored."""
    known = f"kitsu:{stands.titles[0].ids['kitsu']}"
    assert load_params(pipeline, run("--title", known, "--title", known, "--no-wait")) == {"ids": [known]}
    before = pipeline.jobs.list_recent()
    result = run("--title", known, "--title", "nobody", "--no-wait")
    assert isinstance(result.exception, InvalidInputError) and "--title: unknown: nobody" in str(result.exception)
    assert pipeline.jobs.list_recent() == before


@pytest.mark.parametrize("as_json", [True, False])
def test_the_command_waits_for_the_titles(pipeline: TrialPipeline, *, as_json: bool) -> None:
    """And for the indexing that follows; it tells parts by provider and by stage, or a line."""
    worker = work_on_next_job(pipeline)
    result = run(*(["--json"] if as_json else []))
    worker.join()
    assert result.exception is None, result.output
    assert result.return_value == Exit.OK
    if as_json:
        shown = json.loads(result.stdout.splitlines()[-1])
        assert shown["state"] == "completed" and shown["stages"]["enrich"] == {"done": 1}
        assert (
            sum(shown["enrichment"]["providers"]["kitsu"].values())
            == 6
            == sum(count for counts in shown["enrichment"]["stages"].values() for count in counts.values())
        )
    else:
        assert "completed: 1 titles" in result.stdout.splitlines()[-1]


def test_a_command_with_nothing_to_do_says_so(pipeline: TrialPipeline) -> None:
    """A second run is no failure, and `0 titles` would look like one."""
    pipeline.run(then_index=False)
    worker = work_on_next_job(pipeline)
    result = run("--no-index")
    worker.join()
    assert result.return_value == Exit.OK and "completed: nothing is missing or old" in result.stdout


def test_a_job_shows_its_counts(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """`avs jobs show` has a line a provider and a stage, and says what is asked again later."""
    stands.set_mood("kitsu", "refused")
    job = pipeline.run()
    stands.set_mood("kitsu", "normal")
    shown = CliRunner().invoke(jobs_command, ["show", str(job.id)], standalone_mode=False)
    assert shown.exception is None
    assert "kitsu         6 failed" in shown.stdout and "staff         1 failed" in shown.stdout
    assert "kitsu is asked again later: 6 provider-unavailable" in shown.stdout
    listed = CliRunner().invoke(jobs_command, [], standalone_mode=False).stdout
    assert "1/1" in listed.replace("\n", "") and str(job.id) in listed


@pytest.mark.parametrize("arguments", [(), ("--provider", "anidb"), ("reparse",)])
def test_who_is_not_configured_is_not_asked(
    pipeline: TrialPipeline, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """The command says which setting is missing, and stores no job."""
    monkeypatch.setenv("KITSU_BASE_URL", "none")
    result = run(*arguments)
    assert isinstance(result.exception, ConfigurationError)
    assert ("ANIDB_CLIENT" if "anidb" in arguments else "JIKAN_BASE_URL") in str(result.exception)
    assert pipeline.jobs.list_open_of(KIND_ENRICH) == []


@pytest.mark.parametrize("arguments", [("--stale", "--refresh"), ("--provider", "geocities"), ("--stage", "weather")])
def test_wrong_usage_is_told_apart(pipeline: TrialPipeline, arguments: tuple[str, ...]) -> None:
    """Contradictions and unknown names: nothing is stored."""
    result = run(*arguments)
    assert result.exception is not None and type(result.exception).__name__ in ("UsageError", "BadParameter")
    assert pipeline.jobs.list_open_of(KIND_ENRICH) == []


def test_its_commands_are_found_by_name() -> None:
    """Each that is listed is there, under its name."""
    with enrich_command.make_context("enrich", ["reparse"]) as context:
        names = enrich_command.list_commands(context)
        found: dict[str, Callable[..., Any] | None] = {
            name: enrich_command.get_command(context, name) for name in names
        }
        assert enrich_command.get_command(context, "dance") is None
    assert {"providers", "review", "link", "map", "explain", "override", "reparse"} <= set(names)
    assert [name for name, command in found.items() if command is None] == []
