"""The limits that providers are asked within: their own, and those of the workflow beside them.

An instance of one's own is asked as its owner says. A public one is asked more slowly at most: its own limits hold
whatever the workflow says, and one that would let more through is a mistake that somebody is told of.
"""

from __future__ import annotations

from collections.abc import Iterable

from core.errors import ConfigurationError
from core.providers import Limit, is_public_instance
from core.settings import Settings
from enrichment.workflow import Workflow


def choose_limits(settings: Settings, workflow: Workflow, name: str, declared: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """All that hold at once. Raises ConfigurationError for limits above a public provider's own."""
    wanted = workflow.get_limits(name, declared)
    if wanted == declared or not is_public_instance(settings, name):
        return wanted
    own = {limit.period_s: limit for limit in declared}
    for limit in wanted:
        if limit.period_s in own and limit.amount > own[limit.period_s].amount:
            raise _build_error(name, limit, own[limit.period_s])
    slowest, slowest_own = _find_slowest(wanted), _find_slowest(declared)
    if _get_rate(slowest) > _get_rate(slowest_own):
        raise _build_error(name, slowest, slowest_own)
    # Of one period there is one bucket.
    return tuple({**own, **{limit.period_s: limit for limit in wanted}}.values())


def _find_slowest(limits: Iterable[Limit]) -> Limit:
    return min(limits, key=_get_rate)


def _get_rate(limit: Limit) -> float:
    return limit.amount / limit.period_s


def _build_error(name: str, limit: Limit, own: Limit) -> ConfigurationError:
    return ConfigurationError(
        f"ENRICH_WORKFLOW: providers.{name}.limits: {_describe(limit)} is more than the public instance allows "
        f"({_describe(own)}); more is for an instance of your own"
    )


def _describe(limit: Limit) -> str:
    return f"{limit.amount:g} in {limit.period_s:g} s"
