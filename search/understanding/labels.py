"""Genres, themes, demographics, sources, how well a title was received, and what shall not be there."""

from __future__ import annotations

import re

from core.features import WEIGHTS
from search.understanding.lexicon import Lexicon, Mention, Term, TermKind
from search.understanding.reading import LABEL_BOOST, STUDIO_BOOST, Reading, Span
from search.understanding.vocabulary import HEADS

# `no` is a particle in Japanese names, so a clause must begin with it.
_NOT = re.compile(
    r"\b(?:not|without(?:\s+any)?|excluding|except(?:\s+for)?|minus|other\s+than|non)[\s-]+(?:an?\s+|the\s+|by\s+|from\s+)?|"
    r"(?:^|[,;.:(]\s*|\b(?:but|and|with|has|have|had|please|there\s+is|there's|anime|series|movies?|shows?)\s+)no\s+|"
    r"(?:不要|没有|沒有|除了|不是|非)(?=\S)"
)
_NOT_BEHIND = re.compile(r"\s?(?:なし|無し|抜き|以外|じゃない|ではない|のない|없는|없이|아닌|제외|빼고|말고)")
_OR = re.compile(r"\s*(?:,?\s*(?:or|nor|and)\s+(?:no\s+|any\s+)?|,\s*no\s+|[&/]\s*|\s?や|\s?と)")
_FOR = re.compile(r"\b(?:for|aimed at|suitable for)\s+(?:small\s+|young\s+|little\s+)?$")
_HEAD_AFTER = re.compile(
    rf"\s*(?:{'|'.join(HEADS)}|demographic)\b|\s?(?:向け|アニメ|漫画|番組|만화|애니|动画|動畫|动漫|向)"
)
_WORDY_DEMOGRAPHICS = frozenset({
    "kid", "kids", "child", "children", "toddler", "toddlers", "少年", "青年", "소년", "소녀", "청년", "아동", "어린이",
    "儿童", "兒童",
})  # fmt: skip
_BASED_ON = re.compile(
    r"\b(?:based\s+on\s+(?:an?\s+|the\s+)?|adapted\s+from\s+(?:an?\s+|the\s+)?|adaptations?\s+of\s+(?:an?\s+)?)$"
)
_ADAPTATION = re.compile(r"\s+adaptations?\b")
_RECEPTION: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"\baward[\s-]winning\b|受賞|수상작|获奖"), "award:winner", "award"),
    (
        re.compile(r"\b(?:highly|top|best)[\s-]rated\b|\bhigh(?:est)?\s+(?:rating|rated|score)\b|名作|명작|高分"),
        "score:8+",
        "score",
    ),
    (re.compile(r"\b(?:very\s+|most\s+)?popular\b|\bwell[\s-]known\b|人気|인기|热门|熱門"), "popular", "popular"),
)
_KINDS: tuple[TermKind, ...] = ("type", "genre", "theme", "demographic", "status")


def read_negations(reading: Reading, mentions: list[Mention], lexicon: Lexicon) -> None:
    """`not mecha`, `without romance or harem`, `恋愛なし`. What is not understood stays text."""
    by_start = {mention.start: mention for mention in mentions}
    for match in _NOT.finditer(reading.folded):
        start, place = match.start(), match.end()
        while (mention := by_start.get(place) or lexicon.find_studio(reading.folded, place)) is not None:
            if not reading.is_free(start, mention.end) or not _exclude(reading, (start, mention.end), mention):
                break
            joint = _OR.match(reading.folded, mention.end)
            if joint is None:
                break
            start, place = mention.end, joint.end()
    for mention in mentions:
        behind = _NOT_BEHIND.match(reading.folded, mention.end)
        if behind and reading.is_free(mention.start, behind.end()):
            _exclude(reading, (mention.start, behind.end()), mention)


def read_labels(reading: Reading, mentions: list[Mention]) -> None:
    """Demographics that are asked for are conditions; what is only mentioned is a wish."""
    _read_reception(reading)
    _read_demographics(reading, mentions)
    for mention in mentions:
        span = (mention.start, mention.end)
        if not reading.is_free(*span):
            continue
        if (term := mention.get("source")) and _is_source(reading, span):
            reading.note(span, "source", field="source", value=term.value, effect="boost")
            reading.add_feature(f"source:{term.value}", WEIGHTS["source"])
        elif term := mention.get("genre", "theme"):
            reading.prefer(span, term.kind, "label", term.value, weight=LABEL_BOOST)
            if term.kind == "genre":
                reading.add_feature(f"genre:{term.value}", WEIGHTS["genre"])


def _exclude(reading: Reading, span: Span, mention: Mention) -> bool:
    if (studio := mention.studio) is not None:
        if studio.is_wordy or not studio.is_known:
            return False
        reading.exclude(span, "studio", "studios", list(studio.keys))
        return True
    term = mention.get(*_KINDS)
    if term is None:
        return False
    reading.exclude(span, term.kind, _get_field(term), term.value)
    return True


def _get_field(term: Term) -> str:
    return "label" if term.kind in ("genre", "theme") else term.kind


def _read_demographics(reading: Reading, mentions: list[Mention]) -> None:
    """If one of them is asked for, all are: `seinen, josei or shoujo series`."""
    named: list[tuple[Span, str]] = []
    is_asked = False
    for mention in mentions:
        span, term = (mention.start, mention.end), mention.get("demographic")
        if term is None or not reading.is_free(*span):
            continue
        has_for = _FOR.search(reading.folded[: span[0]])
        has_head = _HEAD_AFTER.match(reading.folded, span[1])
        is_whole = reading.folded.strip() == reading.folded[span[0] : span[1]]
        if has_for or has_head or is_whole:
            named.append(((has_for.start() if has_for else span[0], span[1]), term.value))
            is_asked = True
        elif reading.folded[span[0] : span[1]] not in _WORDY_DEMOGRAPHICS:
            named.append((span, term.value))
    for span, value in named:
        if is_asked:
            reading.require(span, "demographic", "demographic", value, stays=True)
        else:
            reading.prefer(span, "demographic", "demographic", value, weight=STUDIO_BOOST)
        reading.add_feature(f"demographic:{value}", WEIGHTS["demographic"])


def _is_source(reading: Reading, span: Span) -> bool:
    return bool(_BASED_ON.search(reading.folded[: span[0]]) or _ADAPTATION.match(reading.folded, span[1]))


def _read_reception(reading: Reading) -> None:
    for pattern, feature, weight in _RECEPTION:
        match = pattern.search(reading.folded)
        if match and reading.is_free(*match.span()):
            reading.note(match.span(), "reception", field=None, value=feature, effect="boost")
            reading.add_feature(feature, WEIGHTS[weight])
