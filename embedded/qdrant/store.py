"""Every collection and alias of the server, and the rules for changing them.

Names are resolved without a lock on dictionaries that are replaced whole, so a reader sees all of an
alias change or none of it.
"""

from __future__ import annotations

import fcntl
import shutil
import threading
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import qdrant_edge as edge

from embedded.qdrant.collection import Collection, discard_leftovers
from embedded.qdrant.convert import schema
from embedded.qdrant.convert.body import Json, as_list, as_object, as_string, need, only_key
from embedded.qdrant.errors import BadRequestError, ConflictError, NotFoundError, engine_errors
from embedded.qdrant.registry import Entry, State, load_state, save_state
from embedded.qdrant.shard import Shard

_FORBIDDEN = set('<>:"/\\|?*\0\x1f')
_LONGEST_NAME = 255
_FIRST_SHARD = "shard-1"


class LockedError(Exception):
    """Another server has the directory open."""


class Store:
    """The collections under one directory, open for this process alone."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock_file = _lock(path)
        self._registry = path / "registry.json"
        self._lock = threading.Lock()
        self._state = load_state(self._registry)
        self._open: dict[str, Collection] = {}
        self._discard_unknown()
        self._open = {name: self._load(name, entry) for name, entry in self._state.collections.items()}

    def _discard_unknown(self) -> None:
        """Remove what a crash left behind: collections never registered or already deleted."""
        root = self._path / "collections"
        root.mkdir(exist_ok=True)
        known = {entry.directory: entry.shard for entry in self._state.collections.values()}
        for directory in root.iterdir():
            if directory.name in known:
                discard_leftovers(directory, known[directory.name])
            else:
                shutil.rmtree(directory, ignore_errors=True)

    def _load(self, name: str, entry: Entry) -> Collection:
        directory = self._path / "collections" / entry.directory
        return Collection(name, directory, entry, lambda changed: self._commit_entry(name, changed))

    def _commit(self, state: State) -> None:
        save_state(self._registry, state)
        self._state = state

    def _commit_entry(self, name: str, entry: Entry) -> None:
        with self._lock:
            if name in self._state.collections:
                self._commit(replace(self._state, collections={**self._state.collections, name: entry}))

    # Looking up

    @property
    def path(self) -> Path:
        """Where everything lies."""
        return self._path

    @property
    def names(self) -> list[str]:
        """The names of all collections."""
        return sorted(self._open)

    @property
    def collections(self) -> list[Collection]:
        """All collections."""
        return list(self._open.values())

    def get(self, name: str) -> Collection:
        """Return a collection by its name or alias."""
        collection = self._find(name)
        if collection is None:
            raise NotFoundError(f"Not found: Collection `{name}` doesn't exist!")
        return collection

    def _find(self, name: str) -> Collection | None:
        return self._open.get(name) or self._open.get(self._state.aliases.get(name, ""))

    def exists(self, name: str) -> bool:
        """Whether there is a collection or an alias of that name."""
        return self._find(name) is not None

    def reading(self, name: str) -> tuple[Collection, Shard]:
        """Return a collection and its shard, leased; an alias that moves meanwhile is followed."""
        while True:
            collection = self.get(name)
            shard = collection.lease()
            if shard is not None:
                return collection, shard

    # Changing

    def create(self, name: str, body: Any) -> None:
        """Create a collection; on return it survives a crash."""
        _check_name(name)
        with engine_errors:
            config = schema.read_create(body)
        with self._lock:
            if self.exists(name):
                raise ConflictError(f"Wrong input: Collection `{name}` already exists!")
            entry = Entry(directory=uuid.uuid4().hex, shard=_FIRST_SHARD, config=config)
            path = self._path / "collections" / entry.directory / _FIRST_SHARD
            path.mkdir(parents=True)
            with engine_errors:
                edge.EdgeShard.create(str(path), schema.edge_config(config)).close()
            collection = self._load(name, entry)
            self._commit(replace(self._state, collections={**self._state.collections, name: entry}))
            self._open = {**self._open, name: collection}

    def install(self, name: str, shard: Path, description: Json) -> None:
        """Take a shard's files into service as this collection, in place of what it held; aliases stay."""
        _check_name(name)
        entry = Entry(directory=uuid.uuid4().hex, shard=_FIRST_SHARD, **description)
        directory = self._path / "collections" / entry.directory
        directory.mkdir()
        shutil.move(shard, directory / _FIRST_SHARD)
        with self._lock:
            if name in self._state.aliases:
                raise ConflictError(f"Wrong input: Alias `{name}` already exists!")
            with engine_errors:
                collection = self._load(name, entry)
            self._commit(replace(self._state, collections={**self._state.collections, name: entry}))
            before = self._open.get(name)
            self._open = {**self._open, name: collection}
        if before is not None:
            before.retire(remove=True)

    def delete(self, name: str) -> bool:
        """Delete a collection with its aliases; false if there is none of that name."""
        with self._lock:
            collection = self._open.get(name)
            if collection is None:
                return False
            entries = {key: entry for key, entry in self._state.collections.items() if key != name}
            self._commit(State(entries, {a: c for a, c in self._state.aliases.items() if c != name}))
            self._open = {key: item for key, item in self._open.items() if key != name}
        collection.retire(remove=True)
        return True

    def change_aliases(self, body: Any) -> None:
        """Apply alias actions in order, all or none."""
        actions = as_list(as_object(body, {"actions"}, what="aliases").get("actions"), what="actions")
        with self._lock:
            aliases = dict(self._state.aliases)
            for action in actions:
                name = only_key(action, {"create_alias", "delete_alias", "rename_alias"}, what="alias action")
                getattr(self, f"_{name}")(aliases, action[name])
            self._commit(replace(self._state, aliases=aliases))

    def _create_alias(self, aliases: dict[str, str], body: Any) -> None:
        fields = as_object(body, {"collection_name", "alias_name"}, what="create_alias")
        target, alias = (_text(fields, key) for key in ("collection_name", "alias_name"))
        if target not in self._open:
            raise NotFoundError(f"Not found: Collection `{target}` doesn't exist!")
        if alias in self._open:
            raise ConflictError(f"Wrong input: Collection `{alias}` already exists!")
        _check_name(alias)
        aliases[alias] = target

    def _delete_alias(self, aliases: dict[str, str], body: Any) -> None:
        aliases.pop(_text(as_object(body, {"alias_name"}, what="delete_alias"), "alias_name"), None)

    def _rename_alias(self, aliases: dict[str, str], body: Any) -> None:
        fields = as_object(body, {"old_alias_name", "new_alias_name"}, what="rename_alias")
        old, new = (_text(fields, key) for key in ("old_alias_name", "new_alias_name"))
        if old not in aliases:
            raise NotFoundError(f"Not found: Alias {old} does not exists!")
        if new in self._open:
            raise ConflictError(f"Wrong input: Collection `{new}` already exists!")
        _check_name(new)
        aliases[new] = aliases.pop(old)

    def aliases(self, collection: str | None = None) -> list[Json]:
        """Return all aliases, or those of one collection."""
        pairs = self._state.aliases.items()
        return [{"alias_name": a, "collection_name": c} for a, c in pairs if collection in {None, c}]

    def close(self) -> None:
        """Flush and close every collection."""
        for collection in self.collections:
            collection.retire(remove=False)
        self._lock_file.close()


def _text(body: Json, key: str) -> str:
    return as_string(need(body, key, what="alias action"), what=key)


def _check_name(name: str) -> None:
    if not name or len(name) > _LONGEST_NAME or _FORBIDDEN & set(name):
        raise BadRequestError(f"Wrong input: {name!r} cannot name a collection or an alias")


def _lock(path: Path) -> Any:
    file = (path / ".lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise LockedError(f"{path} is open in another server") from error
    return file
