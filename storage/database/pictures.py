"""Pictures: what is to be found in the pictures collection. One row is one point.

A picture's row says all that its point says; `content_hash` stands for it and is made by Postgres alone, from the
columns, so that every writer makes the same one. What the row shows is in the media store under `sha256`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, text

from core.errors import NotFoundError
from core.identity import picture_id
from storage.database.models import PictureKind, media_files, pictures, titles
from storage.database.picture_sync import CONTENT_HASH, SyncCounts, share_contents, sync_titles_in
from storage.database.session import Database

_PAGE_TITLES = 4_000


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A content of the media store. `phash` is signed, `colour` '#rrggbb'."""

    sha256: str
    bytes: int
    media_type: str
    width: int
    height: int
    phash: int
    colour: str


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One picture as stored. `media` is None until its content is in the media store.

    `excluded`: its title belongs in no index, and so neither does the picture.
    """

    id: uuid.UUID
    kind: PictureKind
    slug: str | None
    character: str | None
    url: str | None
    sha256: str | None
    name: str | None
    tags: tuple[str, ...]
    metadata: dict[str, Any]
    adult: bool
    gone: bool
    content_hash: str
    excluded: bool
    media: MediaFile | None

    @property
    def is_wanted(self) -> bool:
        """True if the picture belongs in the index."""
        return not self.gone and not self.excluded


@dataclass(frozen=True, slots=True)
class FreePicture:
    """A picture that somebody lists or uploads. Its name or else its address is what it is known by.

    With a `slug` it belongs to that title: it is adult and excluded with it. Without a name it needs a URL.
    """

    name: str | None = None
    url: str | None = None
    slug: str | None = None
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    adult: bool = False

    @property
    def id(self) -> uuid.UUID:
        """The id of its row and its point: the same for the same name."""
        return uuid.UUID(picture_id(kind=PictureKind.FREE, name=self.name or self.url or ""))


class PictureRepository:
    """Reads and writes `pictures`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Writing

    def sync_titles(self, slugs: Sequence[str] | None = None) -> SyncCounts:
        """Bring the rows of these titles (None: of all) in step with their documents. May be repeated at any time."""
        total = SyncCounts()
        for page in self._iterate_pages(slugs):
            with self._database.begin() as connection:
                total += sync_titles_in(connection, page)
        return total

    def add_free(self, given: Sequence[FreePicture]) -> list[uuid.UUID]:
        """Store free pictures, each under its own name; returns their ids in this order.

        One that is known already says from now on what is given, and keeps its content while its URL stays the same.
        Raises NotFoundError if a title is not known; nothing is stored then.
        """
        with self._database.begin() as connection:
            return self.add_free_in(connection, given)

    def add_free_in(self, connection: Connection, given: Sequence[FreePicture]) -> list[uuid.UUID]:
        """As `add_free`, within the caller's transaction."""
        for one in given:
            if not (one.name or one.url):
                raise ValueError("a free picture needs a name or a URL")
        _ensure_titles(connection, {one.slug for one in given if one.slug is not None})
        # The last one counts where a name is given twice; in one order, so that two writers never wait for each other.
        unique = {str(one.id): one for one in given}
        if unique:
            connection.execute(_ADD_FREE, _free_parameters(dict(sorted(unique.items()))))
            share_contents(connection, sorted(unique))
        return [one.id for one in given]

    def attach_content(self, connection: Connection, url: str, sha256: str) -> int:
        """All pictures of this URL show this content from now on; returns how many that is news to."""
        return self.attach_contents(connection, {url: sha256})

    def attach_contents(self, connection: Connection, contents: Mapping[str, str]) -> int:
        """As `attach_content` for many: {url: sha256}. The contents are in `media_files` already."""
        if not contents:
            return 0
        parameters = {"urls": list(contents), "contents": list(contents.values())}
        return connection.execute(_ATTACH_BY_URL, parameters).rowcount

    def attach_to(self, connection: Connection, ids: Iterable[uuid.UUID], sha256: str) -> int:
        """These pictures, whatever their URL, show this content from now on; returns how many that is news to."""
        return connection.execute(_ATTACH_BY_ID, {"ids": list(ids), "sha256": sha256}).rowcount

    def detach(self, connection: Connection, ids: Sequence[uuid.UUID], *, lost: Sequence[str]) -> None:
        """The contents `lost` are gone: those of the pictures that still show one have none until one is attached."""
        statement = text("""
            UPDATE pictures SET sha256 = NULL, updated_at = now() WHERE id = ANY(:ids) AND sha256 = ANY(:lost)
        """)
        connection.execute(statement, {"ids": list(ids), "lost": list(lost)})

    def remove(self, connection: Connection, ids: Sequence[uuid.UUID]) -> int:
        """These pictures are to leave the index with the next job; returns how many were there."""
        statement = text("UPDATE pictures SET gone = true, updated_at = now() WHERE id = ANY(:ids) AND NOT gone")
        return connection.execute(statement, {"ids": list(ids)}).rowcount

    # Reading

    def get(self, identifier: uuid.UUID) -> PictureRow:
        """Raises NotFoundError, also for a picture that is gone or whose title is excluded."""
        found = self.load([identifier]).get(identifier)
        if found is None or not found.is_wanted:
            raise NotFoundError("picture", str(identifier))
        return found

    def load(self, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, PictureRow]:
        """The pictures of these ids that have a row, gone ones too."""
        with self._database.begin() as connection:
            return self.load_in(connection, ids)

    def load_in(self, connection: Connection, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, PictureRow]:
        """As `load`, within the caller's transaction."""
        rows = connection.execute(_select().where(pictures.c.id.in_(list(ids))))
        return {row.id: _to_picture(row) for row in rows}

    def load_of_titles(self, slugs: Sequence[str]) -> dict[str, list[PictureRow]]:
        """The pictures of each of these titles that belong in the index, by kind and id."""
        query = _select().where(pictures.c.slug.in_(list(slugs)), pictures.c.gone.is_(False))
        query = query.where(titles.c.excluded.is_(False)).order_by(pictures.c.kind, pictures.c.id)
        found: dict[str, list[PictureRow]] = {}
        with self._database.begin() as connection:
            for row in connection.execute(query):
                found.setdefault(row.slug, []).append(_to_picture(row))
        return found

    def list_ids_of_title(self, slug: str) -> list[uuid.UUID]:
        """All pictures of a title that have a row, whatever becomes of the title."""
        with self._database.begin() as connection:
            return list(connection.execute(select(pictures.c.id).where(pictures.c.slug == slug)).scalars())

    def list_of_content(self, sha256: str) -> list[PictureRow]:
        """The pictures that show this content and belong in the index."""
        query = _select().where(pictures.c.sha256 == sha256, pictures.c.gone.is_(False)).order_by(pictures.c.id)
        with self._database.begin() as connection:
            return [one for row in connection.execute(query) if (one := _to_picture(row)).is_wanted]

    def count(self) -> dict[str, int]:
        """`all` pictures that belong in the index, how many of them are `stored`, and how many `adult`."""
        here = pictures.c.gone.is_(False) & func.coalesce(titles.c.excluded, False).is_(False)
        query = select(
            func.count().filter(here).label("all"),
            func.count().filter(here, pictures.c.sha256.is_not(None)).label("stored"),
            func.count().filter(here, pictures.c.adult).label("adult"),
        ).select_from(pictures.outerjoin(titles, titles.c.slug == pictures.c.slug))
        with self._database.begin() as connection:
            return dict(connection.execute(query).mappings().one())

    def _iterate_pages(self, slugs: Sequence[str] | None) -> Iterable[list[str]]:
        if slugs is not None:
            wanted = sorted(set(slugs))
            yield from (wanted[start : start + _PAGE_TITLES] for start in range(0, len(wanted), _PAGE_TITLES))
            return
        query, after = select(titles.c.slug).order_by(titles.c.slug).limit(_PAGE_TITLES), ""
        while True:
            with self._database.begin() as connection:
                page = list(connection.execute(query.where(titles.c.slug > after)).scalars())
            if not page:
                return
            yield page
            after = page[-1]


def _select() -> Select[Any]:
    media = [column for column in media_files.c if column.name not in ("sha256", "created_at")]
    joined = pictures.outerjoin(titles, titles.c.slug == pictures.c.slug)
    joined = joined.outerjoin(media_files, media_files.c.sha256 == pictures.c.sha256)
    excluded = func.coalesce(titles.c.excluded, False).label("excluded")
    return select(*(column for column in pictures.c), *media, excluded).select_from(joined)


def _to_picture(row: Row[Any]) -> PictureRow:
    media = None
    if row.sha256 is not None:
        media = MediaFile(row.sha256, row.bytes, row.media_type, row.width, row.height, row.phash, row.colour)
    return PictureRow(
        id=row.id,
        kind=PictureKind(row.kind),
        slug=row.slug,
        character=row.character,
        url=row.url,
        sha256=row.sha256,
        name=row.name,
        tags=tuple(row.tags),
        metadata=row.metadata,
        adult=row.adult,
        gone=row.gone,
        content_hash=row.content_hash,
        excluded=row.excluded,
        media=media,
    )


def _ensure_titles(connection: Connection, slugs: set[str]) -> None:
    if slugs:
        known = set(connection.execute(select(titles.c.slug).where(titles.c.slug.in_(slugs))).scalars())
        if unknown := slugs - known:
            raise NotFoundError("title", min(unknown))


def _free_parameters(given: Mapping[str, FreePicture]) -> dict[str, Any]:
    return {
        "ids": list(given),
        "slugs": [one.slug for one in given.values()],
        "urls": [one.url for one in given.values()],
        "names": [one.name for one in given.values()],
        "tags": [json.dumps(list(dict.fromkeys(one.tags))) for one in given.values()],
        "metadata": [json.dumps(dict(one.metadata)) for one in given.values()],
        "adult": [one.adult for one in given.values()],
    }


_ADD_FREE = text(f"""
    INSERT INTO pictures (id, kind, slug, character, url, name, tags, metadata, adult, content_hash)
    SELECT p.*, {CONTENT_HASH} FROM (
        SELECT g.id, 'free' AS kind, g.slug, CAST(NULL AS text) AS character, g.url, g.name,
               CAST(g.tags AS jsonb) AS tags, CAST(g.metadata AS jsonb) AS metadata,
               g.adult OR coalesce(t.adult, false) AS adult
        FROM unnest(CAST(:ids AS uuid[]), CAST(:slugs AS text[]), CAST(:urls AS text[]), CAST(:names AS text[]),
                    CAST(:tags AS text[]), CAST(:metadata AS text[]), CAST(:adult AS boolean[]))
             AS g(id, slug, url, name, tags, metadata, adult)
        LEFT JOIN titles t ON t.slug = g.slug
    ) p
    ON CONFLICT (id) DO UPDATE SET slug = excluded.slug, url = excluded.url, name = excluded.name,
        tags = excluded.tags, metadata = excluded.metadata, adult = excluded.adult, gone = false,
        content_hash = excluded.content_hash, updated_at = now(),
        sha256 = CASE WHEN pictures.url IS NOT DISTINCT FROM excluded.url THEN pictures.sha256 END
    WHERE pictures.content_hash <> excluded.content_hash OR pictures.gone
""")  # noqa: S608 - a constant

# The index is over md5(url): addresses may be longer than a page of it.
_ATTACH_BY_URL = text("""
    UPDATE pictures p SET sha256 = g.sha256, updated_at = now()
    FROM unnest(CAST(:urls AS text[]), CAST(:contents AS text[])) AS g(url, sha256)
    WHERE md5(p.url) = md5(g.url) AND p.url = g.url AND p.sha256 IS DISTINCT FROM g.sha256
""")

_ATTACH_BY_ID = text("""
    UPDATE pictures SET sha256 = :sha256, updated_at = now()
    WHERE id = ANY(:ids) AND sha256 IS DISTINCT FROM :sha256
""")
