"""What has to be encoded for each title: passages compared with the ledger. Pure but for what it is given."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.features import build_passage_features
from core.recipe import RecipeSet
from core.vectors import LEXICAL_VECTOR, METADATA_VECTOR
from indexing.passages import build_lexical_text, build_passages, hash_passage
from indexing.pictures.titles import PictureGroup
from storage.database.ledger import LedgerEntry
from storage.database.titles import StoredTitle


@dataclass(frozen=True, slots=True)
class PreparedTitle:
    """A title with the texts of those vectors that changed, and the names of those that it no longer has.

    `pictures` are the points of pictures that changed image vectors are made from.
    `touched` names both: the vectors in which the point and the ledger may differ until the ledger is written.
    """

    title: StoredTitle
    entry: LedgerEntry
    is_new: bool
    texts: dict[str, list[str]]
    lexical_text: str | None
    features: dict[str, float] | None
    removed: tuple[str, ...]
    touched: frozenset[str] = frozenset()
    pictures: Mapping[str, tuple[uuid.UUID, ...]] = field(default_factory=dict)

    @property
    def vectors(self) -> frozenset[str]:
        """All vectors that the title has once this is written."""
        return frozenset(self.entry.passages)


def prepare_title(
    title: StoredTitle,
    *,
    recipes: RecipeSet,
    known: LedgerEntry | None,
    related_titles: Mapping[str, str],
    with_sparse: bool,
    pictures: Mapping[str, PictureGroup] | None = None,
) -> PreparedTitle:
    """Decide what is to be made. `known` is the ledger's entry, None for a title that was never written.

    `pictures` are the groups of pictures of each image vector that the title has.
    """
    if title.excluded:
        # Its point is removed: there is nothing to make.
        entry = LedgerEntry(title.slug, title.content_hash, {}, title.pictures_hash)
        return PreparedTitle(title, entry, is_new=known is None, texts={}, lexical_text=None, features=None, removed=())
    passages = build_passages(title.document, related_titles=related_titles)
    hashes = {name: hash_passage(texts, recipes.text.fingerprint) for name, texts in passages.items()}
    lexical_text, features = None, None
    if with_sparse:
        lexical_text = build_lexical_text(title.document)
        features = build_passage_features(title.document)
        hashes[LEXICAL_VECTOR] = hash_passage([lexical_text], recipes.lexical.fingerprint)
        if features:
            described = [f"{name}={weight}" for name, weight in sorted(features.items())]
            hashes[METADATA_VECTOR] = hash_passage(described, recipes.metadata.fingerprint)
    groups = pictures or {}
    hashes |= {name: group.hash for name, group in groups.items()}
    before = known.passages if known else {}
    changed = {name for name, value in hashes.items() if before.get(name) != value}
    removed = set(before) - set(hashes)
    return PreparedTitle(
        title=title,
        entry=LedgerEntry(title.slug, title.content_hash, hashes, title.pictures_hash),
        is_new=known is None,
        texts={name: texts for name, texts in passages.items() if name in changed},
        lexical_text=lexical_text if LEXICAL_VECTOR in changed else None,
        features=features if METADATA_VECTOR in changed else None,
        removed=tuple(sorted(removed)),
        touched=frozenset(changed | removed),
        pictures={name: group.points for name, group in groups.items() if name in changed},
    )


def collect_related_keys(document: Mapping[str, Any]) -> set[tuple[str, str]]:
    """(provider, id) of related titles that the document does not name."""
    return {
        (provider, str(value))
        for related in document.get("related_anime", [])
        if not related.get("title")
        for provider, value in related.get("external_ids", {}).items()
    }
