"""The one file that says what exists: collections, their configuration, their current shard, and aliases.

Every change writes a new file and renames it over the old one, so that a reader after `kill -9` finds
either the state before or the state after: this is what makes alias and shard swaps atomic.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

Json = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """A collection as it is on disk; replaced, never changed."""

    directory: str
    shard: str
    config: Json
    indexes: Json = field(default_factory=dict)
    indexed_points: int = 0

    @property
    def description(self) -> Json:
        """What the collection is, wherever its files lie."""
        return {"config": self.config, "indexes": self.indexes, "indexed_points": self.indexed_points}


@dataclass(frozen=True)
class State:
    """Everything that exists."""

    collections: dict[str, Entry] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)


def load_state(path: Path) -> State:
    """Read the registry; a missing file is an empty server."""
    if not path.exists():
        return State()
    body = orjson.loads(path.read_bytes())
    return State({name: Entry(**entry) for name, entry in body["collections"].items()}, body["aliases"])


def save_state(path: Path, state: State) -> None:
    """Replace the registry; on return the new state survives a crash."""
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(orjson.dumps(asdict(state), option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
