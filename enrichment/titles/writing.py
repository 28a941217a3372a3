"""Merged titles into Postgres: document, base, ids, pictures, ledger and provenance in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.document import content_hash
from enrichment.titles.building import BuiltTitle, list_ids
from storage.database.bases import BaseRepository
from storage.database.ledger import LedgerRepository
from storage.database.merge_inputs import MergeInputRepository, MergeInputs
from storage.database.picture_sync import sync_titles_in
from storage.database.provenance import LastMerge, ProvenanceRepository, forget_relatives_in
from storage.database.session import Connection, Database
from storage.database.titles import TitleRepository

_NEVER = LastMerge("")


@dataclass(frozen=True, slots=True)
class Written:
    """Slugs of the titles whose document is another one now, and of the others."""

    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()


@dataclass(slots=True)
class _Batch:
    """The titles of one transaction that are merged anew: what went in, its hash, what came out, what was before."""

    last: Mapping[str, LastMerge]
    inputs: dict[str, MergeInputs] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    built: dict[str, BuiltTitle] = field(default_factory=dict)
    taken: set[tuple[str, str]] = field(default_factory=set)

    @property
    def changed(self) -> dict[str, BuiltTitle]:
        """Those whose document is another one than before."""
        return {
            slug: built
            for slug, built in self.built.items()
            if built.title.content_hash != content_hash(dict(self.inputs[slug].document))
        }

    def iterate_added(self) -> Iterator[tuple[str, str, str]]:
        """Ids that lead to these titles from now on."""
        for slug, built in self.built.items():
            yield from ((*key, slug) for key in sorted(built.new_ids - self.last.get(slug, _NEVER).added))

    def iterate_removed(self) -> Iterator[tuple[str, str, str]]:
        """Ids that the last merging had added, and this one has not: a link was taken back, or a source's word."""
        for slug, built in self.built.items():
            gone = self.last.get(slug, _NEVER).added - list_ids(built.title.document)
            yield from ((*key, slug) for key in sorted(gone))

    def list_named_anew(self) -> set[tuple[str, str]]:
        """Ids that lead to another name than before, or to one at all, or to none any more."""
        moved = {(provider, value) for provider, value, _ in (*self.iterate_added(), *self.iterate_removed())}
        for slug, built in self.changed.items():
            if built.title.document["title"] != self.inputs[slug].document["title"]:
                moved |= list_ids(built.title.document)
        return moved


class TitleWriter:
    """Writes what merging gives. Nothing is written of a title whose inputs are those of its last merging."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._titles = TitleRepository(database)
        self._bases = BaseRepository(database)
        self._inputs = MergeInputRepository(database)
        self._provenance = ProvenanceRepository(database)
        self._ledger = LedgerRepository(database)

    def write(
        self,
        slugs: Sequence[str],
        *,
        build: Callable[[MergeInputs], BuiltTitle],
        hash_inputs: Callable[[MergeInputs], str],
        model_version: int,
    ) -> Written:
        """Read the inputs again, under the locks that imports take, and write what follows from them."""
        with self._database.begin() as connection:
            # Whoever adds ids or changes documents comes one after the other.
            self._titles.lock_slugs(connection)
            found = self._inputs.load_in(connection, slugs, lock=True)
            batch = _Batch(self._provenance.load_last_in(connection, list(found)))
            for given in found.values():
                # Of two titles of this batch that claim one id, the first has it.
                taken = {":".join(key) for key in batch.taken & given.list_named_ids()}
                inputs = replace(given, foreign_ids=given.foreign_ids | taken)
                hashed = hash_inputs(inputs)
                if hashed != batch.last.get(inputs.slug, _NEVER).inputs_hash:
                    built = build(inputs)
                    batch.inputs[inputs.slug], batch.hashes[inputs.slug] = inputs, hashed
                    batch.built[inputs.slug] = built
                    batch.taken |= built.new_ids
            self._write(connection, batch, model_version=model_version)
        changed = batch.changed
        return Written(tuple(changed), tuple(slug for slug in found if slug not in changed))

    def _write(self, connection: Connection, batch: _Batch, *, model_version: int) -> None:
        changed = batch.changed
        bases = {slug: (dict(batch.inputs[slug].base), batch.inputs[slug].base_at) for slug in changed}
        self._bases.keep_in(connection, bases)
        self._titles.update(connection, [built.title for built in changed.values()])
        self._titles.remove_ids(connection, list(batch.iterate_removed()))
        self._titles.add_ids(connection, list(batch.iterate_added()))
        self._ledger.distrust_linked(connection, batch.list_named_anew())
        sync_titles_in(connection, sorted(changed))
        self._provenance.write_in(connection, list(_build_rows(batch, model_version=model_version)))
        forget_relatives_in(connection, sorted(changed))


def _build_rows(batch: _Batch, *, model_version: int) -> Iterator[dict[str, Any]]:
    for slug, built in batch.built.items():
        yield {
            "slug": slug,
            "fields": dict(built.fields),
            "quality": built.quality.score,
            "quality_parts": dict(built.quality.parts),
            "model_version": model_version,
            "inputs_hash": batch.hashes[slug],
        }
