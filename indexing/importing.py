"""Import: documents into Postgres, batch by batch, each batch in one transaction with its counts.

If the process dies, the batches before are stored and the rest is not: running the import again does the rest,
and finds the first part unchanged.

A title whose document is made of several sources keeps what imports gave in its base: an import changes that, and of
the document only the fields that are new in it. Merging decides about them later, and what a person said stays.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from core.document import AnimeDocument, content_hash, is_adult, merge_documents
from core.identity import assign_slug, build_slug
from core.log import Event, Log
from indexing.identifying import Identities
from indexing.sources.files import RawRecord
from indexing.sources.records import Refusal, parse_record
from storage.database.bases import BaseRepository, TitleBase
from storage.database.jobs import IMPORT_STAGE, JobRepository
from storage.database.ledger import LedgerRepository
from storage.database.link_changes import lock_links_in
from storage.database.links import LinkRepository
from storage.database.picture_sync import sync_titles_in
from storage.database.provenance import forget_relatives_in
from storage.database.session import Connection, Database
from storage.database.titles import StoredTitle, TitleRepository

BATCH_RECORDS = 500
# Later refusals are counted, not kept: a file of another kind would fill the dead letters with every line of it.
MAX_KEPT_REFUSALS = 1_000
_log = Log("import")


@dataclass(slots=True)
class ImportSummary:
    """What became of the records of one import."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    refusals: list[Refusal] = field(default_factory=list)

    @property
    def read(self) -> int:
        """All records so far."""
        return self.added + self.changed + self.unchanged + self.refused

    def counts(self) -> dict[str, int]:
        """As stored with the job."""
        return {
            "added": self.added,
            "changed": self.changed,
            "unchanged": self.unchanged,
            "refused": self.refused,
        }


class Importer:
    """Stores documents as titles and gives each new one its slug."""

    def __init__(self, database: Database, titles: TitleRepository, jobs: JobRepository) -> None:
        self._database = database
        self._titles = titles
        self._jobs = jobs
        self._ledger = LedgerRepository(database)
        self._bases = BaseRepository(database)
        self._links = LinkRepository(database)

    def run(
        self,
        job_id: uuid.UUID,
        records: Iterable[RawRecord],
        *,
        on_progress: Callable[[ImportSummary], None] | None = None,
    ) -> ImportSummary:
        """Import all records under a job. Bad records become dead letters with their line and reason."""
        total = ImportSummary()
        iterator = iter(records)
        while batch := list(islice(iterator, BATCH_RECORDS)):
            summary = self._import_batch(job_id, batch, kept_refusals=len(total.refusals))
            total.added += summary.added
            total.changed += summary.changed
            total.unchanged += summary.unchanged
            total.refused += summary.refused
            total.refusals.extend(summary.refusals)
            if on_progress is not None:
                on_progress(total)
        _log.info(Event.IMPORT_FINISHED, job_id=str(job_id), **total.counts())
        return total

    def _import_batch(self, job_id: uuid.UUID, batch: Sequence[RawRecord], *, kept_refusals: int) -> ImportSummary:
        parsed = [parse_record(record) for record in batch]
        documents = [result for result in parsed if isinstance(result, AnimeDocument)]
        refusals = [result for result in parsed if isinstance(result, Refusal)]
        summary = ImportSummary(refused=len(refusals), refusals=refusals[: MAX_KEPT_REFUSALS - kept_refusals])
        with self._database.begin() as connection:
            self._store(connection, documents, summary)
            for refusal in summary.refusals:
                detail = {"line": refusal.line}
                self._jobs.add_dead_letter(connection, job_id, stage=IMPORT_STAGE, reason=refusal.reason, detail=detail)
            self._jobs.add_import_counts(connection, job_id, summary.counts())
        return summary

    def _store(self, connection: Connection, documents: Sequence[AnimeDocument], summary: ImportSummary) -> None:
        self._titles.lock_slugs(connection)
        lock_links_in(connection)
        batch = _Batch(connection, self._titles, self._bases, documents)
        for document in documents:
            batch.add(document)
        self._titles.insert(connection, list(batch.added.values()))
        self._titles.update(connection, list(batch.changed.values()))
        self._bases.write_in(connection, batch.new_bases)
        self._links.follow_catalogue_in(connection, batch.renumbered)
        self._links.yield_in(connection, batch.identities.taken)
        self._titles.add_ids(connection, batch.identities.added)
        self._ledger.distrust_linked(connection, batch.named_anew)
        sync_titles_in(connection, sorted({*batch.added, *batch.changed}))
        forget_relatives_in(connection, sorted({*batch.added, *batch.changed}))
        summary.added = len(batch.added)
        summary.changed = len(batch.changed)
        summary.unchanged = len(documents) - summary.added - summary.changed


class _Batch:
    """Decides for each document of a batch whether it is new, changed or known; two may be the same title."""

    def __init__(
        self,
        connection: Connection,
        titles: TitleRepository,
        bases: BaseRepository,
        documents: Sequence[AnimeDocument],
    ) -> None:
        self.identities = Identities(connection, titles, documents, self._get_base)
        known = self.identities.known
        # Merging takes the same lock of slugs, so neither documents nor bases change under us.
        self._stored = titles.load_in(connection, known)
        self._bases = bases.load_in(connection, known)
        self._taken = titles.find_taken(connection, list(_candidate_slugs(documents)))
        self._connection = connection
        self._titles = titles
        self._checked = set(_candidate_slugs(documents))
        self.added: dict[str, StoredTitle] = {}
        self.changed: dict[str, StoredTitle] = {}
        self.new_bases: dict[str, dict[str, Any]] = {}
        self._former_ids: dict[str, dict[str, Any]] = {}
        self._renamed: set[str] = set()

    def add(self, document: AnimeDocument) -> None:
        """Place one document."""
        slug = self.identities.find(document)
        incoming = document.to_json()
        if slug is None:
            slug = self._add_new(document, incoming)
        else:
            self._merge(slug, incoming)
        self.identities.place(document, slug)

    @property
    def renumbered(self) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
        """What imports gave as ids of titles before this batch and give now, where that is not the same."""
        now = {slug: self._get_base(slug).get("external_ids", {}) for slug in self._former_ids}
        return {slug: (before, now[slug]) for slug, before in self._former_ids.items() if before != now[slug]}

    @property
    def named_anew(self) -> set[tuple[str, str]]:
        """Ids that lead to another name than before this batch, or to one at all."""
        renamed = (
            (provider, str(value))
            for slug in self._renamed
            for provider, value in self._stored[slug].document.get("external_ids", {}).items()
        )
        return {(provider, external_id) for provider, external_id, _ in self.identities.added} | set(renamed)

    def _add_new(self, document: AnimeDocument, incoming: dict[str, Any]) -> str:
        slug = assign_slug(document.title, document.external_ids, is_taken=self._is_taken)
        self._taken.add(slug)
        self.added[slug] = self._stored[slug] = _build_title(slug, incoming)
        return slug

    def _merge(self, slug: str, incoming: dict[str, Any]) -> None:
        before = self._stored[slug]
        if slug not in self.added:
            self._former_ids.setdefault(slug, self._get_base(slug).get("external_ids", {}))
        after = _build_title(slug, self._merge_document(before, incoming))
        if after.content_hash == before.content_hash:
            return
        if after.document["title"] != before.document["title"]:
            self._renamed.add(slug)
        self._stored[slug] = after
        target = self.added if slug in self.added else self.changed
        target[slug] = after

    def _merge_document(self, before: StoredTitle, incoming: dict[str, Any]) -> dict[str, Any]:
        known = self._bases.get(before.slug)
        if known is None or known.base is None:
            return merge_documents(before.document, incoming)
        base = merge_documents(known.base, incoming)
        if base == known.base:
            return before.document
        self.new_bases[before.slug] = base
        self._bases[before.slug] = replace(known, base=base)
        return _bring_news(before, old=known, base=base)

    def _get_base(self, slug: str) -> dict[str, Any]:
        known = self._bases.get(slug)
        return self._stored[slug].document if known is None or known.base is None else known.base

    def _is_taken(self, slug: str) -> bool:
        if slug not in self._checked and slug not in self._taken:
            self._checked.add(slug)
            self._taken |= self._titles.find_taken(self._connection, [slug])
        return slug in self._taken


def _candidate_slugs(documents: Iterable[AnimeDocument]) -> Iterator[str]:
    return (slug for slug in (build_slug(document.title) for document in documents) if slug)


def _bring_news(before: StoredTitle, *, old: TitleBase, base: dict[str, Any]) -> dict[str, Any]:
    """The document with what is new in its base, but for what a person decided; ids are joined."""
    was = old.base or {}
    news = {field: value for field, value in base.items() if value != was.get(field) and field not in old.overrides}
    document = merge_documents(before.document, news)
    # Another source had made it adult, and still says so: an import must not show it until it is merged again.
    is_shown = before.adult and not is_adult(was) and not is_adult(document)
    if is_shown and "tags" not in old.overrides:
        document["tags"] = [*document.get("tags", ()), AnimeDocument.ADULT_LABEL]
    return document


def _build_title(slug: str, document: dict[str, Any]) -> StoredTitle:
    return StoredTitle(slug, document, content_hash(document), is_adult(document), excluded=False)
