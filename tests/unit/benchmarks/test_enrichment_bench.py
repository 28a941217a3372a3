"""(j): what goes wrong at which hour, the workflow in a faster time, and how its result is shown."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.enrichment import TROUBLE, change_moods
from benchmarks.report import build_rows
from core.providers import PROVIDER_LIMITS
from core.settings import Settings
from enrichment.workflow import load_workflow, parse_workflow
from tests.provider_stands.limits import TRUE_LIMITS
from tests.provider_stands.server import PROVIDERS
from tests.provider_stands.workflows import build_workflow


class FakeStands:
    """Keeps the moods that it is told."""

    def __init__(self) -> None:
        self.moods: dict[str, str] = {}
        self.calls = 0

    def set_mood(self, provider: str, mood: str) -> None:
        """As ProviderStands."""
        self.calls += 1
        self.moods[provider] = mood


def test_every_trouble_begins_and_ends() -> None:
    """Each provider is in trouble within its hours and well outside them, and is told only when that changes."""
    stands, moods = FakeStands(), dict[str, str]()
    for provider, mood, start, end in TROUBLE:
        for hour, wanted in ((start, mood), (end - 0.01, mood), (end, "normal"), (23.0, "normal")):
            change_moods(stands, moods, hour)  # type: ignore[arg-type]
            assert stands.moods[provider] == wanted
    calls = stands.calls
    change_moods(stands, moods, 23.5)  # type: ignore[arg-type]
    assert stands.calls == calls


@pytest.mark.parametrize("factor", [1.0, 20.0, 144.0])
def test_the_faster_workflow_is_the_true_one_divided(factor: float) -> None:
    """Limits, waits and schedules are divided by the factor; stages, providers and ages stay."""
    fast, true = parse_workflow(build_workflow(factor)), load_workflow(Settings(_env_file=None))
    assert fast.stages == true.stages
    assert fast.patience.provider.total_seconds() == pytest.approx(true.patience.provider.total_seconds() / factor)
    assert fast.retries.get_wait(2).total_seconds() == pytest.approx(true.retries.get_wait(2).total_seconds() / factor)
    for provider, declared in PROVIDER_LIMITS.items():
        limits = fast.get_limits(provider, ())
        assert [limit.amount for limit in limits] == [limit.amount for limit in declared]
        assert [limit.period_s * factor for limit in limits] == pytest.approx(
            [limit.period_s for limit in declared], rel=1e-3
        )


def test_what_we_declare_is_within_what_providers_allow() -> None:
    """Every window that a provider is known to count is bounded by a limit of ours."""
    assert TRUE_LIMITS.keys() == PROVIDER_LIMITS.keys() == set(PROVIDERS)
    for provider, windows in TRUE_LIMITS.items():
        for window in windows:
            assert any(
                limit.amount / limit.period_s <= window.amount / window.period_s for limit in PROVIDER_LIMITS[provider]
            ), (provider, window)


def test_the_result_is_judged_by_titles_and_limits() -> None:
    """Titles a day stand against the aim, and one request beyond a limit makes the line red."""
    limits = {"jikan": {"requests": 10, "over": 0, "windows": []}}
    broken = {"jikan": {"requests": 10, "over": 1, "windows": []}}
    result: dict[str, Any] = {
        "aim": 1_000,
        "true_time": {"limits": limits},
        "rates": [{"workers": 2, "titles_a_day": 9_000, "limits": broken}],
        "day": {"complete": 1_100, "titles": 1_100, "hours": [{"hour": 20.0, "enriched": 1_100}], "limits": limits},
    }
    rows = {name: (ours, ratio, aim) for name, ours, _, ratio, aim in build_rows({"j": result})}
    assert rows["(j) all but AniDB, 2 workers"] == ("9,000 titles/day", 9.0, 1.0)
    assert rows["(j) a day with three providers in trouble, all six"][1] == 1.1
    assert rows["(j) the same day, titles with what others said"][1] == 1.1
    assert rows["(j) beyond a limit: 2 workers"] == ("1 of 10 requests", 0.0, 1.0)
    assert rows["(j) beyond a limit: in true time"] == ("0 of 10 requests", 1.0, 1.0)
