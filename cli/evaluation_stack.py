"""What the commands of `avs eval` share: the stack that they measure, their options, progress and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import orjson
import stamina
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from api.services import ApiServices, build_services
from core.log import configure_logging
from core.settings import Settings, load_settings
from evaluation.asking import Progress as Told
from evaluation.catalogue import Catalogue, load_catalogue
from search.live import LiveIndex

# An evaluation waits for its answers; only figures of speed are measured elsewhere.
WAIT_S = 60.0

DATA = click.option(
    "--data", type=click.Path(path_type=Path), help="Folder of the shared data; AVS_SHARED_DATA or ../shared/data."
)
SEED = click.option("--seed", default=7, show_default=True, type=click.IntRange(min=0), help="Same seed, same figures.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@dataclass(frozen=True)
class EvaluatedStack:
    """What is evaluated."""

    settings: Settings
    services: ApiServices
    live: LiveIndex

    def load_catalogue(self) -> Catalogue:
        """Every title of the live index that anybody may see."""
        return load_catalogue(self.services.store, self.live.collection)


def load_quiet_settings() -> Settings:
    """The settings, with errors only in the log: what goes wrong is told by the exit code and one line."""
    settings = load_settings().model_copy(update={"log_level": "ERROR"})
    configure_logging(settings)
    return settings


@contextmanager
def open_stack() -> Iterator[EvaluatedStack]:
    """The services over the stack of the settings, without kept answers and with patience."""
    settings = load_quiet_settings().model_copy(
        update={
            "cache_ttl_s": 0,
            "cache_stale_s": 0,
            "query_log": False,
            "query_deadline_s": WAIT_S,
            "qdrant_timeout_s": WAIT_S,
        }
    )
    stamina.instrumentation.set_on_retry_hooks(())
    services = build_services(settings)
    try:
        yield EvaluatedStack(settings, services, services.live.get())
    finally:
        services.close()


@contextmanager
def show_progress(what: str, *, total: int | None) -> Iterator[Told]:
    """A bar on stderr, so that JSON on stdout stays whole."""
    columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=total)
        yield lambda count: bars.advance(task, count)


def print_report(stack: EvaluatedStack, report: dict[str, Any], shown: list[Any], *, as_json: bool) -> None:
    """Tables, or JSON that also says which index was measured."""
    if as_json:
        state = stack.services.store.get_state(stack.live.collection)
        index = {"collection": stack.live.collection, "titles": state.points if state else 0}
        click.echo(orjson.dumps({"index": index, **report}, option=orjson.OPT_INDENT_2))
    else:
        Console().print(*shown)
