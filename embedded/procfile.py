"""The Procfile: the one place that says how each process of ours is started, on a platform or under the supervisor."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from core.errors import ConfigurationError

_LINE = re.compile(r"^(?P<name>[A-Za-z0-9_-]+):\s*(?P<command>\S.*)$")
# $NAME, ${NAME} and ${NAME:-default} as in a shell, and $$ for a dollar; the rest of its language is refused.
_VARIABLE = re.compile(
    r"\$(?:(?P<plain>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)(?::-(?P<default>[^{}$]*))?\}|(?P<dollar>\$)|)"
)
# A step that platforms run before the new processes start.
RELEASE = "release"


def parse_procfile(text: str) -> dict[str, str]:
    """Command lines by process name, in the order of the file. Raises ConfigurationError that names a bad line."""
    commands: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.match(stripped)
        if match is None or match["name"] in commands:
            raise ConfigurationError(f"Procfile line {number}: expected 'name: command', each name once")
        commands[match["name"]] = match["command"]
    return commands


def load_procfile(path: Path) -> dict[str, str]:
    """Read a Procfile. Raises ConfigurationError when there is none."""
    try:
        return parse_procfile(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path} is missing: run from a checkout of the project") from error


def build_command(line: str, *, env: Mapping[str, str]) -> tuple[str, ...]:
    """The words of a command line with variables filled in as a shell does; a value with spaces stays one word.

    Raises ConfigurationError for a variable that is not set.
    """
    try:
        return tuple(_VARIABLE.sub(lambda found: _get_value(found, env), word) for word in shlex.split(line))
    except KeyError as error:
        raise ConfigurationError(f"the Procfile uses ${error.args[0]}, which is not set") from error
    except ValueError as error:
        raise ConfigurationError(f"Procfile: {error} in {line!r}") from error


def _get_value(found: re.Match[str], env: Mapping[str, str]) -> str:
    if found["dollar"]:
        return "$"
    name = found["plain"] or found["braced"]
    if name is None:
        raise ValueError("a $ that begins no variable")
    if found["default"] is not None:
        return env.get(name) or found["default"]
    return env[name]
