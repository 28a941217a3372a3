"""Which limits hold for a provider: its own, the workflow's, or both."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from core.providers import PROVIDER_LIMITS, Limit
from core.settings import Settings
from enrichment.building import Enrichment
from enrichment.limits import choose_limits
from enrichment.workflow import DEFAULT_PATH, Workflow, parse_workflow
from messaging.app import create_celery
from messaging.hints import HintSender
from storage.database.session import Database

PUBLIC = "https://graphql.anilist.co"
OWN = "http://anilist.example:8080"


def build_workflow(provider: str, limits: str) -> Workflow:
    """The product's own with other limits of one provider."""
    return parse_workflow(build_text(provider, limits))


def build_text(provider: str, limits: str) -> str:
    """The same as TOML."""
    text = re.sub(rf"^\[providers\.{provider}\]\n.*\n", "", DEFAULT_PATH.read_text(encoding="utf-8"), flags=re.M)
    return f"{text}\n[providers.{provider}]\nlimits = [{limits}]\n"


def build_settings(url: str) -> Settings:
    """Settings with AniList there."""
    return Settings(_env_file=None, anilist_base_url=url)


def test_the_providers_own_limits_hold_where_none_are_set() -> None:
    """The workflow that comes with us sets none."""
    workflow = parse_workflow(DEFAULT_PATH.read_text(encoding="utf-8"))
    for name, limits in PROVIDER_LIMITS.items():
        assert choose_limits(build_settings(PUBLIC), workflow, name, limits) == limits


def test_lower_limits_hold_beside_the_public_instances_own() -> None:
    """Of one period the lower one, of different periods both."""
    own = PROVIDER_LIMITS["anilist"]
    lower = build_workflow("anilist", '{ amount = 10, period = "60 s", burst = 2 }')
    assert choose_limits(build_settings(PUBLIC), lower, "anilist", own) == (Limit(10, 60.0, 2),)
    other = build_workflow("anilist", '{ amount = 1, period = "4 s" }')
    assert choose_limits(build_settings(PUBLIC), other, "anilist", own) == (*own, Limit(1, 4.0))


@pytest.mark.parametrize(
    "limits",
    [
        '{ amount = 1000, period = "1 s" }',
        '{ amount = 31, period = "60 s" }',
        '{ amount = 1, period = "1 s" }',
        '{ amount = 1, period = "10 s" }, { amount = 90, period = "60 s" }',
    ],
)
def test_higher_limits_are_refused_for_a_public_instance(limits: str) -> None:
    """In the same period or by the rate that is left in the long run, also beside a lower one; by name and place."""
    own = PROVIDER_LIMITS["anilist"]
    workflow = build_workflow("anilist", limits)
    with pytest.raises(ConfigurationError, match=r"providers\.anilist\.limits: .* more than the public instance"):
        choose_limits(build_settings(PUBLIC), workflow, "anilist", own)
    assert choose_limits(build_settings(OWN), workflow, "anilist", own) == workflow.get_limits("anilist", own)


def test_whoever_starts_a_job_is_told(tmp_path: Path) -> None:
    """Not only the worker that would ask: the scope of a job is not built."""
    path = tmp_path / "workflow.toml"
    path.write_text(build_text("anilist", '{ amount = 1000, period = "1 s" }'), encoding="utf-8")
    settings = Settings(_env_file=None, anilist_base_url=PUBLIC, enrich_workflow=path)
    hints = HintSender(create_celery(settings))
    enrichment = Enrichment(settings, Database("postgresql+psycopg://nobody@localhost/none"), hints, owner="test")
    with pytest.raises(ConfigurationError, match="anilist"):
        _ = enrichment.scopes
