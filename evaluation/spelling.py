"""How people write names: scripts, typing errors, other romanisations. Pure, and random only by the generator given."""

from __future__ import annotations

import random
import re
import unicodedata

_SCRIPTS = {
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "CJK": "zh",
    "CYRILLIC": "ru",
    "THAI": "other",
    "ARABIC": "other",
    "HEBREW": "other",
    "GREEK": "other",
}
TYPING_ERRORS = ("missing letter", "extra letter", "wrong letter", "swapped letters")
_WORD = re.compile(r"[a-z]{5,}", re.IGNORECASE)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# How the same Japanese sounds are written by others: long vowels and particles as heard, or Kunrei for Hepburn.
_ROMANISATIONS = (
    ((r"ou", "o"), (r"uu", "u"), (r"\bwo\b", "o")),
    ((r"shi", "si"), (r"sh(?=[auo])", "sy"), (r"chi", "ti"), (r"ch(?=[auo])", "ty"), (r"tsu", "tu"), (r"fu", "hu")),
)


def find_language(name: str) -> str | None:
    """ja, ko, zh (Chinese characters alone, which Japanese has too), ru or other; None for Latin letters."""
    found = {_SCRIPTS.get(unicodedata.name(letter, "").split(" ")[0].split("-")[0]) for letter in name}
    if "ja" in found:
        return "ja"
    return next((language for language in ("ko", "zh", "ru", "other") if language in found), None)


def count_letters(name: str) -> int:
    """Letters and digits."""
    return sum(character.isalnum() for character in name)


def misspell(name: str, kind: str, rng: random.Random) -> str | None:
    """The name with one error of this kind in its longest word of five Latin letters or more; None without one.

    The first letter of the word stays, as it does with people.
    """
    words = sorted(_WORD.finditer(name), key=lambda match: (match.start() - match.end(), match.start()))
    if not words:
        return None
    start, end = words[0].span()
    place = rng.randrange(start + 1, end - 1)
    before, letter, after = name[:place], name[place], name[place + 1 :]
    if kind == "missing letter":
        changed = before + after
    elif kind == "extra letter":
        changed = before + letter + rng.choice(_LETTERS) + after
    elif kind == "wrong letter":
        changed = before + rng.choice(_LETTERS.replace(letter.lower(), "")) + after
    elif kind == "swapped letters":
        changed = before + after[0] + letter + after[1:]
    else:
        raise ValueError(f"no such typing error: {kind}")
    return changed if changed != name else None


def respell(name: str, rng: random.Random) -> str | None:
    """The name in another romanisation of Japanese, lower case; None where all romanisations agree."""
    lowered = name.lower()
    spellings = [_romanise(lowered, rules) for rules in _ROMANISATIONS]
    changed = [spelling for spelling in spellings if spelling != lowered]
    return rng.choice(changed) if changed else None


def _romanise(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, other in rules:
        name = re.sub(pattern, other, name)
    return name
