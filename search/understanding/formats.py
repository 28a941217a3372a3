"""Types, states of airing and numbers of episodes."""

from __future__ import annotations

import re
from typing import Any

from core.features import COURS_EPISODES, LONG_RUNNING_EPISODES, WEIGHTS
from search.understanding.lexicon import Mention
from search.understanding.reading import FORMAT_BOOST, Reading
from search.understanding.vocabulary import HEADS

# Before the noun that a search is for there are adjectives, never these.
_DESCRIBING = (
    "upcoming|ongoing|airing|winning|running|warming|heartwarming|charming|thrilling|interesting|boring|exciting|"
    "amazing|touching|moving|stunning|fighting|racing|depressing|relaxing|healing|terrifying|disturbing|inspiring"
)
_NOT_BEFORE_HEAD = re.compile(
    r"\b(?:about|who|whose|that|which|where|when|with|of|in|on|at|for|to|as|his|her|their|its|is|are|was|were|has|have|"
    rf"liked?|loved?|watched|finished|tr(?:y|ied)|similar|into|watch|watches|make|makes|film|films|filmed|shoots?|directs?|(?!(?:{_DESCRIBING})\b)\w+ing)\b"
)
_ASKING = re.compile(
    r"^(?:(?:can|could)\s+(?:you|anyone)\s+)?(?:please\s+)?(?:recommend|suggest|give|show|find)(?:\s+me)?\s+|"
    r"^(?:i'?m\s+)?(?:looking|searching)\s+for\s+|^i\s+(?:want|need)(?:\s+to\s+watch)?\s+"
)
_AFTER_HEAD = re.compile(
    r"\s*(?:$|[,.;:!?()\"]|(?:about|by|from|with|without|where|in which|that|which|like|similar|for|of the|of|in|set|"
    r"before|after|since|under|over|and|or|but|not|no|based|starring|featuring|made|released|aired)\b|(?:19|20)?\d0'?s)"
)
_CJK_AFTER_HEAD = re.compile(r"\s*(?:$|[\s,.。、！？!?]|[でのがをはと])")
_STATUS_NOUN = re.compile(rf"\s*(?:$|(?:\w+\s+)?(?:{'|'.join(HEADS)})\b)")
_NUMBER = r"(?P<count>\d{1,4})"
_EPISODES = r"(?:-|\s)?(?:eps?|episodes?)\b"
_BETWEEN = re.compile(rf"(?<!\d)(?P<least>\d{{1,4}})\s?(?:-|–|to)\s?{_NUMBER}{_EPISODES}")
_FEWER = re.compile(rf"\b(?:with\s+)?(?:under|less than|fewer than|below|shorter than)\s+{_NUMBER}{_EPISODES}")
_AT_MOST = re.compile(rf"\b(?:with\s+)?(?:at most|no more than|up to|max(?:imum)?(?: of)?)\s+{_NUMBER}{_EPISODES}")
_OR_FEWER = re.compile(rf"\b(?:with\s+)?{_NUMBER}{_EPISODES}\s+or\s+(?:less|fewer)\b")
_MORE = re.compile(rf"\b(?:with\s+)?(?:over|more than|longer than)\s+{_NUMBER}{_EPISODES}")
_AT_LEAST = re.compile(rf"\b(?:with\s+)?(?:at least|min(?:imum)?(?: of)?)\s+{_NUMBER}{_EPISODES}")
_OR_MORE = re.compile(rf"\b(?:with\s+)?{_NUMBER}\+?{_EPISODES}\s+(?:or\s+more|and\s+up|plus)\b")
_EXACTLY = re.compile(rf"\b(?:with\s+)?(?:exactly\s+)?{_NUMBER}{_EPISODES}")
_COUNTS: tuple[tuple[re.Pattern[str], str, int], ...] = (
    (_FEWER, "lte", -1),
    (_AT_MOST, "lte", 0),
    (_OR_FEWER, "lte", 0),
    (_MORE, "gte", 1),
    (_AT_LEAST, "gte", 0),
    (_OR_MORE, "gte", 0),
    (_EXACTLY, "", 0),
)
_SHORT = re.compile(rf"\bshort\s+(?={'|'.join(HEADS)})")
_LONG = re.compile(r"\blong[\s-]running\b")


def read_formats(reading: Reading, mentions: list[Mention]) -> None:
    """Episodes before types: `12 episode OVA`."""
    _read_episodes(reading)
    for mention in mentions:
        if reading.is_free(mention.start, mention.end):
            if term := mention.get("type"):
                _read_type(reading, mention, term.value)
            elif term := mention.get("status"):
                _read_status(reading, mention, term.value)


def is_head(reading: Reading, start: int, end: int) -> bool:
    """True if these characters are the noun that the search is for: nothing but adjectives before it."""
    if not reading.folded[start:end].isascii():
        return bool(_CJK_AFTER_HEAD.match(reading.folded, end))
    before = _ASKING.sub("", reading.folded[:start])
    return not _NOT_BEFORE_HEAD.search(before) and bool(_AFTER_HEAD.match(reading.folded, end))


def _read_type(reading: Reading, mention: Mention, value: str) -> None:
    span = (mention.start, mention.end)
    if is_head(reading, *span):
        reading.require(span, "type", "type", value, stays=True)
    else:
        reading.prefer(span, "type", "type", value, weight=FORMAT_BOOST)
    reading.add_feature(f"format:{value.casefold()}", WEIGHTS["format"])


def _read_status(reading: Reading, mention: Mention, value: str) -> None:
    """`ongoing` describes a war as well as a series, so a noun must stand near; in other languages it is plain."""
    words = reading.folded[mention.start : mention.end]
    is_plain = not words.isascii() or " " in words
    if is_plain or _STATUS_NOUN.match(reading.folded, mention.end):
        reading.require((mention.start, mention.end), "status", "status", value)


def _read_episodes(reading: Reading) -> None:
    for match in _BETWEEN.finditer(reading.folded):
        least, most = int(match["least"]), int(match["count"])
        if least <= most and reading.is_free(*match.span()):
            reading.require(match.span(), "episodes", "episodes", {"gte": least, "lte": most})
    for pattern, bound, shift in _COUNTS:
        for match in pattern.finditer(reading.folded):
            if reading.is_free(*match.span()):
                count = int(match["count"])
                value: Any = {bound: count + shift} if bound else count
                reading.require(match.span(), "episodes", "episodes", value)
    if (short := _SHORT.search(reading.folded)) and reading.is_free(*short.span()):
        cours = COURS_EPISODES["cours:1"].stop - 1
        reading.prefer(short.span(), "episodes", "episodes", {"lte": cours}, weight=FORMAT_BOOST)
    if (long := _LONG.search(reading.folded)) and reading.is_free(*long.span()):
        reading.prefer(long.span(), "episodes", "episodes", {"gte": LONG_RUNNING_EPISODES}, weight=FORMAT_BOOST)
        reading.add_feature("long-running", WEIGHTS["long-running"])
