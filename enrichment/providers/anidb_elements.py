"""Elements of an AniDB answer as plain values (https://wiki.anidb.net/HTTP_API_Definition)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lxml import etree

LANG: Final = "{http://www.w3.org/XML/1998/namespace}lang"
COMPANY_ROLES: Final = frozenset({"Animation Work", "Animation Production"})
_PICTURES: Final = "https://cdn.anidb.net/images/main/"
_REGULAR: Final = "1"
_MAX_DIGITS: Final = 12


def read_text(element: etree._Element, path: str) -> str | None:
    """Text of the first element of this path."""
    return clean(element.findtext(path))


def clean(text: str | None) -> str | None:
    """Text that says something. AniDB writes apostrophes as backticks."""
    return text.replace("`", "'").strip() or None if text else None


def to_count(text: str | None) -> int | None:
    """A whole number written in digits; None for anything else."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > _MAX_DIGITS:
        return None
    return int(text)


def build_picture(element: etree._Element) -> str | None:
    """Address of the picture of an anime or character, which are given as names of files."""
    picture = read_text(element, "picture")
    return f"{_PICTURES}{picture}" if picture and "/" not in picture else None


def iterate_regular(anime: etree._Element) -> Iterator[etree._Element]:
    """Regular episodes: specials, credits, trailers and parodies are numbered apart."""
    for episode in anime.iterfind("episodes/episode"):
        number = episode.find("epno")
        if number is not None and number.get("type") == _REGULAR:
            yield episode


def iterate_creators(anime: etree._Element) -> Iterator[tuple[str, str]]:
    """(role, name) of the people and companies that made it."""
    for creator in anime.iterfind("creators/name"):
        if name := clean(creator.text):
            yield creator.get("type") or "", name
