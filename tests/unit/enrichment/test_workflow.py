"""The workflow: what is in it, how times are written, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from core.enrichment import EnrichStage
from core.errors import ConfigurationError
from core.providers import PROVIDER_LIMITS, Limit
from core.settings import Settings
from enrichment.providers.registry import build_providers
from enrichment.schedules import build_beat_schedule
from enrichment.workflow import DEFAULT_PATH, load_workflow, parse_duration, parse_workflow
from messaging.names import TASK_ENRICH_SCHEDULE

_SETTINGS = Settings(_env_file=None)
_OURS = DEFAULT_PATH.read_text(encoding="utf-8")


def test_ours_has_all_stages_and_all_providers() -> None:
    """Nothing of what we know is forgotten, and each stage asks only providers that have something to say there."""
    workflow = load_workflow(_SETTINGS)
    infos = {name: provider.info for name, provider in build_providers(_SETTINGS).items()}
    assert workflow.stage_names == tuple(EnrichStage)
    assert set(workflow.provider_names) == set(PROVIDER_LIMITS) == set(infos)
    for name, info in infos.items():
        asked = {stage.name for stage in workflow.stages if name in stage.providers}
        assert asked == info.stages, name


def test_ours_asks_about_what_is_on_air_every_six_hours() -> None:
    """And about finished titles far less often; the promises of the product stand in the file."""
    workflow = load_workflow(_SETTINGS)
    metadata = workflow.stages[0].ages
    assert metadata.airing == timedelta(hours=6) < metadata.upcoming < metadata.recent < metadata.finished
    assert workflow.schedules["airing"].every == timedelta(hours=6)
    assert workflow.schedules["titles"].every == timedelta(days=1)
    assert {plan.what for plan in workflow.schedules.values()} == {
        "airing", "finished", "new", "retry", "merge", "dump", "learn", "prune"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("90 s", 90), ("0.5 s", 0.5), ("10 min", 600), ("6 h", 21_600), ("30d", 2_592_000), (" 2 w ", 1_209_600)],
)
def test_times_are_written_with_their_unit(given: str, seconds: float) -> None:
    """A number and a unit, with or without a space."""
    assert parse_duration(given).total_seconds() == seconds


@pytest.mark.parametrize("given", ["6", "six hours", "-1 h", "0 s", "1 h 30 min", "", 6, None, "1e3 s", "5 m"])
def test_what_is_no_time_is_refused(given: object) -> None:
    """A number alone might be anything."""
    with pytest.raises(ValueError, match="must be"):
        parse_duration(given)


def test_retries_wait_longer_each_time_and_then_the_same() -> None:
    """The last wait is repeated."""
    retries = load_workflow(_SETTINGS).retries
    waits = [retries.get_wait(attempts) for attempts in range(1, 8)]
    assert waits == sorted(waits) and waits[0] == timedelta(minutes=10)
    assert waits[4:] == [timedelta(days=3)] * 3 and retries.get_wait(0) == waits[0]


def test_limits_of_a_provider_can_be_others() -> None:
    """Those that stand in the file, in the place of all of its own."""
    text = _OURS + '[providers.anilist]\nlimits = [{ amount = 5, period = "1 min", burst = 2 }]\n'
    workflow = parse_workflow(text)
    assert workflow.get_limits("anilist", PROVIDER_LIMITS["anilist"]) == (Limit(5, 60.0, burst=2),)
    assert workflow.get_limits("kitsu", PROVIDER_LIMITS["kitsu"]) == PROVIDER_LIMITS["kitsu"]
    assert (workflow.get_provider("kitsu").lanes, workflow.get_provider("anidb").lanes) == (2, 1)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name = "staff"', 'name = "stuff"', "stages.5.name"),
        ('name = "staff"', 'name = "metadata"', "a stage is listed twice"),
        ('["jikan", "anilist", "kitsu", "anidb", "animeschedule"]', '["geocities"]', "geocities"),
        ('["jikan", "anilist", "kitsu", "anidb", "animeschedule"]', '["jikan", "jikan"]', "names a provider twice"),
        ('airing = "6 h", upcoming = "1 d"', 'airing = "6 hours", upcoming = "1 d"', "stages.0.ages.airing"),
        ("quality = 50", "quality = 500", "poor.quality"),
        ("factor = 0.5", "facter = 0.5", "poor.facter"),
        ('what = "retry"', 'what = "dance"', "schedules.retry.what"),
        ("lanes = 2", "lanes = 0", "providers.jikan.lanes"),
        ("[poor]", "[poor", "is no TOML"),
        ("failed = [", "failed = [] # [", "retries.failed"),
    ],
)
def test_a_file_that_says_something_impossible_is_refused(old: str, new: str, words: str) -> None:
    """The setting and the place in the file are named."""
    assert old in _OURS
    with pytest.raises(ConfigurationError, match="ENRICH_WORKFLOW") as caught:
        parse_workflow(_OURS.replace(old, new, 1))
    assert words in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Missing, or no text at all."""
    for path in (tmp_path / "missing.toml", tmp_path):
        with pytest.raises(ConfigurationError, match=f"{path} cannot be read"):
            load_workflow(_SETTINGS.model_copy(update={"enrich_workflow": path}))


def test_beat_runs_the_schedules_only_where_it_is_allowed(tmp_path: Path) -> None:
    """Without ENRICH_AUTO only what was asked for is tried again, and what is old tidied up."""
    assert set(build_beat_schedule(_SETTINGS)) == {"enrich retry", "enrich merge", "enrich titles", "enrich prune"}
    entries = build_beat_schedule(_SETTINGS.model_copy(update={"enrich_auto": True}))
    assert set(entries) == {f"enrich {name}" for name in load_workflow(_SETTINGS).schedules}
    assert entries["enrich airing"] == {
        "task": TASK_ENRICH_SCHEDULE,
        "schedule": 21_600.0,
        "kwargs": {"name": "airing"},
        "options": {"expires": 21_600.0},
    }
