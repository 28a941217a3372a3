"""The titles of the live index as the gold sets need them: names, facts, links."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from qdrant_client import models

from core.errors import ConflictError
from core.features import DEMOGRAPHICS, GENRES, canonical_genre, normalise_studio
from core.words import split_runs
from storage.vectors.store import SCROLL_POINTS, VectorStore

# The payload entries that are read: all that gold sets and baselines look at.
FIELDS = (
    "id", "title", "title_english", "title_japanese", "synonyms", "synopsis", "type", "season", "year", "genres",
    "themes", "demographics", "tags", "studios", "external_ids", "members", "popularity_score",
    "search_boost_factor", "score", "adult",
)  # fmt: skip


class NothingToEvaluateError(ConflictError):
    """The index is empty, or holds too little for the figures that were asked for."""

    code = "nothing-to-evaluate"


@dataclass(frozen=True)
class Title:
    """One title of the index. `document` is its payload."""

    slug: str
    document: Mapping[str, Any]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every name, the title itself first; no name twice."""
        own = (self.document.get(field) for field in ("title", "title_english", "title_japanese"))
        return tuple(dict.fromkeys(name for name in (*own, *self.document.get("synonyms", [])) if name))

    @cached_property
    def genres(self) -> frozenset[str]:
        """Genres by their one name, those among the themes and tags included."""
        stated = {canonical_genre(label) for label in self.document.get("genres", [])}
        labels = (*self.document.get("themes", []), *self.document.get("tags", []))
        return frozenset((stated | {canonical_genre(label) for label in labels}) & GENRES)

    @cached_property
    def demographics(self) -> frozenset[str]:
        """Audiences, those among the genres and tags included."""
        fields = ("demographics", "genres", "tags")
        return frozenset(label for field in fields for label in self.document.get(field, [])) & DEMOGRAPHICS

    @cached_property
    def studios(self) -> frozenset[str]:
        """Studios by their normalised names."""
        return frozenset(normalise_studio(name) for name in self.document.get("studios", [])) - {""}

    @property
    def popularity(self) -> float:
        """0 (nobody knows) to 1."""
        return float(self.document.get("popularity_score") or 0.0)

    @property
    def year(self) -> int | None:
        """The year of its first showing."""
        return self.document.get("year")


class Catalogue:
    """All titles that anybody may see, in the order of their slugs."""

    def __init__(self, titles: Iterable[Title]) -> None:
        visible = (title for title in titles if not title.document.get("adult"))
        self.titles: tuple[Title, ...] = tuple(sorted(visible, key=lambda title: title.slug))
        self.by_slug: dict[str, Title] = {title.slug: title for title in self.titles}

    @cached_property
    def by_name(self) -> dict[str, frozenset[str]]:
        """Slugs by folded name (`fold_name`): titles may share one."""
        slugs: dict[str, set[str]] = {}
        for title in self.titles:
            for name in title.names:
                slugs.setdefault(fold_name(name), set()).add(title.slug)
        return {name: frozenset(found) for name, found in slugs.items()}

    @cached_property
    def by_mal_id(self) -> dict[int, str]:
        """Slugs by MyAnimeList's id."""
        ids = ((title.document.get("external_ids", {}).get("mal"), title.slug) for title in self.titles)
        return {int(given): slug for given, slug in ids if given}

    @cached_property
    def by_popularity(self) -> tuple[Title, ...]:
        """The best known first; equals in the order of their slugs."""
        return tuple(sorted(self.titles, key=lambda title: -title.popularity))


def load_catalogue(store: VectorStore, collection: str) -> Catalogue:
    """Read the whole live index. Raises NothingToEvaluateError if it is empty, DependencyUnavailableError."""
    catalogue = Catalogue(_scroll(store, collection))
    if not catalogue.titles:
        raise NothingToEvaluateError("the index holds no title: import a catalogue and run an index job first")
    return catalogue


def fold_name(name: str) -> str:
    """Names that differ in case, width, punctuation or spaces between words only are the same."""
    return " ".join(split_runs(name))


def _scroll(store: VectorStore, collection: str) -> Iterator[Title]:
    offset: models.ExtendedPointId | None = None
    selector = models.PayloadSelectorInclude(include=list(FIELDS))
    while True:
        page, offset = store.call(
            lambda client, offset=offset: client.scroll(  # type: ignore[misc]
                collection, limit=SCROLL_POINTS, offset=offset, with_payload=selector
            )
        )
        yield from (Title(str(record.payload["id"]), record.payload) for record in page if record.payload)
        if offset is None:
            return
