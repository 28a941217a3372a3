"""Where titles are at providers: found links, doubtful ones, and what a person decided.

A decision by a person is never overwritten, and an id at a provider is linked to one title. What came by a link that is
taken back goes with it, in the same transaction: its id, the provider's claims and the work that waits; a job merges
the title anew.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert

from core.enrichment import ID_SPACES
from core.errors import ConflictError, NotFoundError
from storage.database.enrichment_models import LinkState, claims, enrich_parts, provider_links
from storage.database.jobs import JobRepository
from storage.database.models import title_ids, titles
from storage.database.session import Database

METHOD_CATALOGUE: Final = "catalogue"
METHOD_MAPPING: Final = "mapping"
METHOD_TITLES: Final = "titles"
METHOD_PERSON: Final = "person"
_KIND: Final = "enrich"

# Links of a provider are written one after the other: two titles may want the same id, or each other's.
_LOCK = text("SELECT pg_advisory_xact_lock(7214121, hashtext(:provider))")
# The ids that the catalogue itself names: `base` once enrichment has written a document of its own.
_CATALOGUE_IDS = text("SELECT coalesce(base, document) -> 'external_ids' FROM titles WHERE slug = :slug")
_HOLDERS = text("""
    SELECT slug FROM title_ids WHERE provider = :space AND external_id = :id
    UNION
    SELECT slug FROM provider_links WHERE provider = :provider AND external_id = :id AND state = 'linked'
    ORDER BY slug
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLink:
    """One title at one provider. `candidates`: {external_id, titles, type, year, episodes, probability, why}."""

    slug: str
    provider: str
    state: LinkState
    external_id: str | None
    method: str
    probability: float
    candidates: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    decided_by: str | None = None
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedLink:
    """A link with its title as a reader of the list needs it."""

    link: StoredLink
    title: str
    type: str | None
    year: int | None
    episodes: int | None
    adult: bool


class LinkRepository:
    """Reads and writes `provider_links`, and the ids that follow from them in `title_ids`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._jobs = JobRepository(database)

    def get(self, slug: str, provider: str) -> StoredLink | None:
        """What is stored of a title at a provider."""
        with self._database.begin() as connection:
            return _get(connection, slug, provider)

    def load(self, slugs: Sequence[str]) -> dict[str, list[StoredLink]]:
        """What is stored of these titles, by slug."""
        found: dict[str, list[StoredLink]] = {}
        with self._database.begin() as connection:
            for link in self.load_in(connection, slugs):
                found.setdefault(link.slug, []).append(link)
        return found

    def load_in(self, connection: Connection, slugs: Sequence[str]) -> list[StoredLink]:
        """As `load`, within the caller's transaction, ordered by slug and provider."""
        query = select(provider_links).where(provider_links.c.slug.in_(list(slugs)))
        rows = connection.execute(query.order_by(provider_links.c.slug, provider_links.c.provider))
        return [_read(row._mapping) for row in rows]

    def load_ids(self, slug: str, provider: str) -> tuple[StoredLink | None, str | None, dict[str, str]]:
        """(stored link, the catalogue's id at the provider, all ids by which the title is known), in one transaction.

        The last are the catalogue's and those that a person named: a link that was guessed must prove nothing.
        """
        with self._database.begin() as connection:
            links = {link.provider: link for link in self.load_in(connection, [slug])}
            catalogue = _load_catalogue_ids(connection, slug)
        decided = [link for link in links.values() if link.method == METHOD_PERSON]
        refused = {ID_SPACES[link.provider] for link in decided if link.external_id is None}
        known = {space: external_id for space, external_id in catalogue.items() if space not in refused}
        known |= {ID_SPACES[link.provider]: link.external_id for link in decided if link.external_id is not None}
        return links.get(provider), catalogue.get(ID_SPACES[provider]), known

    def find_holder(self, provider: str, external_id: str) -> str | None:
        """The slug of the title that has this id at this provider, by catalogue or by link."""
        with self._database.begin() as connection:
            return _find_holder(connection, provider, external_id)

    def store(self, found: StoredLink) -> StoredLink:
        """Keep what was found, unless a person has decided; returns what holds now.

        A linked id that another title has becomes doubtful, and so does the other's link, unless it is the catalogue's
        or a person's. An id that differs from the former link's takes what came by that with it.
        """
        with self._database.begin() as connection:
            _lock(connection, found.slug, found.provider)
            former = _get(connection, found.slug, found.provider)
            if former is not None and former.method == METHOD_PERSON:
                return former
            if found.state is LinkState.LINKED:
                found = self._settle_conflict(connection, found)
            self._replace(connection, former, found)
        return found

    def drop(self, slug: str, provider: str) -> None:
        """Forget a link that nobody decided on: the catalogue names an id itself now."""
        with self._database.begin() as connection:
            _lock(connection, slug, provider)
            former = _get(connection, slug, provider)
            if former is None or former.method == METHOD_PERSON:
                return
            catalogue = _load_catalogue_ids(connection, slug).get(ID_SPACES[provider])
            if former.external_id != catalogue:
                _forget(connection, former)
            connection.execute(delete(provider_links).where(_is(slug, provider)))

    def decide(
        self, slug: str, provider: str, *, external_id: str | None, by: str, then_ask: bool
    ) -> tuple[StoredLink, uuid.UUID | None]:
        """A person links a title, or refuses every id at this provider (None); returns the link and the job to follow.

        then_ask  the job asks the provider, which is configured; else it only merges
        The same once more changes nothing and has no job. An id that another title has by guess is taken from it: that
        one becomes doubtful. Raises NotFoundError for a slug that is none, and ConflictError if another title has the
        id by its catalogue or by a person.
        """
        with self._database.begin() as connection:
            _lock(connection, slug, provider)
            former = _get(connection, slug, provider)
            if former is not None and former.method == METHOD_PERSON and former.external_id == external_id:
                return former, None
            decided = StoredLink(
                slug=slug,
                provider=provider,
                state=LinkState.REFUSED if external_id is None else LinkState.LINKED,
                external_id=external_id,
                method=METHOD_PERSON,
                probability=0.0 if external_id is None else 1.0,
                candidates=former.candidates if former else (),
                decided_by=by,
            )
            if external_id is not None:
                self._take(connection, decided)
            self._replace(connection, former, decided)
            job_id = self._add_job(connection, slug, provider, asks=then_ask and external_id is not None)
            stored = _get(connection, slug, provider)
        assert stored is not None
        return stored, job_id

    def withdraw(self, slug: str, provider: str) -> uuid.UUID | None:
        """Take a person's decision back: the title is looked for again when it is next enriched.

        Returns the job that merges it without what had come by the link; None if nobody had decided. Raises
        NotFoundError for a slug that is none.
        """
        with self._database.begin() as connection:
            _lock(connection, slug, provider)
            former = _get(connection, slug, provider)
            if former is None or former.method != METHOD_PERSON:
                return None
            if former.external_id != _load_catalogue_ids(connection, slug).get(ID_SPACES[provider]):
                _forget(connection, former)
            connection.execute(delete(provider_links).where(_is(slug, provider)))
            return self._add_job(connection, slug, provider, asks=False)

    def list_by_state(
        self, state: LinkState, *, provider: str | None = None, limit: int = 50, offset: int = 0
    ) -> list[ListedLink]:
        """Links of one state, the most probable first: what is decided most easily comes first."""
        document = titles.c.document
        query = (
            select(
                provider_links,
                document["title"].astext.label("title"),
                document["type"].astext.label("type"),
                document["year"].as_integer().label("year"),
                document["episodes"].as_integer().label("episodes"),
                titles.c.adult,
            )
            .join(titles, titles.c.slug == provider_links.c.slug)
            .where(provider_links.c.state == state.value)
            .order_by(provider_links.c.probability.desc(), provider_links.c.slug, provider_links.c.provider)
            .limit(limit)
            .offset(offset)
        )
        if provider is not None:
            query = query.where(provider_links.c.provider == provider)
        with self._database.begin() as connection:
            return [_read_listed(row._mapping) for row in connection.execute(query)]

    def count_by_state(self) -> dict[str, dict[str, int]]:
        """{provider: {state: links}}."""
        query = select(provider_links.c.provider, provider_links.c.state, func.count()).group_by(
            provider_links.c.provider, provider_links.c.state
        )
        counts: dict[str, dict[str, int]] = {}
        with self._database.begin() as connection:
            for provider, state, number in connection.execute(query.order_by("provider", "state")):
                counts.setdefault(provider, {})[state] = number
        return counts

    def _settle_conflict(self, connection: Connection, found: StoredLink) -> StoredLink:
        assert found.external_id is not None
        holder = _find_holder(connection, found.provider, found.external_id, but=found.slug)
        if holder is None:
            return found
        other = _get(connection, holder, found.provider)
        if other is not None and other.method != METHOD_PERSON and other.external_id == found.external_id:
            self._make_doubtful(connection, other, rival=found.slug)
        return _doubt(found, rival=holder)

    def _take(self, connection: Connection, decided: StoredLink) -> None:
        assert decided.external_id is not None
        holder = _find_holder(connection, decided.provider, decided.external_id, but=decided.slug)
        if holder is None:
            return
        other = _get(connection, holder, decided.provider)
        if other is None or other.method == METHOD_PERSON or other.external_id != decided.external_id:
            raise ConflictError(f"{decided.provider} {decided.external_id} is {holder} already")
        self._make_doubtful(connection, other, rival=decided.slug)

    def _make_doubtful(self, connection: Connection, link: StoredLink, *, rival: str) -> None:
        doubtful = _doubt(link, rival=rival)
        self._replace(connection, link, doubtful)
        self._add_job(connection, link.slug, link.provider, asks=False)

    def _add_job(self, connection: Connection, slug: str, provider: str, *, asks: bool) -> uuid.UUID:
        params = {"ids": [slug], "reason": f"link to {provider}"}
        return self._jobs.create_in(
            connection, _KIND, {**params, **({"providers": [provider]} if asks else {"merge_only": True})}
        )

    def _replace(self, connection: Connection, former: StoredLink | None, link: StoredLink) -> None:
        catalogue = _load_catalogue_ids(connection, link.slug).get(ID_SPACES[link.provider])
        # What a catalogue's id brought is taken back only by a person who says otherwise.
        held = former.external_id if former and former.state is LinkState.LINKED else catalogue
        if held is not None and held != _get_linked_id(link):
            _forget_claims(connection, link.slug, link.provider)
        if former is not None:
            _forget_id(connection, former, but=catalogue)
        values = {
            "state": link.state.value,
            "external_id": link.external_id,
            "method": link.method,
            "probability": link.probability,
            "candidates": [dict(candidate) for candidate in link.candidates],
            "decided_by": link.decided_by,
            "decided_at": func.now(),
        }
        statement = insert(provider_links).values(slug=link.slug, provider=link.provider, **values)
        connection.execute(statement.on_conflict_do_update(index_elements=["slug", "provider"], set_=values))
        if (external_id := _get_linked_id(link)) is not None:
            row = {"provider": ID_SPACES[link.provider], "external_id": external_id, "slug": link.slug}
            connection.execute(insert(title_ids).values(row).on_conflict_do_nothing())


def _is(slug: str, provider: str) -> ColumnElement[bool]:
    return (provider_links.c.slug == slug) & (provider_links.c.provider == provider)


def _get(connection: Connection, slug: str, provider: str) -> StoredLink | None:
    row = connection.execute(select(provider_links).where(_is(slug, provider))).first()
    return None if row is None else _read(row._mapping)


def _read(row: Mapping[Any, Any]) -> StoredLink:
    return StoredLink(
        slug=row["slug"],
        provider=row["provider"],
        state=LinkState(row["state"]),
        external_id=row["external_id"],
        method=row["method"],
        probability=row["probability"],
        candidates=tuple(row["candidates"]),
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
    )


def _read_listed(row: Mapping[Any, Any]) -> ListedLink:
    facts = {name: row[name] for name in ("title", "type", "year", "episodes", "adult")}
    return ListedLink(link=_read(row), **facts)


def _get_linked_id(link: StoredLink) -> str | None:
    return link.external_id if link.state is LinkState.LINKED else None


def _lock(connection: Connection, slug: str, provider: str) -> None:
    """Raises NotFoundError."""
    connection.execute(_LOCK, {"provider": provider})
    query = select(titles.c.slug).where(titles.c.slug == slug).with_for_update(key_share=True)
    if connection.execute(query).first() is None:
        raise NotFoundError("title", slug)


def _load_catalogue_ids(connection: Connection, slug: str) -> dict[str, str]:
    found: Mapping[str, Any] | None = connection.execute(_CATALOGUE_IDS, {"slug": slug}).scalar_one_or_none()
    return {space: str(external_id) for space, external_id in (found or {}).items()}


def _find_holder(connection: Connection, provider: str, external_id: str, *, but: str | None = None) -> str | None:
    parameters = {"space": ID_SPACES[provider], "provider": provider, "id": external_id}
    holders: list[str] = list(connection.execute(_HOLDERS, parameters).scalars())
    return next((holder for holder in holders if holder != but), None)


def _doubt(link: StoredLink, *, rival: str) -> StoredLink:
    why = f"also wanted by {rival}"
    first, *rest = link.candidates or ({"external_id": link.external_id, "probability": link.probability},)
    reasons = [reason for reason in first.get("why", ()) if reason != why]
    return StoredLink(
        slug=link.slug,
        provider=link.provider,
        state=LinkState.DOUBTFUL,
        external_id=None,
        method=link.method,
        probability=link.probability,
        candidates=({**first, "why": [*reasons, why]}, *rest),
    )


def _forget(connection: Connection, link: StoredLink) -> None:
    _forget_claims(connection, link.slug, link.provider)
    _forget_id(connection, link, but=None)


def _forget_id(connection: Connection, link: StoredLink, *, but: str | None) -> None:
    if link.external_id is None or link.external_id == but:
        return
    connection.execute(
        delete(title_ids).where(
            title_ids.c.provider == ID_SPACES[link.provider],
            title_ids.c.external_id == link.external_id,
            title_ids.c.slug == link.slug,
        )
    )


def _forget_claims(connection: Connection, slug: str, provider: str) -> None:
    """A lane that works on such a part meanwhile finds its row gone, and stores nothing."""
    for table in (claims, enrich_parts):
        connection.execute(delete(table).where(table.c.slug == slug, table.c.provider == provider))
