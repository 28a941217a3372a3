"""The words of all providers -> ours, so that what different sources say can be compared.

A word that is in no table is given back as it came: `enrichment.validation` refuses it by name, and nobody guesses.
The labels are MyAnimeList's, which the catalogue uses, in lower case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

Words = Mapping[str, str | None]

# None: a word that providers are known to use, and that says nothing about the field.
TYPES: Final[Words] = MappingProxyType(
    {
        "tv": "TV", "tv series": "TV", "tv short": "TV", "tv chinese": "TV", "movie": "MOVIE", "film": "MOVIE",
        "ova": "OVA", "oav": "OVA", "ona": "ONA", "ona chinese": "ONA", "web": "ONA", "special": "SPECIAL",
        "tv special": "SPECIAL", "dvd special": "SPECIAL", "bonus": "SPECIAL", "cm": "SPECIAL", "pv": "SPECIAL",
        "music": "MUSIC", "music video": "MUSIC", "other": None, "unknown": None,
    }
)  # fmt: skip
STATUSES: Final[Words] = MappingProxyType(
    {
        "finished airing": "FINISHED", "finished": "FINISHED", "completed": "FINISHED",
        "currently airing": "ONGOING", "releasing": "ONGOING", "current": "ONGOING", "ongoing": "ONGOING",
        "hiatus": "ONGOING", "not yet aired": "UPCOMING", "not yet released": "UPCOMING", "upcoming": "UPCOMING",
        "unreleased": "UPCOMING", "tba": "UPCOMING", "cancelled": None, "unknown": None,
    }
)  # fmt: skip
SEASONS: Final[Words] = MappingProxyType(
    {"winter": "WINTER", "spring": "SPRING", "summer": "SUMMER", "fall": "FALL", "autumn": "FALL", "undefined": None}
)
RATINGS: Final[Words] = MappingProxyType(
    {
        "g": "G", "pg": "PG", "pg 13": "PG-13", "r": "R", "r+": "R+", "rx": "Rx", "r18": "Rx", "none": None,
        "unknown": None,
    }
)  # fmt: skip
SOURCES: Final[Words] = MappingProxyType(
    {
        "original": "original", "original work": "original", "manga": "manga", "game": "game", "video game": "game",
        "light novel": "light novel", "visual novel": "visual novel", "novel": "novel", "web manga": "web manga",
        "web novel": "web novel", "4 koma manga": "4-koma manga", "picture book": "picture book", "book": "book",
        "music": "music", "mixed media": "mixed media", "multimedia project": "mixed media", "card game": "card game",
        "radio": "radio", "doujinshi": "doujinshi", "comic": "comic", "live action": "live action", "anime": "anime",
        "other": "other", "unknown": None,
    }
)  # fmt: skip
RELATION_WORDS: Final[Words] = MappingProxyType(
    {
        "sequel": "sequel", "prequel": "prequel", "parent": "parent story", "parent story": "parent story",
        "side story": "side story", "spin off": "spin-off", "spinoff": "spin-off", "summary": "summary",
        "full story": "full story", "alternative": "alternative version", "alternative version": "alternative version",
        "alternative setting": "alternative setting", "same setting": "same setting", "character": "character",
        "compilation": "compilation", "contains": "contains", "adaptation": "adaptation", "source": "source",
        "other": "other", "omake": "side story", "condensed version": "summary", "recap": "summary",
        "full version": "full story", "remake": "alternative version", "same franchise": "other",
        "other franchise": "other", "original": "parent story",
    }
)  # fmt: skip
# Roles of characters and staff are written as the catalogue writes them: they are shown as they are.
CHARACTER_ROLE_WORDS: Final[Words] = MappingProxyType(
    {
        "main": "Main", "main character in": "Main", "protagonist": "Main", "supporting": "Supporting",
        "secondary": "Supporting", "secondary cast in": "Supporting", "recurring": "Supporting",
        "minor": "Background", "background": "Background", "appears in": "Background",
        "cameo appearance in": "Background", "unknown": None,
    }
)  # fmt: skip
# Only what is the same work under two names; every other role is kept as it came.
STAFF_ROLE_WORDS: Final[Words] = MappingProxyType(
    {
        "direction": "Director", "chief direction": "Chief Director", "series director": "Director",
        "original work": "Original Creator", "original story": "Original Creator",
        "original author": "Original Creator", "animation direction": "Animation Director",
        "chief animation direction": "Chief Animation Director", "art direction": "Art Director",
        "sound direction": "Sound Director", "animation character design": "Character Design", "writing": "Script",
        "musical score": "Music", "music composer": "Music",
    }
)  # fmt: skip

SOURCE_MATERIALS: Final = frozenset(word for word in SOURCES.values() if word)
RELATIONS: Final = frozenset(word for word in RELATION_WORDS.values() if word)
CHARACTER_ROLES: Final = frozenset(word for word in CHARACTER_ROLE_WORDS.values() if word)

GENRES: Final = frozenset(
    {
        "action", "adventure", "avant garde", "award winning", "boys love", "comedy", "drama", "ecchi", "erotica",
        "fantasy", "girls love", "gourmet", "hentai", "horror", "mystery", "romance", "sci-fi", "slice of life",
        "sports", "supernatural", "suspense",
    }
)  # fmt: skip
THEMES: Final = frozenset(
    {
        "adult cast", "anthropomorphic", "cgdct", "childcare", "combat sports", "crossdressing", "delinquents",
        "detective", "educational", "gag humor", "gore", "harem", "high stakes game", "historical", "idols (female)",
        "idols (male)", "isekai", "iyashikei", "love polygon", "love status quo", "magical sex shift", "mahou shoujo",
        "martial arts", "mecha", "medical", "military", "music", "mythology", "organized crime", "otaku culture",
        "parody", "performing arts", "pets", "psychological", "racing", "reincarnation", "reverse harem", "samurai",
        "school", "showbiz", "space", "strategy game", "super power", "survival", "team sports", "time travel",
        "urban fantasy", "vampire", "video game", "villainess", "visual arts", "workplace",
    }
)  # fmt: skip
DEMOGRAPHICS: Final = frozenset({"josei", "kids", "seinen", "shoujo", "shounen"})
_LABEL_WORDS: Final = MappingProxyType(
    {
        "science fiction": "sci-fi", "sci fi": "sci-fi", "scifi": "sci-fi", "science-fiction": "sci-fi",
        "thriller": "suspense", "boys' love": "boys love", "shounen ai": "boys love", "yaoi": "boys love",
        "girls' love": "girls love", "shoujo ai": "girls love", "yuri": "girls love", "avant-garde": "avant garde",
        "dementia": "avant garde", "kodomo": "kids", "children": "kids", "shonen": "shounen", "shojo": "shoujo",
        "magical girl": "mahou shoujo", "superpower": "super power", "superpowers": "super power",
        "super powers": "super power", "vampires": "vampire", "cute girls doing cute things": "cgdct",
        "anthropomorphism": "anthropomorphic", "anthropomorphization": "anthropomorphic", "school life": "school",
        "female harem": "harem", "male harem": "reverse harem",
        "video games": "video game", "medicine": "medical", "primarily adult cast": "adult cast",
        "workplace life": "workplace", "working life": "workplace", "history": "historical", "otaku": "otaku culture",
    }
)  # fmt: skip
_GAP: Final = re.compile(r"[\s_()\-]+")
_BRACKETS: Final = re.compile(r"\s*\([^()]*\)")


@dataclass(frozen=True, slots=True)
class SortedLabels:
    """Labels by the field that MyAnimeList and the catalogue have them in; `others` are plain tags."""

    genres: list[str]
    themes: list[str]
    demographics: list[str]
    others: list[str]


def translate(words: Words, word: str | None) -> str | None:
    """Our word; None for one that says nothing; the word itself where no table knows it."""
    if word is None or not word.strip():
        return None
    folded = _GAP.sub(" ", word.casefold()).strip()
    return words.get(folded, word)


def translate_rating(text: str | None) -> str | None:
    """'PG-13 - Teens 13 or older' -> 'PG-13'."""
    return translate(RATINGS, text.split(" - ")[0]) if text else None


def translate_staff_role(role: str | None) -> str | None:
    """Without what stands in brackets ('(eps 1-3)'), under the one name that sources share, with capitals."""
    if role is None:
        return None
    plain = _BRACKETS.sub("", role).strip()
    shown = STAFF_ROLE_WORDS.get(plain.casefold()) or plain
    return (shown.title() if shown.islower() else shown) or None


def sort_labels(names: Iterable[str]) -> SortedLabels:
    """Names of genres and tags of any provider into the fields that they belong to, each once."""
    found = SortedLabels([], [], [], [])
    for name in dict.fromkeys(_to_label(name) for name in names):
        if name:
            _choose(found, name).append(name)
    return found


def _to_label(name: str) -> str:
    folded = " ".join(name.casefold().split())
    return _LABEL_WORDS.get(folded, folded)


def _choose(labels: SortedLabels, name: str) -> list[str]:
    if name in GENRES:
        return labels.genres
    if name in THEMES:
        return labels.themes
    return labels.demographics if name in DEMOGRAPHICS else labels.others
