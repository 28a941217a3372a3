"""What follows when it turns out that a title is elsewhere at a provider, or not there: the one place that says so.

What the provider said of it was about another title: it goes. So do the title's other guessed links with all that they
brought, since they may rest on it; nobody loses a person's word or a catalogue's id. What had been asked is due again
at once, and is mostly read from answers that are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from core.enrichment import ID_SPACES
from storage.database.provenance import forget_merging_in

REASON_LINK: Final = "link-changed"
METHOD_PERSON: Final = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkChange:
    """A title's place at a provider is not what it was.

    was_known  it had an id there, so others may rest on what came by that
    is_sure    it has one now by its catalogue or by a person: that may prove where it is at others
    asked_by   the lane that has found it out, and asks by the new id; None: nobody is asking
    """

    slug: str
    provider: str
    was_known: bool
    is_sure: bool = False
    asked_by: str | None = None


def apply_change_in(connection: Connection, change: LinkChange) -> None:
    """Forget and want anew what follows. The link itself is the caller's to write, under `lock_links_in`."""
    suspects = _drop_guesses(connection, change) if change.was_known else []
    # Parts before claims, as lanes do it: whoever stores a claim just now has done so, or finds its part gone.
    _want_anew(connection, change.slug, [change.provider], asked_by=change.asked_by)
    unsure = _list_unsure(connection, change) if change.is_sure else []
    _want_anew(connection, change.slug, [*suspects, *unsure])
    providers = [change.provider, *suspects]
    connection.execute(_FORGET_CLAIMS, {"slug": change.slug, "providers": providers})
    # Also where no job follows, or it is cancelled.
    forget_merging_in(connection, change.slug)


def lock_links_in(connection: Connection) -> None:
    """Wait until nobody else changes links: two titles may want the same id, or each other's.

    Before any row of a title is locked, and after the lock of slugs, where that is wanted, too.
    """
    connection.execute(_LOCK)


def load_guesses_in(connection: Connection, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bool]:
    """Of these (id space, id) those that no catalogue gave to the title that they lead to; True: a person did."""
    if not keys:
        return {}
    parameters = {
        "spaces": [space for space, _ in keys],
        "ids": [external_id for _, external_id in keys],
        "names": list(ID_SPACES),
        "spaces_of_names": list(ID_SPACES.values()),
    }
    return {(row.space, row.external_id): row.by_person for row in connection.execute(_FIND_GUESSES, parameters)}


def load_catalogue_ids_in(connection: Connection, slug: str) -> dict[str, str]:
    """The ids that the catalogue itself names: `base` once enrichment has written a document of its own."""
    found: Mapping[str, object] | None = connection.execute(_CATALOGUE_IDS, {"slug": slug}).scalar_one_or_none()
    return {space: str(external_id) for space, external_id in (found or {}).items()}


def load_said_ids_in(connection: Connection, slug: str, provider: str) -> list[tuple[str, str]]:
    """(other provider, the title's id at this one as that other says it now)."""
    parameters = {"slug": slug, "provider": provider, "space": ID_SPACES[provider]}
    return [(row.provider, row.external_id) for row in connection.execute(_SAID_IDS, parameters)]


def reopen_rivals_in(connection: Connection, slug: str, provider: str) -> None:
    """Titles that are doubtful only because this one wanted the same id are looked for again."""
    rivals = connection.execute(_FIND_RIVALS, {"slug": slug, "provider": provider}).scalars()
    for rival in list(rivals):
        _want_anew(connection, rival, [provider])


def _drop_guesses(connection: Connection, change: LinkChange) -> list[str]:
    rows = connection.execute(_DROP_GUESSES, {"slug": change.slug, "provider": change.provider}).all()
    for provider, external_id in rows:
        forget_id_in(connection, change.slug, provider, external_id)
    return sorted(row.provider for row in rows)


def forget_id_in(connection: Connection, slug: str, provider: str, external_id: str) -> None:
    """The title is not found by this id any more, unless its catalogue names it."""
    if load_catalogue_ids_in(connection, slug).get(ID_SPACES[provider]) != external_id:
        parameters = {"slug": slug, "space": ID_SPACES[provider], "id": external_id}
        connection.execute(_FORGET_ID, parameters)


def _list_unsure(connection: Connection, change: LinkChange) -> list[str]:
    parameters = {"slug": change.slug, "provider": change.provider}
    return list(connection.execute(_UNSURE, parameters).scalars())


def _want_anew(connection: Connection, slug: str, providers: Sequence[str], *, asked_by: str | None = None) -> None:
    """What waits, or is asked by others than `asked_by`, is asked by the new id; the rest is due.

    A lane that loses its lease by that stores nothing of what it is being told.
    """
    if providers:
        parameters = {"slug": slug, "providers": list(providers), "asked_by": asked_by, "reason": REASON_LINK}
        connection.execute(_WANT_ANEW, parameters)


_LOCK = text("SELECT pg_advisory_xact_lock(7214121)")

_CATALOGUE_IDS = text("SELECT coalesce(base, document) -> 'external_ids' FROM titles WHERE slug = :slug")

_SAID_IDS = text("""
    SELECT DISTINCT provider, facts -> 'external_ids' ->> :space AS external_id FROM claims
    WHERE slug = :slug AND provider <> :provider AND facts -> 'external_ids' ->> :space IS NOT NULL
    ORDER BY provider, external_id
""")

_DROP_GUESSES = text("""
    DELETE FROM provider_links
    WHERE slug = :slug AND provider <> :provider AND state = 'linked' AND method <> 'person'
    RETURNING provider, external_id
""")

_UNSURE = text("""
    SELECT provider FROM provider_links
    WHERE slug = :slug AND provider <> :provider AND state IN ('doubtful', 'none') AND method <> 'person'
""")

# Those whose best candidate is one that this title was thought to be.
_FIND_RIVALS = text("""
    SELECT slug FROM provider_links
    WHERE provider = :provider AND state = 'doubtful'
      AND candidates @> jsonb_build_array(jsonb_build_object(
          'why', jsonb_build_array('also wanted by ' || CAST(:slug AS text))))
    ORDER BY slug
""")

_FORGET_ID = text("DELETE FROM title_ids WHERE provider = :space AND external_id = :id AND slug = :slug")

_FORGET_CLAIMS = text("DELETE FROM claims WHERE slug = :slug AND provider = ANY(:providers)")

_WANT_ANEW = text("""
    WITH chosen AS (
        SELECT slug, provider, stage FROM enrich_parts
        WHERE slug = :slug AND provider = ANY(:providers)
          AND NOT coalesce(state = 'leased' AND lease_owner = CAST(:asked_by AS text), false)
        ORDER BY slug, provider, stage FOR UPDATE
    )
    UPDATE enrich_parts p SET
        state = CASE WHEN p.state IN ('pending', 'leased') THEN 'pending' ELSE 'failed' END,
        due_at = CASE WHEN p.state IN ('pending', 'leased') THEN NULL ELSE now() END,
        reason = CASE WHEN p.state IN ('pending', 'leased') THEN NULL ELSE CAST(:reason AS text) END,
        attempts = 0, detail = NULL, lease_owner = NULL, leased_until = NULL, fetched_at = NULL
    FROM chosen c WHERE p.slug = c.slug AND p.provider = c.provider AND p.stage = c.stage
""")

# What came by imports is in `title_ids`, too, but neither a link nor a merging has brought it.
_FIND_GUESSES = text("""
    WITH links AS (
        SELECT l.slug, n.space, l.external_id, l.method = 'person' AS by_person
        FROM provider_links l
        JOIN unnest(CAST(:names AS text[]), CAST(:spaces_of_names AS text[])) AS n(name, space) ON n.name = l.provider
        WHERE l.state = 'linked'
    )
    SELECT i.provider AS space, i.external_id, coalesce(l.by_person, false) AS by_person
    FROM unnest(CAST(:spaces AS text[]), CAST(:ids AS text[])) AS k(provider, external_id)
    JOIN title_ids i USING (provider, external_id)
    JOIN titles t ON t.slug = i.slug
    LEFT JOIN provenance p ON p.slug = i.slug
    LEFT JOIN links l ON l.slug = i.slug AND l.space = i.provider AND l.external_id = i.external_id
    WHERE coalesce(t.base, t.document) #>> ARRAY['external_ids', i.provider] IS DISTINCT FROM i.external_id
      AND (l.slug IS NOT NULL
           OR jsonb_exists(p.fields -> 'external_ids' -> 'added', i.provider || ':' || i.external_id))
""")
