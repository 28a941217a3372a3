"""Where titles are at providers: found links, doubtful ones, and what a person decided.

A decision by a person is never overwritten, and an id at a provider is linked to one title. What follows from a link
that changes (see `link_changes`) is written in the same transaction, with the job that merges the title anew.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert

from core.enrichment import ID_SPACES
from core.errors import ConflictError, NotFoundError
from storage.database.enrichment_models import LinkState, provider_links
from storage.database.jobs import JobRepository
from storage.database.link_changes import (
    METHOD_PERSON,
    LinkChange,
    apply_change_in,
    forget_id_in,
    load_catalogue_ids_in,
    load_guesses_in,
    load_said_ids_in,
    lock_links_in,
    reopen_rivals_in,
)
from storage.database.link_rows import (
    PROVIDERS,
    ListedLink,
    StoredLink,
    doubt,
    find_rival,
    get_link,
    get_linked_id,
    get_place,
    is_link,
    list_holders,
    read_link,
    read_listed,
)
from storage.database.models import title_ids, titles
from storage.database.provenance import forget_merging_in
from storage.database.session import Database

METHOD_CATALOGUE: Final = "catalogue"
METHOD_MAPPING: Final = "mapping"
METHOD_TITLES: Final = "titles"
_KIND: Final = "enrich"
__all__ = [
    "METHOD_CATALOGUE",
    "METHOD_MAPPING",
    "METHOD_PERSON",
    "METHOD_TITLES",
    "KnownPlace",
    "LinkRepository",
    "ListedLink",
    "StoredLink",
]

# Of these titles, those of which enrichment knows anything at all.
_ENRICHED = text("""
    SELECT slug FROM enrich_parts WHERE slug = ANY(:slugs)
    UNION SELECT slug FROM provider_links WHERE slug = ANY(:slugs)
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPlace:
    """What is known of a title's place at a provider before anybody looks for it.

    stored     the link, if there is one
    named      the catalogue's id there
    known_ids  {id space: id}: the catalogue's and those that a person named. A link that was guessed proves nothing.
    said       (other provider, id there): what other providers say of it now
    """

    stored: StoredLink | None
    named: str | None
    known_ids: Mapping[str, str]
    said: Sequence[tuple[str, str]]


class LinkRepository:
    """Reads and writes `provider_links`, and the ids that follow from them in `title_ids`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._jobs = JobRepository(database)

    def get(self, slug: str, provider: str) -> StoredLink | None:
        """What is stored of a title at a provider."""
        with self._database.begin() as connection:
            return get_link(connection, slug, provider)

    def load_in(self, connection: Connection, slugs: Sequence[str]) -> list[StoredLink]:
        """What is stored of these titles, ordered by slug and provider."""
        query = select(provider_links).where(provider_links.c.slug.in_(list(slugs)))
        rows = connection.execute(query.order_by(provider_links.c.slug, provider_links.c.provider))
        return [read_link(row._mapping) for row in rows]

    def load_place(self, slug: str, provider: str) -> KnownPlace:
        """What is known of a title's place at a provider, in one transaction."""
        with self._database.begin() as connection:
            links = {link.provider: link for link in self.load_in(connection, [slug])}
            catalogue = load_catalogue_ids_in(connection, slug)
            said = load_said_ids_in(connection, slug, provider)
        decided = [link for link in links.values() if link.method == METHOD_PERSON]
        refused = {ID_SPACES[link.provider] for link in decided if link.external_id is None}
        known = {space: external_id for space, external_id in catalogue.items() if space not in refused}
        known |= {ID_SPACES[link.provider]: link.external_id for link in decided if link.external_id is not None}
        named = catalogue.get(ID_SPACES[provider])
        return KnownPlace(stored=links.get(provider), named=named, known_ids=known, said=said)

    def store(self, found: StoredLink, *, asked_by: str | None = None) -> StoredLink:
        """Keep what was found, unless a person has decided; returns what holds now.

        asked_by  the owner of leased parts that are asked by this link next

        A linked id that another title has or wants becomes doubtful, and so does the other's link, unless it is the
        catalogue's or a person's.
        """
        with self._database.begin() as connection:
            _lock(connection, found.slug)
            former = get_link(connection, found.slug, found.provider)
            if former is not None and former.method == METHOD_PERSON:
                return former
            if found.state is LinkState.LINKED:
                found = self._settle_conflict(connection, found)
            self._replace(connection, former, found, asked_by=asked_by)
        return found

    def drop(self, slug: str, provider: str, *, asked_by: str | None = None) -> None:
        """Forget a link that nobody decided on: the catalogue names an id itself now. `asked_by`: see `store`."""
        with self._database.begin() as connection:
            _lock(connection, slug)
            former = get_link(connection, slug, provider)
            if former is not None and former.method != METHOD_PERSON:
                self._remove(connection, former, asked_by=asked_by)

    def follow_catalogue_in(
        self, connection: Connection, renumbered: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]]
    ) -> list[str]:
        """The catalogue's ids of these titles were the first and are the second; under `lock_links_in`.

        A guess that it contradicts goes, and so does what came by its own former id. Returns the titles that are to
        be merged anew, as the job does which is stored with that.
        """
        slugs = list(connection.execute(_ENRICHED, {"slugs": sorted(renumbered)}).scalars()) if renumbered else []
        changed = [slug for slug in sorted(slugs) if self._follow(connection, slug, *renumbered[slug])]
        if changed:
            self._jobs.create_in(connection, _KIND, {"ids": changed, "merge_only": True, "reason": "catalogue's ids"})
        return changed

    def yield_in(self, connection: Connection, taken: Sequence[tuple[str, str, str]]) -> None:
        """The catalogue gives (id space, id) to this slug; whoever had it by guess loses it; under `lock_links_in`."""
        for space, external_id, slug in taken:
            for holder in list_holders(connection, space, external_id, but=slug):
                self._release(connection, holder, space, external_id, rival=slug)

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
            _lock(connection, slug)
            former = get_link(connection, slug, provider)
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
            reopen_rivals_in(connection, slug, provider)
            job_id = self._add_job(connection, slug, provider, asks=then_ask and external_id is not None)
            stored = get_link(connection, slug, provider)
        assert stored is not None
        return stored, job_id

    def withdraw(self, slug: str, provider: str) -> uuid.UUID | None:
        """Take a person's decision back: the title is due to be looked for again.

        Returns the job that merges it without what had come by the link; None if nobody had decided. Raises
        NotFoundError for a slug that is none.
        """
        with self._database.begin() as connection:
            _lock(connection, slug)
            former = get_link(connection, slug, provider)
            if former is None or former.method != METHOD_PERSON:
                return None
            self._remove(connection, former)
            reopen_rivals_in(connection, slug, provider)
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
            return [read_listed(row._mapping) for row in connection.execute(query)]

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
        holders = list_holders(connection, ID_SPACES[found.provider], found.external_id, but=found.slug)
        rival = holders[0] if holders else find_rival(connection, found)
        if rival is None:
            return found
        other = get_link(connection, rival, found.provider)
        if other is not None and other.method != METHOD_PERSON and other.external_id == found.external_id:
            self._make_doubtful(connection, other, rival=found.slug)
        return doubt(found, rival=rival)

    def _take(self, connection: Connection, decided: StoredLink) -> None:
        """Whoever has the id by guess loses it to a person's word."""
        assert decided.external_id is not None
        key = ID_SPACES[decided.provider], decided.external_id
        for holder in list_holders(connection, *key, but=decided.slug):
            other = get_link(connection, holder, decided.provider)
            by_person = other is not None and other.method == METHOD_PERSON
            if by_person and other is not None and other.external_id != decided.external_id:
                # A person took it from that one already, whatever its catalogue says.
                continue
            catalogue = load_catalogue_ids_in(connection, holder).get(key[0])
            is_guess = key in load_guesses_in(connection, [key]) or (other is not None and other.external_id == key[1])
            if by_person or catalogue == key[1] or not is_guess:
                raise ConflictError(f"{decided.provider} {decided.external_id} is {holder} already")
            self._release(connection, holder, *key, rival=decided.slug)

    def _release(self, connection: Connection, holder: str, space: str, external_id: str, *, rival: str) -> None:
        """A title loses an id that it had by a link or by a provider's word only."""
        provider = PROVIDERS.get(space)
        link = None if provider is None else get_link(connection, holder, provider)
        if link is not None and link.external_id == external_id:
            if link.method != METHOD_PERSON:
                self._make_doubtful(connection, link, rival=rival)
            return
        connection.execute(
            delete(title_ids).where(
                title_ids.c.provider == space, title_ids.c.external_id == external_id, title_ids.c.slug == holder
            )
        )
        self._add_job(connection, holder, provider or space, asks=False)

    def _follow(self, connection: Connection, slug: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        is_changed = False
        for provider, space in ID_SPACES.items():
            if before.get(space) == after.get(space):
                continue
            link = get_link(connection, slug, provider)
            if link is not None and link.method == METHOD_PERSON:
                continue
            is_changed |= self._move(connection, slug, provider, get_place(link, before.get(space)), after.get(space))
            if link is not None:
                self._delete(connection, link)
                reopen_rivals_in(connection, slug, provider)
        return is_changed

    def _remove(self, connection: Connection, former: StoredLink, *, asked_by: str | None = None) -> None:
        """The link is no more: the title is where its catalogue says, or nobody knows where."""
        catalogue = load_catalogue_ids_in(connection, former.slug).get(ID_SPACES[former.provider])
        place = get_place(former, None if former.method != METHOD_PERSON else catalogue)
        self._move(connection, former.slug, former.provider, place, catalogue, asked_by=asked_by)
        self._delete(connection, former)

    def _move(
        self,
        connection: Connection,
        slug: str,
        provider: str,
        before: Any,
        after: Any,
        *,
        is_sure: bool = True,
        asked_by: str | None = None,
    ) -> bool:
        was, now = (None if one is None else str(one) for one in (before, after))
        if was == now:
            return False
        change = LinkChange(
            slug=slug,
            provider=provider,
            was_known=was is not None,
            is_sure=is_sure and now is not None,
            asked_by=asked_by,
        )
        apply_change_in(connection, change)
        return True

    def _delete(self, connection: Connection, link: StoredLink) -> None:
        if link.external_id is not None:
            forget_id_in(connection, link.slug, link.provider, link.external_id)
        connection.execute(delete(provider_links).where(is_link(link.slug, link.provider)))

    def _make_doubtful(self, connection: Connection, link: StoredLink, *, rival: str) -> None:
        doubtful = doubt(link, rival=rival)
        self._replace(connection, link, doubtful)
        self._add_job(connection, link.slug, link.provider, asks=False)

    def _add_job(self, connection: Connection, slug: str, provider: str, *, asks: bool) -> uuid.UUID:
        # Also where the job is cancelled.
        forget_merging_in(connection, slug)
        params = {"ids": [slug], "reason": f"link to {provider}"}
        return self._jobs.create_in(
            connection, _KIND, {**params, **({"providers": [provider]} if asks else {"merge_only": True})}
        )

    def _replace(
        self, connection: Connection, former: StoredLink | None, link: StoredLink, *, asked_by: str | None = None
    ) -> None:
        catalogue = load_catalogue_ids_in(connection, link.slug).get(ID_SPACES[link.provider])
        places = get_place(former, catalogue), get_place(link, catalogue)
        is_sure = link.method == METHOD_PERSON
        self._move(connection, link.slug, link.provider, *places, is_sure=is_sure, asked_by=asked_by)
        if former is not None and former.external_id not in (None, link.external_id):
            assert former.external_id is not None
            forget_id_in(connection, former.slug, former.provider, former.external_id)
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
        if (external_id := get_linked_id(link)) is not None:
            row = {"provider": ID_SPACES[link.provider], "external_id": external_id, "slug": link.slug}
            connection.execute(insert(title_ids).values(row).on_conflict_do_nothing())


def _lock(connection: Connection, slug: str) -> None:
    """Raises NotFoundError."""
    lock_links_in(connection)
    query = select(titles.c.slug).where(titles.c.slug == slug).with_for_update(key_share=True)
    if connection.execute(query).first() is None:
        raise NotFoundError("title", slug)
