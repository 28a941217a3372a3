"""Links as rows of `provider_links`, and the questions that are asked of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, select, text

from core.enrichment import ID_SPACES
from storage.database.enrichment_models import LinkState, provider_links

PROVIDERS: Final = {space: provider for provider, space in ID_SPACES.items()}
_HOLDERS = text("""
    SELECT slug FROM title_ids WHERE provider = :space AND external_id = :id
    UNION
    SELECT slug FROM provider_links WHERE provider = :provider AND external_id = :id AND state = 'linked'
    ORDER BY slug
""")
# Whoever wanted the same id as this title, and is doubtful for that.
_RIVAL = text("""
    SELECT slug FROM provider_links
    WHERE provider = :provider AND slug <> :slug AND state = 'doubtful'
      AND candidates @> jsonb_build_array(jsonb_build_object(
          'external_id', CAST(:id AS text), 'why', jsonb_build_array('also wanted by ' || CAST(:slug AS text))))
    ORDER BY slug LIMIT 1
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


def is_link(slug: str, provider: str) -> ColumnElement[bool]:
    """The row of a title at a provider."""
    return (provider_links.c.slug == slug) & (provider_links.c.provider == provider)


def get_link(connection: Connection, slug: str, provider: str) -> StoredLink | None:
    """What is stored of a title at a provider."""
    row = connection.execute(select(provider_links).where(is_link(slug, provider))).first()
    return None if row is None else read_link(row._mapping)


def read_link(row: Mapping[Any, Any]) -> StoredLink:
    """A row as it is used."""
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


def read_listed(row: Mapping[Any, Any]) -> ListedLink:
    """The same, with its title."""
    facts = {name: row[name] for name in ("title", "type", "year", "episodes", "adult")}
    return ListedLink(link=read_link(row), **facts)


def get_linked_id(link: StoredLink) -> str | None:
    """The id that the title is found by; None: it is not linked."""
    return link.external_id if link.state is LinkState.LINKED else None


def get_place(link: StoredLink | None, catalogue: Any) -> Any:
    """The id by which the provider is asked: the link's, else the catalogue's; None also where a person says so."""
    if link is None or link.state in (LinkState.NONE, LinkState.DOUBTFUL):
        return catalogue
    return link.external_id if link.state is LinkState.LINKED else None


def list_holders(connection: Connection, space: str, external_id: str, *, but: str) -> list[str]:
    """The other titles that have this id, by whatever it came to them."""
    parameters = {"space": space, "provider": PROVIDERS.get(space), "id": external_id}
    return [slug for slug in connection.execute(_HOLDERS, parameters).scalars() if slug != but]


def find_rival(connection: Connection, link: StoredLink) -> str | None:
    """A title that wanted the id of this link, was told that this one wants it, and is doubtful since."""
    parameters = {"slug": link.slug, "provider": link.provider, "id": link.external_id}
    return connection.execute(_RIVAL, parameters).scalar_one_or_none()


def doubt(link: StoredLink, *, rival: str) -> StoredLink:
    """The link as one that a person has to decide, because another title wants its id as well."""
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
