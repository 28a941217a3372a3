"""The root of `avs`. Commands are found by name and imported when they are run, so that `avs --help` is instant.

A command module holds a click command (or group) whose name is the one listed here; nothing else ties it to this file.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import click

from cli.exits import Exit, get_exit_code
from cli.lazy_group import LazyGroup
from core.errors import ServiceError

# Name -> module and the line that `avs --help` shows, in the order of a first session.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "up": ("cli.stack", "Start the embedded servers and every process."),
    "down": ("cli.stack", "Stop the stack that runs in AVS_HOME."),
    "status": ("cli.stack", "Show what runs, where, and whether it is ready."),
    "import": ("cli.importing", "Read a catalogue into the database."),
    "index": ("cli.indexing", "Embed and index what has changed."),
    "download": ("cli.downloading", "Fetch the pictures of titles or of a list."),
    "enrich": ("cli.enriching", "Ask providers about titles, and merge what they say."),
    "jobs": ("cli.jobs", "Show jobs, their progress and dead letters."),
    "generations": ("cli.generations", "Make the index anew, swap, roll back, save and restore."),
    "media": ("cli.media", "Check the stored pictures; remove those that nobody needs."),
    "search": ("cli.searching", "Search by meaning."),
    "similar": ("cli.similar", "Find titles like titles."),
    "cache": ("cli.caching", "Show what is asked most and how often it was kept; clear it."),
    "keys": ("cli.keys", "Create, list and revoke API keys."),
    "eval": ("cli.evaluation", "Measure what searches find, against gold sets."),
    "demo": ("cli.demo", "Run the whole main job on the sample catalogue."),
}

_STACK_COMMANDS = ("up", "down", "status")


@click.group(
    name="avs", cls=LazyGroup, commands_by_name=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="anime-vector-service", prog_name="avs")
@click.pass_context
def avs(ctx: click.Context) -> None:
    """Find anime by meaning, by picture and by example.

    Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 configuration, 4 a dependency is unavailable, 5 not found,
    6 the job finished with dead letters.
    """
    if ctx.invoked_subcommand not in _STACK_COMMANDS:
        # Before the command's module reads any setting.
        from cli.connection import join_running_stack

        join_running_stack()


def run(args: list[str] | None = None) -> int:
    """Run one command line and answer its exit code. Errors on purpose become one line on stderr."""
    try:
        result: Any = avs.main(args=args, prog_name="avs", standalone_mode=False)
    except ServiceError as error:
        click.echo(f"avs: {error}", err=True)
        return get_exit_code(error)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("avs: interrupted", err=True)
        return Exit.FAILED
    return result if isinstance(result, int) else Exit.OK


def main() -> NoReturn:
    """The console entry point."""
    sys.exit(run())


if __name__ == "__main__":
    main()
