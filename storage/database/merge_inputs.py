"""All that goes into the merging of titles, read in one go: base, overrides, claims, links, relatives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, func, or_, select, text

from core.enrichment import ID_SPACES
from storage.database.bases import Override, read_overrides
from storage.database.enrichment_models import LinkState, claims, provider_links
from storage.database.links import METHOD_PERSON
from storage.database.models import titles
from storage.database.session import Database
from storage.database.titles import TitleRepository


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """What one provider said in one stage. `fetched_at`: when it said so last."""

    provider: str
    stage: str
    facts: Mapping[str, Any]
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class Relative:
    """A title of ours that another one is related to."""

    slug: str
    name: str
    adult: bool
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class MergeInputs:
    """One title before merging.

    base           the document as imports gave it, also where no other was written yet
    base_at        when they did
    links          {provider: external id}: where it was found by linking, or where a person says that it is
    decided        providers of which a person said where the title is, or that it is not there
    relatives      {'mal:1': title}: of the titles that its base or a claim is related to, those that we have
    hidden_names   {'a name', case folded: adult or excluded title of that name}: of related titles known by no id
    foreign_ids    'mal:1': of the ids that a claim or a link names, those by which another title is known
    """

    slug: str
    document: Mapping[str, Any]
    base: Mapping[str, Any]
    base_at: datetime
    overrides: Mapping[str, Override]
    claims: tuple[ClaimRow, ...]
    links: Mapping[str, str]
    decided: frozenset[str] = frozenset()
    relatives: Mapping[str, Relative] = field(default_factory=dict)
    hidden_names: Mapping[str, Relative] = field(default_factory=dict)
    foreign_ids: frozenset[str] = frozenset()

    def list_named_ids(self) -> set[tuple[str, str]]:
        """(provider, external id) that a claim or a link says the title has."""
        named = {key for claim in self.claims for key in _iterate_ids(claim.facts)}
        return named | {(ID_SPACES.get(provider, provider), value) for provider, value in self.links.items()}


class MergeInputRepository:
    """Reads what merging needs, and never writes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._titles = TitleRepository(database)

    def load(self, slugs: Sequence[str]) -> dict[str, MergeInputs]:
        """The inputs of these titles that exist."""
        with self._database.begin() as connection:
            return self.load_in(connection, slugs)

    def load_in(self, connection: Connection, slugs: Sequence[str], *, lock: bool = False) -> dict[str, MergeInputs]:
        """As `load`, in the caller's transaction; `lock`: nobody else may change these titles until it ends."""
        query = (
            select(
                titles.c.slug,
                titles.c.document,
                titles.c.base,
                func.coalesce(titles.c.base_at, titles.c.updated_at).label("base_at"),
                titles.c.overrides,
            )
            .where(titles.c.slug.in_(list(slugs)))
            .order_by(titles.c.slug)
        )
        # A claim that is stored just now is waited for, and one that comes later waits.
        rows = connection.execute(query.with_for_update(key_share=True) if lock else query).all()
        claimed, linked = self._load_claims(connection, slugs), self._load_links(connection, slugs)
        found = {
            row.slug: MergeInputs(
                slug=row.slug,
                document=row.document,
                base=row.document if row.base is None else row.base,
                base_at=row.base_at,
                overrides=read_overrides(row.overrides),
                claims=tuple(claimed.get(row.slug, ())),
                links={provider: one for provider, (one, _) in linked.get(row.slug, {}).items() if one is not None},
                decided=frozenset(
                    provider for provider, (_, by_person) in linked.get(row.slug, {}).items() if by_person
                ),
            )
            for row in rows
        }
        return self._add_ids(connection, _add_relatives(connection, found))

    def iterate_claimed(self, *, chunk: int = 500) -> Iterator[MergeInputs]:
        """The titles of which at least one provider says something, by slug, a chunk in memory at a time."""
        last = ""
        while True:
            with self._database.begin() as connection:
                query = select(claims.c.slug).where(claims.c.slug > last).distinct().order_by(claims.c.slug)
                slugs = list(connection.execute(query.limit(chunk)).scalars())
                found = self.load_in(connection, slugs) if slugs else {}
            if not slugs:
                return
            yield from found.values()
            last = slugs[-1]

    @staticmethod
    def _load_claims(connection: Connection, slugs: Sequence[str]) -> dict[str, list[ClaimRow]]:
        query = (
            select(claims.c.slug, claims.c.provider, claims.c.stage, claims.c.facts, claims.c.fetched_at)
            .where(claims.c.slug.in_(list(slugs)))
            .order_by(claims.c.slug, claims.c.provider, claims.c.stage)
        )
        found: dict[str, list[ClaimRow]] = {}
        for row in connection.execute(query):
            found.setdefault(row.slug, []).append(ClaimRow(row.provider, row.stage, row.facts, row.fetched_at))
        return found

    @staticmethod
    def _load_links(connection: Connection, slugs: Sequence[str]) -> dict[str, dict[str, tuple[str | None, bool]]]:
        """By slug and provider: the id (None: it is not there), and whether a person said so."""
        links = provider_links.c
        is_linked, is_persons = links.state == LinkState.LINKED, links.method == METHOD_PERSON
        query = (
            select(links.slug, links.provider, case((is_linked, links.external_id)), is_persons)
            .where(links.slug.in_(list(slugs)), or_(is_linked, is_persons))
            .order_by(links.slug, links.provider)
        )
        found: dict[str, dict[str, tuple[str | None, bool]]] = {}
        for slug, provider, external_id, by_person in connection.execute(query):
            found.setdefault(slug, {})[provider] = (external_id, by_person)
        return found

    def _add_ids(self, connection: Connection, found: dict[str, MergeInputs]) -> dict[str, MergeInputs]:
        named = {slug: inputs.list_named_ids() for slug, inputs in found.items()}
        owners = self._titles.find_by_ids(connection, sorted(set().union(*named.values())))
        return {
            slug: replace(
                inputs, foreign_ids=frozenset(":".join(key) for key in named[slug] if owners.get(key, slug) != slug)
            )
            for slug, inputs in found.items()
        }


def find_relative(relatives: Mapping[str, Relative], entry: Mapping[str, Any]) -> Relative | None:
    """The title of ours that an entry of `related_anime` points to; `relatives` as in MergeInputs."""
    keys = (f"{provider}:{value}" for provider, value in _iterate_ids(entry))
    return next((relatives[key] for key in keys if key in relatives), None)


def _iterate_related(inputs: MergeInputs) -> Iterator[Mapping[str, Any]]:
    """What is not of a relative's form is passed over: merging fails its title alone, and this is about many."""
    for document in [inputs.base, *(claim.facts for claim in inputs.claims)]:
        related = document.get("related_anime", ())
        yield from (one for one in related if isinstance(one, Mapping)) if isinstance(related, Sequence) else ()


def _iterate_related_ids(inputs: MergeInputs) -> Iterator[tuple[str, str]]:
    for related in _iterate_related(inputs):
        yield from _iterate_ids(related)


def _iterate_ids(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(provider, external id); what is no number or text is none."""
    ids = facts.get("external_ids", {})
    known = ids.items() if isinstance(ids, Mapping) else ()
    yield from ((provider, str(value)) for provider, value in known if isinstance(value, int | str))


def _add_relatives(connection: Connection, found: dict[str, MergeInputs]) -> dict[str, MergeInputs]:
    keys = {slug: set(_iterate_related_ids(inputs)) for slug, inputs in found.items()}
    wanted = sorted(set().union(*keys.values()))
    parameters = {"providers": [key[0] for key in wanted], "ids": [key[1] for key in wanted]}
    rows = connection.execute(_FIND_RELATIVES, parameters) if wanted else ()
    known = {(row.provider, row.external_id): Relative(row.slug, row.name, row.adult, row.excluded) for row in rows}
    related = {
        slug: replace(inputs, relatives={":".join(key): known[key] for key in sorted(keys[slug]) if key in known})
        for slug, inputs in found.items()
    }
    return _add_hidden_names(connection, related)


def _add_hidden_names(connection: Connection, found: dict[str, MergeInputs]) -> dict[str, MergeInputs]:
    """Related titles that no id of ours names may be known by name; only those that are hidden are looked for."""
    names = {
        slug: {
            one["title"]
            for one in _iterate_related(inputs)
            if isinstance(one.get("title"), str) and find_relative(inputs.relatives, one) is None
        }
        for slug, inputs in found.items()
    }
    wanted = sorted(set().union(*names.values()))
    rows = connection.execute(_FIND_HIDDEN, {"names": wanted}).all() if wanted else []
    hidden = {row.said: Relative(row.slug, row.name, row.adult, row.excluded) for row in rows}
    return {
        slug: replace(
            inputs, hidden_names={name.casefold(): hidden[name] for name in sorted(names[slug]) if name in hidden}
        )
        for slug, inputs in found.items()
    }


_FIND_RELATIVES = text("""
    SELECT i.provider, i.external_id, t.slug, t.document ->> 'title' AS name, t.adult, t.excluded
    FROM unnest(CAST(:providers AS text[]), CAST(:ids AS text[])) AS k(provider, external_id)
    JOIN title_ids i USING (provider, external_id) JOIN titles t ON t.slug = i.slug
""")
# Of several of one name an excluded one, which nobody may see. By ix_titles_hidden_names.
_FIND_HIDDEN = text("""
    SELECT DISTINCT ON (k.said) k.said, t.slug, t.document ->> 'title' AS name, t.adult, t.excluded
    FROM unnest(CAST(:names AS text[])) AS k(said)
    JOIN titles t ON lower(t.document ->> 'title') = lower(k.said) AND (t.adult OR t.excluded)
    ORDER BY k.said, t.excluded DESC, t.slug
""")
