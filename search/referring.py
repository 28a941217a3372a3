"""From the names of titles to references: looked up in Postgres, so that a wrong id gets an answer of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.errors import InvalidInputError, NotFoundError
from core.fields import HIDDEN_PAYLOAD
from core.identity import point_id
from core.text import clean_text, find_text_fault
from search.memory import Memory
from search.plan import Reference
from storage.database.relatives import Relative, RelativesRepository
from storage.database.titles import StoredTitle, TitleRepository

IDENTIFIER_MAX_CHARS = 200
_RELATIVES_MAX_BYTES = 16_000_000
_RELATIVES_TTL_S = 300.0


class TitleFinder:
    """Finds titles by slug or `provider:id`, and the relatives of titles."""

    def __init__(self, titles: TitleRepository, links: RelativesRepository) -> None:
        self._titles = titles
        self._links = links
        self._known_relatives: Memory[str, tuple[Relative, ...]] = Memory(
            max_bytes=_RELATIVES_MAX_BYTES,
            ttl_s=_RELATIVES_TTL_S,
            size_of=lambda slug, relatives: len(slug) + 90 * len(relatives),
        )

    def find(self, identifier: str, *, include_adult: bool, field: str = "id") -> StoredTitle:
        """The title. Raises NotFoundError (also for one that the caller may not see), InvalidInputError."""
        return self.find_all([identifier], include_adult=include_adult, fields=[field])[0]

    def find_all(self, identifiers: Sequence[str], *, include_adult: bool, fields: Sequence[str]) -> list[StoredTitle]:
        """The titles in the order of the identifiers; `fields` names the places that they came from."""
        cleaned = [check_identifier(text, field) for text, field in zip(identifiers, fields, strict=True)]
        slugs = self._titles.resolve_slugs(cleaned)
        stored = self._titles.load(sorted(set(slugs.values())))
        found = [stored.get(slugs.get(text, "")) for text in cleaned]
        for identifier, title in zip(identifiers, found, strict=True):
            if title is None or title.excluded or (title.adult and not include_adult):
                raise NotFoundError("title", identifier)
        return [title for title in found if title is not None]

    def find_relatives(self, slugs: Iterable[str], *, include_adult: bool) -> set[str]:
        """Slugs of the sequels, prequels and other relatives of these titles, near and far, that the caller may see."""
        wanted = list(slugs)
        known = self._known_relatives.get_many(wanted)
        for slug in wanted:
            if slug not in known:
                known[slug] = tuple(sorted(self._links.find_relatives(slug), key=lambda relative: relative.slug))
                self._known_relatives.put_many({slug: known[slug]})
        return {one.slug for slug in wanted for one in known[slug] if include_adult or not one.adult}


def refer_to(titles: Iterable[StoredTitle], *, is_positive: bool = True) -> tuple[Reference, ...]:
    """References to stored titles; the same title twice counts once."""
    slugs = dict.fromkeys(title.slug for title in titles)
    return tuple(Reference(slug, point_id(slug), is_positive) for slug in slugs)


def show_title(title: StoredTitle) -> dict[str, object]:
    """A stored title as the API shows it."""
    shown = {name: value for name, value in title.document.items() if name not in HIDDEN_PAYLOAD}
    return {"id": title.slug, **shown, "adult": title.adult}


def check_identifier(identifier: str, field: str) -> str:
    """A slug or `provider:id` as it may be looked up. Raises InvalidInputError for the field."""
    if fault := find_text_fault(identifier):
        raise InvalidInputError(field, fault)
    if len(identifier) > IDENTIFIER_MAX_CHARS:
        raise InvalidInputError(field, f"more than {IDENTIFIER_MAX_CHARS} characters")
    cleaned = clean_text(identifier)
    if not cleaned:
        raise InvalidInputError(field, "is empty")
    return cleaned
