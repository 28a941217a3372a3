"""Queries of a text and a picture about the same title, each of them noisy in its own way."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.pictures import decode_picture, hash_content
from core.query_picture import QueryPicture
from covers.album import load_documents, plan_album
from evaluation.catalogue import Catalogue, NothingToEvaluateError, Title
from evaluation.pictures.changes import Change, apply_change, build_heavy, crop_centre
from evaluation.pictures.sentences import MEMORIES, build_sentence
from evaluation.pictures.sets import MAX_PIXELS, SAMPLE

# By name as reports show them, the noisiest first: a part of the cover from anywhere, mirrored, blurred, recoloured and
# as a bad JPEG; and a plain crop that any encoder knows again, for which a text must do no harm.
PICTURES: Final[Mapping[str, Change]] = {
    "spoilt quarter": build_heavy(0.25),
    "spoilt two fifths": build_heavy(0.4),
    "centre crop 70%": crop_centre,
}
_QUALITY: Final = 92


@dataclass(frozen=True, slots=True)
class MixedQuery:
    """One title that is asked for. `texts` are by memory, `pictures` by change; `half` is 0 (chosen on) or 1."""

    slug: str
    half: int
    texts: Mapping[str, str]
    pictures: Mapping[str, QueryPicture]

    @property
    def relevant(self) -> Mapping[str, int]:
        """The one title that is right."""
        return {self.slug: 1}


def build_mixed_queries(catalogue: Catalogue, folder: Path, *, seed: int) -> tuple[MixedQuery, ...]:
    """One query for each sample title that the index holds. `folder` has the drawn pictures.

    Series are kept in one half: covers of one series look alike. Raises NothingToEvaluateError if there is no title.
    """
    documents = {document["title"]: document for document in load_documents(SAMPLE)}
    titles = [title for title in catalogue.titles if title.document.get("title") in documents]
    found = (_build(title, documents[title.document["title"]], folder, seed) for title in titles)
    queries = tuple(query for query in found if query is not None)
    if {query.half for query in queries} != {0, 1}:
        raise NothingToEvaluateError(
            "the index holds no sample titles: import data/sample-catalogue.jsonl, or avs demo"
        )
    return queries


def make_query_picture(path: Path, change: Change, *, seed: str) -> QueryPicture:
    """A changed copy of a file, as a request brings it."""
    copy = apply_change(decode_picture(path.read_bytes(), max_pixels=MAX_PIXELS), change, seed=seed)
    kept = io.BytesIO()
    copy.save(kept, "JPEG", quality=_QUALITY)
    data = kept.getvalue()
    return QueryPicture(sha256=hash_content(data), data=data, width=copy.width, height=copy.height)


def _build(title: Title, document: Mapping[str, Any], folder: Path, seed: int) -> MixedQuery | None:
    texts = {name: build_sentence(title, memory, seed=f"{seed}:{name}") for name, memory in MEMORIES.items()}
    said = {name: text for name, text in texts.items() if text is not None}
    if len(said) < len(texts):
        return None
    cover = folder / plan_album(document).cover
    pictures = {
        name: make_query_picture(cover, change, seed=f"{seed}:{name}:{title.slug}") for name, change in PICTURES.items()
    }
    return MixedQuery(title.slug, _get_half(document, seed), said, pictures)


def _get_half(document: Mapping[str, Any], seed: int) -> int:
    series = document.get("franchise") or document["title"]
    return hashlib.blake2b(f"{seed}:{series}".encode(), digest_size=1).digest()[0] % 2
