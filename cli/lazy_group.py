"""A group of commands that imports the module of the one that is called, and of no other."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """Knows its commands by name: `commands_by_name` is {name: (module, line of the help)}, in the order of the help.

    A module holds a click command (or group) of that name; nothing else ties the two together.
    """

    def __init__(self, *args: Any, commands_by_name: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._places = dict(commands_by_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, without an import."""
        return list(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module and find the command of this name in it; None for a name that is not ours."""
        if cmd_name not in self._places:
            return None
        module = importlib.import_module(self._places[cmd_name][0])
        found = [value for value in vars(module).values() if isinstance(value, click.Command)]
        return next((command for command in found if command.name == cmd_name), None)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with the lines from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._places.items()])
