"""The pictures that titles name, as rows: which there should be, and which are gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from core.identity import picture_id
from storage.database.models import PictureKind

# Over all that a point says but its content; `p` is the row. JSONB has one text for equal values.
CONTENT_HASH = """
    md5(jsonb_build_array(p.kind, p.slug, p.character, p.url, p.name, p.tags, p.metadata, p.adult)::text)
"""
# Which of a document's addresses is a picture of which kind.
_IMAGES = {"picture": PictureKind.COVER, "thumbnail": PictureKind.THUMBNAIL, "banner": PictureKind.BANNER}


@dataclass(frozen=True, slots=True)
class SyncCounts:
    """Rows that a sync wrote, and rows that it found to be named no more."""

    written: int = 0
    gone: int = 0

    def __add__(self, other: SyncCounts) -> SyncCounts:
        return SyncCounts(self.written + other.written, self.gone + other.gone)


@dataclass(frozen=True, slots=True)
class _Named:
    """A picture that a title's document names."""

    id: str
    kind: PictureKind
    slug: str
    character: str | None
    url: str
    name: str
    adult: bool


def sync_titles_in(connection: Connection, slugs: Sequence[str]) -> SyncCounts:
    """Bring the rows of these titles in step with their documents, in the caller's transaction.

    A picture that is named again comes back with the content that it had. Adult follows the title; a free picture that
    belongs to a title becomes adult with it and stays so until it is given again.
    """
    if not slugs:
        return SyncCounts()
    # The titles are held: two syncs with different documents before them must not overtake each other.
    named = [one for row in connection.execute(_READ, {"slugs": list(slugs)}) for one in _list_named(row)]
    unique = sorted({one.id: one for one in named}.values(), key=lambda one: one.id)
    written = connection.execute(_UPSERT, _to_parameters(unique)).rowcount if unique else 0
    gone = connection.execute(_MARK_GONE, {"slugs": list(slugs), "ids": [one.id for one in unique]}).rowcount
    connection.execute(_FOLLOW_ADULT, {"slugs": list(slugs)})
    share_contents(connection, [one.id for one in unique])
    return SyncCounts(written, gone)


def share_contents(connection: Connection, ids: Sequence[str]) -> int:
    """Those of the pictures without content get that of another picture of the same address; returns how many did."""
    return connection.execute(_SHARE, {"ids": list(ids)}).rowcount if ids else 0


def _list_named(row: Row[Any]) -> Iterator[_Named]:
    images: Mapping[str, Any] = row.images or {}
    for place, kind in _IMAGES.items():
        if url := images.get(place):
            yield _build(row, kind=kind, url=url)
    for character in row.characters or ():
        if url := character.get("image"):
            yield _build(row, kind=PictureKind.CHARACTER, url=url, character=character["name"])


def _build(row: Row[Any], *, kind: PictureKind, url: str, character: str | None = None) -> _Named:
    identifier = picture_id(kind=kind, slug=row.slug, character=character, name=url)
    return _Named(identifier, kind, row.slug, character, url, row.name, row.adult)


def _to_parameters(named: Sequence[_Named]) -> dict[str, Any]:
    return {
        "ids": [one.id for one in named],
        "kinds": [one.kind.value for one in named],
        "slugs": [one.slug for one in named],
        "characters": [one.character for one in named],
        "urls": [one.url for one in named],
        "names": [one.name for one in named],
        "adult": [one.adult for one in named],
    }


_READ = text("""
    SELECT slug, adult, document ->> 'title' AS name, document -> 'images' AS images,
           CASE WHEN document @? '$.characters[*].image'
                THEN jsonb_path_query_array(document, '$.characters[*] ? (exists (@.image))') END AS characters
    FROM titles WHERE slug = ANY(:slugs) ORDER BY slug FOR SHARE
""")

_UPSERT = text(f"""
    INSERT INTO pictures (id, kind, slug, character, url, name, tags, metadata, adult, content_hash)
    SELECT p.*, {CONTENT_HASH} FROM (
        SELECT g.id, g.kind, g.slug, g.character, g.url, g.name, '[]'::jsonb AS tags, '{{}}'::jsonb AS metadata, g.adult
        FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[]), CAST(:slugs AS text[]), CAST(:characters AS text[]),
                    CAST(:urls AS text[]), CAST(:names AS text[]), CAST(:adult AS boolean[]))
             AS g(id, kind, slug, character, url, name, adult)
    ) p
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, adult = excluded.adult, gone = false,
        content_hash = excluded.content_hash, updated_at = now()
    WHERE pictures.content_hash <> excluded.content_hash OR pictures.gone
""")  # noqa: S608 - a constant

_MARK_GONE = text("""
    UPDATE pictures p SET gone = true, updated_at = now()
    WHERE p.slug = ANY(:slugs) AND p.kind <> 'free' AND NOT p.gone
      AND NOT EXISTS (SELECT 1 FROM unnest(CAST(:ids AS uuid[])) AS g(id) WHERE g.id = p.id)
""")

_FOLLOW_ADULT = text(f"""
    UPDATE pictures f SET adult = true, content_hash = h.content_hash, updated_at = now()
    FROM (
        SELECT p.id, {CONTENT_HASH} AS content_hash FROM (
            SELECT k.id, k.kind, k.slug, k.character, k.url, k.name, k.tags, k.metadata, true AS adult
            FROM pictures k JOIN titles t ON t.slug = k.slug AND t.adult
            WHERE k.slug = ANY(:slugs) AND k.kind = 'free' AND NOT k.adult
        ) p
    ) h
    WHERE f.id = h.id
""")  # noqa: S608 - a constant

# The newest first: an address may have shown something else before.
_SHARE = text("""
    UPDATE pictures p SET sha256 = k.sha256, updated_at = now()
    FROM (
        SELECT w.id, (
            SELECT o.sha256 FROM pictures o
            WHERE md5(o.url) = md5(w.url) AND o.url = w.url AND o.sha256 IS NOT NULL
            ORDER BY o.updated_at DESC LIMIT 1) AS sha256
        FROM pictures w WHERE w.id = ANY(CAST(:ids AS uuid[])) AND w.sha256 IS NULL AND w.url IS NOT NULL
    ) k
    WHERE p.id = k.id AND k.sha256 IS NOT NULL
""")
