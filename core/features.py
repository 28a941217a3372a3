"""metadata_sparse: what a title is (genre, studio, decade, ...) as sparse features with static weights, by rules.

Two titles are alike by the dot product of their features, and a query asks for features by name. Feature names are
lower case, 'kind:value'; their index is a stable hash of the name, so no vocabulary has to be kept. To name the indices
of a title again, hash the features of its document.

The weights are the starting weights of product.md section 7; those marked "ours" are not listed there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from core.words import hash_to_index

# Raise it when a rule changes without any weight changing.
RULES_VERSION = 1

WEIGHTS: dict[str, float] = {
    "genre": 1.0,  # also from tags that are genre names: three titles of four have tags only
    "demographic": 0.9,
    "studio": 0.7,
    "studio:studio ghibli": 0.8,
    "source": 0.6,
    "decade": 0.4,
    "decade before 2010": 0.3,
    "award": 1.2,
    "score": 1.1,  # score of 8 and above
    "popular": 0.8,
    "cours": 0.5,  # one or two cours
    "long-running": 0.3,
    "format": 0.3,  # ours: TV, movie, ...; as weak as the decade, since most titles share a format
}

GENRES = frozenset({
    "action", "adventure", "avant garde", "boys love", "comedy", "drama", "ecchi", "erotica", "fantasy", "girls love",
    "gourmet", "hentai", "horror", "mahou shoujo", "mecha", "music", "mystery", "psychological", "romance", "sci-fi",
    "slice of life", "sports", "supernatural", "suspense", "thriller",
})  # fmt: skip
GENRE_SYNONYMS = {
    "sci fi": "sci-fi",
    "science fiction": "sci-fi",
    "science-fiction": "sci-fi",
    "magical girl": "mahou shoujo",
    "shounen ai": "boys love",
    "shoujo ai": "girls love",
    "yaoi": "boys love",
    "yuri": "girls love",
}
DEMOGRAPHICS = frozenset({"shounen", "shoujo", "seinen", "josei", "kids"})
AWARD_GENRE = "award winning"
GOOD_SCORE = 8.0
POPULAR_RANK = 1_000
POPULAR_MEMBERS = 200_000
COURS_EPISODES = {"cours:1": range(8, 14), "cours:2": range(14, 28)}
LONG_RUNNING_EPISODES = 52

_COMPANY = re.compile(r"[\s,]+(?:(?:co|company|inc|ltd|llc|corp|corporation|k\.k|gmbh)\b[.,\s]*)+$")
_NOT_WORD = re.compile(r"[\W_]+")
_BASED_ON = re.compile(r"based on an? (.+)")
_UNKNOWN = frozenset({"", "unknown", "other"})

Document = Mapping[str, Any]
_Feature = tuple[str, float]


def build_passage_features(document: Document) -> dict[str, float]:
    """{feature name: weight} of a stored document (AnimeDocument.to_json()); empty if it says nothing of the kind."""
    return {name: weight for rule in _RULES for name, weight in rule(document)}


def feature_index(name: str) -> int:
    """The uint32 index of a feature, the same in every process and release."""
    return hash_to_index(f"metadata:{name}")


def normalise_studio(name: str) -> str:
    """'J.C. Staff Co., Ltd.' and 'j.c.staff' are one studio: no company form, words only."""
    bare = _COMPANY.sub("", unicodedata.normalize("NFKC", name).casefold().strip())
    return _NOT_WORD.sub(" ", bare).strip()


def _genres(document: Document) -> Iterator[_Feature]:
    stated = [canonical_genre(label) for label in _labels(document, "genres")]
    tagged = [canonical_genre(label) for label in _labels(document, "themes", "tags")]
    names = dict.fromkeys([*stated, *(name for name in tagged if name in GENRES)])
    yield from ((f"genre:{name}", WEIGHTS["genre"]) for name in names if name not in DEMOGRAPHICS | {AWARD_GENRE})


def _demographics(document: Document) -> Iterator[_Feature]:
    labels = _labels(document, "demographics", "genres", "tags")
    yield from ((f"demographic:{name}", WEIGHTS["demographic"]) for name in labels if name in DEMOGRAPHICS)


def _studios(document: Document) -> Iterator[_Feature]:
    for studio in document.get("studios", []):
        if name := normalise_studio(studio):
            yield f"studio:{name}", WEIGHTS.get(f"studio:{name}", WEIGHTS["studio"])


def _source(document: Document) -> Iterator[_Feature]:
    based_on = (match.group(1) for tag in document.get("tags", []) if (match := _BASED_ON.fullmatch(tag)))
    source = document.get("source") or next(based_on, "")
    name = _NOT_WORD.sub(" ", source.casefold()).strip()
    if name not in _UNKNOWN:
        yield f"source:{name}", WEIGHTS["source"]


def _decade(document: Document) -> Iterator[_Feature]:
    if year := document.get("year"):
        yield f"decade:{year // 10 * 10}", WEIGHTS["decade" if year >= 2010 else "decade before 2010"]


def _reception(document: Document) -> Iterator[_Feature]:
    # One feature for all awards: the names of awards are too many for two titles to share one.
    if document.get("awards") or AWARD_GENRE in document.get("genres", []):
        yield "award:winner", WEIGHTS["award"]
    if (document.get("score") or 0.0) >= GOOD_SCORE:
        yield "score:8+", WEIGHTS["score"]
    # MAL gives rank 0 to titles that it does not rank.
    if 0 < (document.get("popularity") or 0) <= POPULAR_RANK or (document.get("members") or 0) >= POPULAR_MEMBERS:
        yield "popular", WEIGHTS["popular"]


def _format(document: Document) -> Iterator[_Feature]:
    kind = document.get("type", "UNKNOWN").casefold()
    if kind in _UNKNOWN:
        return
    yield f"format:{kind}", WEIGHTS["format"]
    episodes = document.get("episodes") or 0
    if kind in {"tv", "ona"}:
        yield from ((name, WEIGHTS["cours"]) for name, span in COURS_EPISODES.items() if episodes in span)
        if episodes >= LONG_RUNNING_EPISODES:
            yield "long-running", WEIGHTS["long-running"]


def _labels(document: Document, *fields: str) -> Iterable[str]:
    return (label.casefold() for field in fields for label in document.get(field, []))


def canonical_genre(label: str) -> str:
    """The one name of a genre: 'science fiction' and 'sci fi' are 'sci-fi'."""
    return GENRE_SYNONYMS.get(label, label)


_RULES: tuple[Callable[[Document], Iterator[_Feature]], ...] = (
    _genres,
    _demographics,
    _studios,
    _source,
    _decade,
    _reception,
    _format,
)
