"""The product's own workflow in a faster time: limits and waits are divided by the same factor as the stands' times."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from core.providers import PROVIDER_LIMITS
from enrichment.workflow import DEFAULT_PATH, parse_duration

_DAY_S = 86_400.0
_TIME = re.compile(r'"(\d[\d.]* ?(?:s|min|h|d|w))"')
_PROVIDER_TABLE = re.compile(r"^\[providers\.[a-z-]+\]\n(?:[a-z_]+ = .*\n)*", re.MULTILINE)


def build_workflow(
    factor: float = 1.0,
    *,
    lanes: Mapping[str, int] | None = None,
    changes: Mapping[str, str] | None = None,
    daily_limits: bool = True,
) -> str:
    """TOML for ENRICH_WORKFLOW. Ages stay as they are: nothing grows old within a test.

    `lanes`: titles at once by provider; `changes`: lines of the file, by the text that they begin with; `daily_limits`:
    False leaves out those of a day (AniDB's), which would hold up a test of a few titles.
    """
    lines = []
    for line in DEFAULT_PATH.read_text(encoding="utf-8").splitlines():
        start = next((start for start in changes or {} if line.startswith(start)), None)
        if start is not None and changes is not None:
            lines.append(changes[start])
        else:
            lines.append(
                line if line.startswith(("ages", "#")) else _TIME.sub(lambda found: _divide(found, factor), line)
            )
    kept = _PROVIDER_TABLE.sub("", "\n".join(lines) + "\n")
    return kept + "".join(
        _build_provider(name, factor, (lanes or {}).get(name, 2), daily_limits=daily_limits) for name in PROVIDER_LIMITS
    )


def write_workflow(
    folder: Path,
    factor: float = 1.0,
    *,
    lanes: Mapping[str, int] | None = None,
    changes: Mapping[str, str] | None = None,
    daily_limits: bool = True,
) -> Path:
    """The same in a file."""
    path = folder / "workflow.toml"
    path.write_text(build_workflow(factor, lanes=lanes, changes=changes, daily_limits=daily_limits), encoding="utf-8")
    return path


def _divide(found: re.Match[str], factor: float) -> str:
    return f'"{parse_duration(found[1]).total_seconds() / factor:.6f} s"'


def _build_provider(name: str, factor: float, lanes: int, *, daily_limits: bool) -> str:
    limits = ", ".join(
        f'{{ amount = {limit.amount}, period = "{limit.period_s / factor:.6f} s", burst = {limit.burst} }}'
        for limit in PROVIDER_LIMITS[name]
        if daily_limits or limit.period_s < _DAY_S
    )
    return f"[providers.{name}]\nlanes = {lanes}\nlimits = [{limits}]\n"
