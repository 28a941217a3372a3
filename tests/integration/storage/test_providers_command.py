"""`avs enrich providers` on a real Redis and a real Postgres."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
import redis
from click.testing import CliRunner, Result

from cli.provider_table import providers_command
from core.providers import PROVIDER_LIMITS
from core.settings import Settings
from storage.provider_gate import Leave, ProviderGate, Verdict

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, redis_url: str, database_url: str) -> Run:
    """Run the command over the test's servers, in a wide terminal."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *args: CliRunner().invoke(providers_command, args)


@pytest.fixture
def gate(redis_url: str) -> Iterator[ProviderGate]:
    """A gate that remembers nothing yet, and by which AniList asked for a pause."""
    with redis.Redis.from_url(redis_url) as server:
        server.flushdb()
    opened = ProviderGate(Settings(_env_file=None, redis_url=redis_url))
    leave = Leave("go", 0, "", False)
    opened.settle("anilist", PROVIDER_LIMITS["anilist"], leave, Verdict.LIMITED, reason="asks for it", pause_s=3_600)
    yield opened
    opened.close()


def test_table(run: Run, gate: ProviderGate) -> None:
    """Every provider has a row, and what needs a sentence has one below."""
    result = run()
    assert result.exit_code == 0, result.output
    assert all(name in result.output for name in PROVIDER_LIMITS)
    assert "paused" in result.output and "anilist: asks for it" in result.output
    assert "jikan: JIKAN_BASE_URL is not set" in result.output


def test_json(run: Run, gate: ProviderGate) -> None:
    """As JSON it is what the API answers."""
    report = json.loads(run("--json").output)
    assert report["gate"] == "ok" and [one["name"] for one in report["providers"]] == list(PROVIDER_LIMITS)


def test_resume(run: Run, gate: ProviderGate) -> None:
    """A pause can be ended by hand; a name that is none is wrong usage."""
    result = run("--resume", "anilist", "--json")
    anilist = next(one for one in json.loads(result.output)["providers"] if one["name"] == "anilist")
    assert anilist["paused_s"] == 0 and gate.get_state("anilist", PROVIDER_LIMITS["anilist"]).paused_s == 0
    assert run("--resume", "nobody").exit_code == 2


def test_without_redis(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Redis the rest is shown, and that nobody can ask."""
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    result = run()
    assert result.exit_code == 0 and "Nobody can ask now" in result.output and "unknown" in result.output
