"""Which title an imported record is about: the one that has one of its ids.

Ids come to titles in two ways. One that an import gave identifies. One that was guessed, or that another provider
named, may be wrong: it identifies only where nothing that imports gave speaks against it, for what is imported into a
wrong title cannot be taken out again. Where something does, the catalogue is right, and the guess loses the id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from core.document import AnimeDocument
from core.words import split_runs
from storage.database.link_changes import load_guesses_in
from storage.database.session import Connection
from storage.database.titles import TitleRepository

Key = tuple[str, str]
_NAMES: Final = ("title", "title_english", "title_japanese")


class Identities:
    """The ids of a batch of records, and the titles that they lead to; it grows with each record that is placed.

    get_base  what imports gave of a title that an id leads to, as it is by now
    """

    def __init__(
        self,
        connection: Connection,
        titles: TitleRepository,
        documents: Sequence[AnimeDocument],
        get_base: Callable[[str], Mapping[str, Any]],
    ) -> None:
        keys = sorted({key for document in documents for key in document.identity_keys})
        self._slug_by_key = titles.find_by_ids(connection, keys)
        self._by_person = load_guesses_in(connection, keys)
        self._get_base = get_base
        self.known = sorted(set(self._slug_by_key.values()))
        # (provider, external id, slug): ids that lead to a title from now on, and those of them that a guess loses.
        self.added: list[tuple[str, str, str]] = []
        self.taken: list[tuple[str, str, str]] = []

    def find(self, document: AnimeDocument) -> str | None:
        """The title that a record is about; None: it is a new one."""
        found = [key for key in document.identity_keys if key in self._slug_by_key]
        sure = (key for key in found if key not in self._by_person)
        likely = (key for key in found if key in self._by_person and self._fits(key, document))
        key = next(sure, None) or next(likely, None)
        return None if key is None else self._slug_by_key[key]

    def place(self, document: AnimeDocument, slug: str) -> None:
        """The record is about this title, so its ids lead there, but for those that others have for sure."""
        for key in document.identity_keys:
            holder = self._slug_by_key.get(key)
            if holder == slug:
                self._by_person.pop(key, None)
            elif holder is None or self._by_person.get(key) is False:
                self._add(key, holder, slug)

    def _add(self, key: Key, holder: str | None, slug: str) -> None:
        self._slug_by_key[key] = slug
        self.added.append((*key, slug))
        if holder is not None:
            del self._by_person[key]
            self.taken.append((*key, slug))

    def _fits(self, key: Key, document: AnimeDocument) -> bool:
        """No other id of the record contradicts those that imports gave; a guess needs a name in common, too."""
        by_person = self._by_person[key]
        base = self._get_base(self._slug_by_key[key])
        own = base.get("external_ids", {})
        said = {space: value for space, value in document.identity_keys if not (by_person and space == key[0])}
        if any(space in own and str(own[space]) != value for space, value in said.items()):
            return False
        return by_person or bool(_fold_names(base) & _fold_names(document.to_json()))


def _fold_names(document: Mapping[str, Any]) -> set[str]:
    names = [*(document.get(field) for field in _NAMES), *document.get("synonyms", ())]
    return {folded for name in names if name and (folded := " ".join(split_runs(name)))}
