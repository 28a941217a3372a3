"""Years, decades and seasons of a year.

A year counts as a condition where the words around it say that it is when something aired. What is set in a year, the
age of a person and a year in a title are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.features import WEIGHTS
from search.understanding.reading import YEAR_BOOST, Reading, Span
from search.understanding.vocabulary import HEADS, SEASONS

_FIRST, _LAST = 1917, 2100
# `from 1945` is where a soldier comes from.
_FROM_FIRST = 1960
_YEAR = r"(?P<{}>(?:19|20)\d\d)"
_Y, _Y1, _Y2 = (_YEAR.format(name) for name in ("year", "first", "last"))
_SETTING = re.compile(r"\b(?:set|tak(?:es?|ing) place|happen(?:s|ing)?|plays?|placed|living|lives?)\s*(?:back\s+)?$")
_OF_SOMEBODY = re.compile(r"\b(?:his|her|their|my|your|our|its|one's)\s+(?:early|mid|late)?[\s-]*$")
_STYLE = re.compile(
    r"[\s-]*(?:style|styled|aesthetics?|vibes?|look|looking|feel|feeling|inspired|nostalgia|music|esque)\b"
)
_HEAD_BEFORE = re.compile(
    rf"\b(?:{'|'.join(HEADS)}|aired|airing|released?|came out|made|premiered|began|started|out)\s*$"
)
_HEAD_AFTER = re.compile(rf"\s*(?:{'|'.join(HEADS)})\b")
_DECADE_WORDS = {"sixties": 1960, "seventies": 1970, "eighties": 1980, "nineties": 1990, "noughties": 2000}
_CJK_DECADES = {"六": 1960, "七": 1970, "八": 1980, "九": 1990}
_PARTS = {"early": (0, 3), "mid": (3, 6), "late": (6, 9)}
_SEASON_OF = {
    phrase: season for season, line in SEASONS.items() for phrase in line.split(", ")
}  # fmt: skip
_ENGLISH_SEASON = r"(?P<season>winter|spring|summer|fall|autumn)"

_SEASONS = (
    re.compile(
        rf"(?:\b(?:from|in|of|during)\s+(?:the\s+)?)?\b{_ENGLISH_SEASON}(?:\s+season)?(?:\s+of)?,?\s+{_Y}\b(?:\s+season\b)?"
    ),
    re.compile(rf"(?:\b(?:from|in|of)\s+)?\b{_Y}\s+{_ENGLISH_SEASON}\b(?:\s+season\b)?"),
    re.compile(rf"(?<!\d){_Y}\s?[年년]?\s?의?の?(?P<season>[冬春夏秋]|겨울|봄|여름|가을)(?:季|クール|期)?"),
)
_DECADES = (
    re.compile(
        r"(?P<lead>\b(?:from|in|of|during)\s+(?:the\s+)?|\bthe\s+)?(?P<part>\b(?:early|mid|late)[\s-]+)?"
        r"(?<![\w.])'?(?P<century>19|20)?(?P<decade>\d0)'?s\b"
    ),
    re.compile(
        r"(?P<lead>\b(?:from|in|of|during)\s+(?:the\s+)?|\bthe\s+)?(?P<part>\b(?:early|mid|late)[\s-]+)?"
        rf"\b(?P<word>{'|'.join(_DECADE_WORDS)})\b"
    ),
    re.compile(r"(?<!\d)(?P<century>19|20)?(?P<decade>\d0)\s?(?:年代|년대)"),
    re.compile(r"(?P<cjk>[六七八九])十年代"),
)
_BOUNDS = re.compile(
    r"\b(?P<how>before|prior to|pre|until|up to|after|post|since|newer than|older than)[\s-]+(?:the\s+)?(?:year\s+)?"
    rf"(?:{_Y}|(?P<century>19|20)?(?P<decade>\d0)'?s)(?!\w)"
)
_SPANS = (
    re.compile(rf"\b(?:(?:from|between|made|aired)\s+){_Y1}\s*(?:to|and|until|through|-|–|—)\s*{_Y2}\b"),
    re.compile(rf"(?<![\w-]){_Y1}\s*(?:to|-|–|—|~|〜|から|부터)\s*{_Y2}(?![\w-])"),
)
_OPEN_SPAN = re.compile(rf"\b(?:from\s+)?{_Y}\s+(?:onwards?|or later|and later|and newer)\b")
_SINGLE = (
    re.compile(rf"\b(?P<lead>from|in|of|released in|aired in|made in)\s+(?:the\s+year\s+)?{_Y}(?![\w-])"),
    re.compile(rf"(?<![\w-]){_Y}(?=\s+(?:{'|'.join(HEADS)})\b)"),
    re.compile(rf"(?<!\d){_Y}\s?[年년]"),
)
_BARE = re.compile(rf"(?<![\w-]){_Y}(?![\w-])")


def read_times(reading: Reading) -> None:
    """Seasons first, then spans, bounds, decades and single years: each takes its characters from the next."""
    for rule in (_read_seasons, _read_spans, _read_bounds, _read_decades, _read_single):
        rule(reading)


def _find(reading: Reading, *patterns: re.Pattern[str]) -> Iterator[re.Match[str]]:
    for pattern in patterns:
        for match in pattern.finditer(reading.folded):
            if reading.is_free(*match.span()):
                yield match


def _is_setting(reading: Reading, match: re.Match[str]) -> bool:
    return bool(_SETTING.search(reading.folded[: match.start()]))


def _keep(reading: Reading, match: re.Match[str]) -> None:
    reading.note(match.span(), "setting", field=None, value=match.group().strip(), effect="kept")


def _read_seasons(reading: Reading) -> None:
    for match in _find(reading, *_SEASONS):
        if _is_setting(reading, match):
            _keep(reading, match)
            continue
        year = int(match["year"])
        reading.require(match.span(), "season", "season", _SEASON_OF[match["season"]])
        _require_years(reading, match.span(), year, year)


def _read_spans(reading: Reading) -> None:
    for match in _find(reading, *_SPANS):
        first, last = int(match["first"]), int(match["last"])
        if first <= last and not _is_setting(reading, match):
            _require_years(reading, match.span(), first, last)
    for match in _find(reading, _OPEN_SPAN):
        _require_years(reading, match.span(), int(match["year"]), None)


def _read_bounds(reading: Reading) -> None:
    for match in _find(reading, _BOUNDS):
        first = int(match["year"]) if match["year"] else _get_decade(match)
        if first is None or _is_setting(reading, match):
            continue
        last = first if match["year"] else first + 9
        if match["how"] in ("before", "prior to", "pre", "older than"):
            _require_years(reading, match.span(), None, first - 1)
        elif match["how"] in ("until", "up to"):
            _require_years(reading, match.span(), None, last)
        elif match["how"] == "since":
            _require_years(reading, match.span(), first, None)
        else:
            _require_years(reading, match.span(), last + 1, None)


def _read_decades(reading: Reading) -> None:
    for match in _find(reading, *_DECADES):
        decade = _get_decade(match)
        if decade is None or _OF_SOMEBODY.search(reading.folded[: match.start()]):
            continue
        if _is_setting(reading, match):
            _keep(reading, match)
            continue
        low, high = _PARTS.get((match.groupdict().get("part") or "").strip(" -"), (0, 9))
        span = match.span()
        if _STYLE.match(reading.folded, match.end()) or not _is_when_aired(reading, match):
            reading.prefer(span, "decade", "year", {"gte": decade + low, "lte": decade + high}, weight=YEAR_BOOST)
        else:
            _require_years(reading, span, decade + low, decade + high)
        reading.add_feature(f"decade:{decade}", WEIGHTS["decade" if decade >= 2010 else "decade before 2010"])


def _read_single(reading: Reading) -> None:
    for match in _find(reading, *_SINGLE):
        if _is_setting(reading, match):
            _keep(reading, match)
        elif _is_when_aired(reading, match):
            _require_years(reading, match.span(), int(match["year"]), int(match["year"]))
    for match in _find(reading, _BARE):
        year = int(match["year"])
        if _FIRST <= year <= _LAST:
            reading.prefer(match.span(), "year", "year", year, weight=YEAR_BOOST)


def _is_when_aired(reading: Reading, match: re.Match[str]) -> bool:
    """`in 1945` after a war is history; after `movie` it is when that was made."""
    groups = match.groupdict()
    lead = (groups.get("lead") or "").split()
    if not lead or lead[0] not in ("in", "of", "during", "from"):
        return True
    if lead[0] == "from" and int(groups.get("year") or _LAST) >= _FROM_FIRST:
        return True
    before, after = reading.folded[: match.start()], reading.folded[match.end() :]
    return not before.strip() or bool(_HEAD_BEFORE.search(before)) or bool(_HEAD_AFTER.match(after))


def _get_decade(match: re.Match[str]) -> int | None:
    groups = match.groupdict()
    if groups.get("word"):
        return _DECADE_WORDS[groups["word"]]
    if groups.get("cjk"):
        return _CJK_DECADES[groups["cjk"]]
    tens = int(groups["decade"])
    if groups["century"]:
        return int(groups["century"]) * 100 + tens
    # Without a century, the twenties to the fifties are ages or the setting of a story.
    return 1900 + tens if tens >= 60 else 2000 if groups["decade"] == "00" else None


def _require_years(reading: Reading, span: Span, first: int | None, last: int | None) -> None:
    bounds = {name: year for name, year in (("gte", first), ("lte", last)) if year is not None}
    reading.require(span, "year", "year", bounds)
