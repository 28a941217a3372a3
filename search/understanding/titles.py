"""Titles that a text names: as a whole, in quotes, or as what it wants something like."""

from __future__ import annotations

import re

from search.names.index import NameIndex
from search.names.match import NameMatch
from search.understanding.lexicon import Lexicon
from search.understanding.reading import Reading, Span, fold_in_place
from search.understanding.vocabulary import FILLERS

_QUOTED = re.compile(
    r"「([^「」]+)」|『([^『』]+)』|“([^“”]+)”|„([^„“”]+)[“”]|«([^«»]+)»|《([^《》]+)》|〈([^〈〉]+)〉|\"([^\"]+)\"|"
    r"(?<!\w)'([^']+(?:'\w[^']*)*)'(?!\w)|(?<!\w)‘([^‘’]+)’(?!\w)"
)
_LIKE = re.compile(
    r"\b(?:similar(?:ly)?\s+to|just\s+like|more\s+like|something\s+like|like|reminiscent\s+of|reminds?\s+me\s+of|"
    r"in\s+the\s+(?:vein|style|spirit)\s+of|such\s+as)\s+"
)
_NOT_LIKE = re.compile(r"(?:\bnot|n't|\bnothing|\bnever|\bdis)\s*$")
_LIKED_BEFORE = re.compile(
    r"(?P<name>\S[^、。，,]*?)\s?(?:みたいな|のような|に似た|っぽい|같은|처럼|와 비슷한|과 비슷한|랑 비슷한)"
)
_LIKED_BETWEEN = re.compile(r"(?:像|类似|類似|和|跟)(?P<name>\S+?)(?:一样|一樣|那样|那樣|差不多|类似|相似)?的")
_ENDS = re.compile(
    r"\s*(?:$|[,;.!?()]|\s(?:but|with|without|from|by|and|or|where|that|which|except|not|no|only|set|in|for|about|"
    r"anime|animes|series|shows?|movies?|films?|please)\b)"
)
_KIND_BEHIND = re.compile(r"\s*(?:\b(?:the\s+)?anime|アニメ|애니(?:메이션)?|动画|動畫|动漫)$")
_AND = re.compile(r"\s*(?:,\s*(?:and\s+|or\s+)?|\band\s+|\bor\s+|&\s*)")
_QUOTES = "「」『』“”\"'‘’«»《》 "
_NAMES_MAX = 5
# A single letter or two in quotes is a letter.
_QUOTED_MIN_CHARS = 3
# Stretches of text that are tried as a title.
_STRETCHES = 8


def match_whole(text: str, names: NameIndex, lexicon: Lexicon, *, include_adult: bool) -> tuple[NameMatch, ...]:
    """The titles that the whole text names.

    A text of nothing but known phrases (romance, movie) is one only if a title, not a mere synonym, is just that.
    """
    found = names.match(text, limit=_NAMES_MAX, include_adult=include_adult)
    if found and is_plain(fold_in_place(text), lexicon):
        return tuple(match for match in found if match.kind == "exact" and not match.is_synonym)
    if not found and (bare := _KIND_BEHIND.sub("", text, count=1)) and bare != text:
        return match_whole(bare, names, lexicon, include_adult=include_adult)
    return found


def is_plain(folded: str, lexicon: Lexicon) -> bool:
    """True if a text is nothing but phrases of the vocabulary and words without weight."""
    rest = list(folded)
    for mention in lexicon.find_terms(folded):
        rest[mention.start : mention.end] = " " * (mention.end - mention.start)
    return all(word in FILLERS for word in re.findall(r"[^\W_]+", "".join(rest)))


def read_titles(reading: Reading, names: NameIndex | None, lexicon: Lexicon, *, include_adult: bool) -> None:
    """What is liked first: a quoted title after `like` is not what is looked for."""
    if names is not None:
        _read_likes(reading, names, lexicon, include_adult=include_adult)
    for match in _QUOTED.finditer(reading.text):
        if not reading.is_free(*match.span()):
            continue
        quoted = next(group for group in match.groups() if group)
        found = names.match(quoted, limit=_NAMES_MAX, include_adult=include_adult) if names else ()
        if reading.is_story:
            # A story quotes words, nicknames and things people say.
            found = tuple(one for one in found if one.kind == "exact" and " " in quoted.strip())
        if len(quoted) < (_QUOTED_MIN_CHARS if quoted.isascii() else _QUOTED_MIN_CHARS - 1):
            found = ()
        known = {one.slug for one in reading.names}
        reading.names.extend(one for one in found if one.slug not in known)
        if found:
            reading.note(match.span(), "title", field="id", value=found[0].slug, effect="pin")
        else:
            reading.note(match.span(), "quote", field=None, value=quoted, effect="kept")


def _read_likes(reading: Reading, names: NameIndex, lexicon: Lexicon, *, include_adult: bool) -> None:
    def try_span(span: Span) -> bool:
        name = reading.text[span[0] : span[1]].strip(_QUOTES)
        if not reading.is_free(*span) or is_plain(fold_in_place(name), lexicon):
            return False
        found = names.match(name, limit=1, include_adult=include_adult)
        reading.likes.extend(found)
        if found:
            reading.note(span, "title", field="id", value=found[0].slug, effect="kept")
        return bool(found)

    for match in _LIKE.finditer(reading.folded):
        if _NOT_LIKE.search(reading.folded[: match.start()]):
            continue
        start: int | None = match.end()
        while start is not None:
            ends = [end.start() for end in _ENDS.finditer(reading.folded, start) if end.start() > start]
            # The longest stretch first: a title may hold the words that end one.
            end = next((end for end in ends[: -_STRETCHES - 1 : -1] if try_span((start, end))), None)
            joint = None if end is None else _AND.match(reading.folded, end)
            start = joint.end() if joint else None
    for pattern in (_LIKED_BEFORE, _LIKED_BETWEEN):
        for match in pattern.finditer(reading.folded):
            try_span(match.span("name"))
