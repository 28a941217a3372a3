"""What a title says, taken apart for comparing: its name, and the marks that tell parts of a series from each other.

`Haikyuu!! Second Season` and `ハイキュー!! セカンドシーズン` carry the mark season 2; `Title II`, `Title 2nd Season`
and `Title S2` are one name with one mark. A mark is a feature of its own, never noise: with it a title is another one.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_ROMAN: Final = {"ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7, "viii": 8, "ix": 9}
_ORDINALS: Final = {
    "first": 1,
    "second": 2,
    "third": 3,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
}
_KATAKANA: Final = {"ファースト": 1, "セカンド": 2, "サード": 3}
_KANJI: Final = {"一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_ORDINAL = r"(\d{1,2})(?:st|nd|rd|th)"
_WORD_ORDINAL = "(" + "|".join(_ORDINALS) + ")"
_NUMBER = r"(\d{1,2}|ii|iii|iv|v|vi|vii|viii)"
_SEASON = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b{_ORDINAL} (?:season|series|stage|tv series)\b",
        rf"\b{_WORD_ORDINAL} (?:season|series|stage)\b",
        rf"\b(?:season|series|saison|staffel|temporada|stagione|сезон) {_NUMBER}\b",
        r"\bs(\d{1,2})\b",
        r"第? ?([一二三四五六七八九]|\d{1,2}) ?(?:期|シーズン|季|シリーズ)",
        r"シーズン ?(\d{1,2})",
        r"(ファースト|セカンド|サード) ?シーズン",
    )
)
_PART = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:part|cour|partie|parte|teil) {_NUMBER}\b",
        rf"\b{_ORDINAL} (?:part|cour)\b",
        rf"\b{_WORD_ORDINAL} (?:part|cour|half)\b",
        r"第? ?([一二三四五六七八九]|\d{1,2}) ?(?:クール|部|パート)",
    )
)
_YEAR = re.compile(r"\((19[2-9]\d|20[0-4]\d)\)")
# What kind of thing a title says that it is; the first word of each group names it.
_KINDS: Final = {
    "movie": r"movies?|film|gekijouban|gekijoban|the movie|劇場版|映画|剧场版|극장판",
    "ova": r"ovas?|oav|oads?|original video animation",
    "ona": r"ona|web",
    "special": r"specials?|tokubetsu-?hen|sp|スペシャル|特別編|特別篇|番外編|bangai-?hen|extra|omake",
    "recap": r"recaps?|soushuuhen|soushuhen|総集編|総集篇|digest|compilation|summary",
    "pv": r"pv|promotion video|trailer|teaser|cm|commercial",
    "music": r"music video|mv|music clip",
    "short": r"mini|petit|puchi|chibi|short|shorts|ぷち|ミニ|gekijou|劇場",
    "picture drama": r"picture drama|ピクチャードラマ",
    "prologue": r"prologue|episode 0|episode zero|zero|序章|pilot|パイロット",
    "final": r"(?:the )?final season|final|kanketsu-?hen|完結編|完結篇|ファイナル|last",
    "tv": r"tv",
}  # fmt: skip
_KIND = {name: re.compile(rf"(?:(?<![a-z0-9])(?:{pattern})(?![a-z0-9]))") for name, pattern in _KINDS.items()}
_NUMBERS = re.compile(r"\d+(?:\.\d+)?")
_NOT_WORD = re.compile(r"[\W_]+")
_LONG = re.compile(r"o[uo](?=[^aeiou]|$)|uu|ee(?=[^aeiou]|$)|aa|ii(?=[a-z])")
_APOSTROPHES = re.compile("['’‘`´ʼ]")
_CJK = re.compile(r"[\u3005-\u3007\u3041-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_HEPBURN = (("ō", "o"), ("ū", "u"), ("ā", "a"), ("ē", "e"), ("ī", "i"))


@dataclass(frozen=True, slots=True)
class TitleForm:
    """One title, read.

    exact    as written, but for case and width: with it Gintama' and Gintama° are two
    folded   comparable text with all its marks, words separated by one space
    core     name without marks, long vowels short, no spaces: shounen, shonen and shōnen are one
    season   2 for `2nd Season`, `II`, a last `2`; None when it names none
    part     of a season
    year     in parentheses
    kinds    what it says that it is, of a closed list (movie, ova, …)
    numbers  all others, as text
    is_cjk   written in Chinese, Japanese or Korean
    """

    exact: str
    folded: str
    core: str
    season: int | None
    part: int | None
    year: int | None
    kinds: frozenset[str]
    numbers: frozenset[str]
    is_cjk: bool


@lru_cache(maxsize=50_000)
def read_title(title: str) -> TitleForm:
    """Take one title apart; those that were read last are remembered (some 30 MB at most)."""
    return parse_title(title)


def parse_title(title: str) -> TitleForm:
    """As `read_title`, and remember nothing: for titles that are read once."""
    text = _normalise(title)
    year, text = _take(_YEAR, text)
    words = _split(text)
    folded = words
    season, words = _take_first(_SEASON, words)
    part, words = _take_first(_PART, words)
    kinds, words = _take_kinds(words)
    if season is None:
        season, words = _take_last_number(words)
    numbers = frozenset(_NUMBERS.findall(words))
    core = _shorten(words)
    return TitleForm(
        exact=" ".join(unicodedata.normalize("NFKC", title).casefold().split()),
        folded=f"{folded} {year}" if year else folded,
        # Of a title that is nothing but marks (`Movie 2`) these are the name.
        core=core or _shorten(folded),
        season=season,
        part=part,
        year=year,
        kinds=kinds,
        numbers=numbers,
        is_cjk=bool(_CJK.search(folded)),
    )


def _normalise(title: str) -> str:
    text = unicodedata.normalize("NFKC", title).casefold()
    text = text.replace("&", " and ").replace("×", "x")
    for long, short in _HEPBURN:
        text = text.replace(long, short)
    decomposed = unicodedata.normalize("NFD", text)
    # Accents of Latin, Greek and Cyrillic letters; a dakuten is part of its kana.
    plain = "".join(letter for letter in decomposed if not "\u0300" <= letter <= "\u036f")
    return _APOSTROPHES.sub("", unicodedata.normalize("NFC", plain))


def _split(text: str) -> str:
    words = _NOT_WORD.sub(" ", text).strip()
    # A name of signs only (`!!!`) is compared by its signs.
    return words or "".join(text.split())


def _take(pattern: re.Pattern[str], text: str) -> tuple[int | None, str]:
    found = pattern.search(text)
    if found is None:
        return None, text
    rest = f"{text[: found.start()]} {text[found.end() :]}"
    return (int(found.group(1)), rest) if rest.strip() else (None, text)


def _take_first(patterns: tuple[re.Pattern[str], ...], words: str) -> tuple[int | None, str]:
    for pattern in patterns:
        if found := pattern.search(words):
            rest = " ".join(f"{words[: found.start()]} {words[found.end() :]}".split())
            return _to_number(found.group(1)), rest
    return None, words


def _take_kinds(words: str) -> tuple[frozenset[str], str]:
    found: set[str] = set()
    for name, pattern in _KIND.items():
        rest = " ".join(pattern.sub(" ", words).split())
        if rest != words:
            found.add(name)
            words = rest
    return frozenset(found), words


def _take_last_number(words: str) -> tuple[int | None, str]:
    """`Title 2` and `Title II` are second seasons as often as not: a mark, and no part of the name."""
    name, _, last = words.rpartition(" ")
    if name and (last in _ROMAN or (last.isascii() and last.isdigit() and len(last) <= 2)):
        return _to_number(last), name
    return None, words


def _to_number(text: str) -> int:
    return _ROMAN.get(text) or _ORDINALS.get(text) or _KANJI.get(text) or _KATAKANA.get(text) or int(text)


def _shorten(words: str) -> str:
    text = re.sub(r"\bwo\b", "o", words)
    text = _LONG.sub(lambda found: found.group(0)[0], text)
    return text.replace(" ", "")
