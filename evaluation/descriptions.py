"""Descriptive queries: how another site tells the story of a title, without its names.

The index holds one source's synopsis. A text that shares most of its words with it is a copy, and finding a copy shows
nothing: such texts are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from core.words import split_terms
from evaluation.catalogue import Catalogue, Title
from evaluation.gold import GoldQuery, sample_titles, take_queries

GROUP = "description"
# Of the words of the shorter text: tellings of the same story by different people share .2 to .4, copies .8 and more.
_SHARED_WORDS_MAX = 0.5
_SENTENCES = 2
_CHARS_MAX = 400
_WORDS_MIN = 8
_NAME_CHARS_MIN = 4

_MARKUP = re.compile(r"<[^>]+>|\((?:source|written by)[^)]*\)|\[[^\]]*\]", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’]?\s+(?=[\"'“‘A-Z0-9])")
_SPACE = re.compile(r"\s+")


def build_descriptions(
    catalogue: Catalogue, other_synopses: Mapping[int, Iterable[str]], *, count: int, seed: int
) -> tuple[GoldQuery, ...]:
    """`count` queries, fewer where there are fewer texts. `other_synopses` are texts by MyAnimeList's id."""

    def build(title: Title) -> GoldQuery | None:
        texts = other_synopses.get(int(title.document.get("external_ids", {}).get("mal") or 0), ())
        told = (tell_without_names(text, title) for text in texts if is_other_text(text, title))
        query = next((text for text in told if text), None)
        return GoldQuery(f"{GROUP}:{title.slug}", GROUP, GROUP, query, {title.slug: 1}) if query else None

    return tuple(take_queries(sample_titles(catalogue, f"{seed}:{GROUP}"), build, count=count))


def is_other_text(text: str, title: Title) -> bool:
    """True if the index holds a synopsis of this title, and the text is not that one in a few other words."""
    own, other = set(split_terms(title.document.get("synopsis") or "")), set(split_terms(text))
    if not own or not other:
        return False
    return len(own & other) / min(len(own), len(other)) < _SHARED_WORDS_MAX


def tell_without_names(text: str, title: Title) -> str | None:
    """The first two sentences without the names of the title; None where too little is left to tell anything."""
    clean = _SPACE.sub(" ", _MARKUP.sub(" ", text)).strip()
    told = " ".join(_SENTENCE_END.split(clean)[:_SENTENCES])[:_CHARS_MAX]
    for name in sorted(title.names, key=len, reverse=True):
        if len(name) >= _NAME_CHARS_MIN:
            told = re.sub(re.escape(name), " ", told, flags=re.IGNORECASE)
    told = _SPACE.sub(" ", told).strip()
    return told if len(told.split()) >= _WORDS_MIN else None
