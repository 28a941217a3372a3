"""What an AniDB answer says of the title itself, in the document's words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from statistics import mode
from typing import Any, Final

from lxml import etree

from enrichment.providers.anidb_elements import (
    COMPANY_ROLES,
    LANG,
    build_picture,
    clean,
    iterate_creators,
    iterate_regular,
    read_text,
    to_count,
)
from enrichment.providers.vocabulary import SOURCE_MATERIALS, SOURCES, TYPES, sort_labels, translate

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# Tags of 200 and more were given by somebody who thought about it; 0 is the structure of the tag tree.
_LEAST_WEIGHT: Final = 200
# Parents of tags whose weight is 0 all the same: "original work" (what the title was made after; the second one is the
# tree before 2014) and "target audience".
_SOURCE_PARENTS: Final = frozenset({"2609", "268"})
_AUDIENCE_PARENT: Final = "2606"
# Numbers of external entities: whose ids they hold.
_RESOURCE_SPACES: Final = {"1": "animenewsnetwork", "2": "mal", "43": "imdb"}
_CRUNCHYROLL: Final = "28"
_CRUNCHYROLL_SERIES: Final = re.compile(r"G[A-Z0-9]{6,12}", re.ASCII)


def build_metadata(anime: etree._Element, *, today: date) -> dict[str, Any]:
    """Fields of the stage `metadata`, unchecked."""
    start, end = read_text(anime, "startdate"), read_text(anime, "enddate")
    count = read_text(anime, "episodecount")
    return {
        **_build_titles(anime),
        "synopsis": read_text(anime, "description"),
        "type": translate(TYPES, read_text(anime, "type")),
        "status": _build_status(start, end, today),
        # 0 stands for a number that nobody knows yet.
        "episodes": None if count == "0" else count,
        "duration": _build_duration(anime),
        "year": start[:4] if start else None,
        # A day that is only known to the month has no place in the document.
        "aired": {name: day for name, day in (("start", start), ("end", end)) if day and _DATE.fullmatch(day)},
        "rating": "Rx" if anime.get("restricted") == "true" else None,
        **_build_labels(anime),
        "source": _find_source(anime),
        "studios": [name for role, name in iterate_creators(anime) if role in COMPANY_ROLES],
        "streaming": _build_streaming(anime),
        "images": {"picture": build_picture(anime)},
        "external_ids": _build_external_ids(anime),
    }


def _build_titles(anime: etree._Element) -> dict[str, Any]:
    titles = [
        (title.get("type"), title.get(LANG), name)
        for title in anime.iterfind("titles/title")
        if (name := clean(title.text))
    ]
    main = next((name for kind, _, name in titles if kind == "main"), None)
    official = {language: name for kind, language, name in reversed(titles) if kind == "official"}
    named = (main, official.get("en"), official.get("ja"))
    return {
        "title": main,
        "title_english": official.get("en"),
        "title_japanese": official.get("ja"),
        "synonyms": [name for _, _, name in titles if name not in named],
    }


def _build_labels(anime: etree._Element) -> dict[str, Any]:
    """Tags that somebody weighed, and none that tells the end of the story."""
    labels = sort_labels(name for tag in _iterate_tags(anime) if _is_label(tag) and (name := read_text(tag, "name")))
    return {
        "genres": labels.genres,
        "themes": labels.themes,
        "demographics": labels.demographics,
        "tags": labels.others,
    }


def _is_label(tag: etree._Element) -> bool:
    if tag.get("parentid") in _SOURCE_PARENTS or "true" in (tag.get("localspoiler"), tag.get("globalspoiler")):
        return False
    return (to_count(tag.get("weight")) or 0) >= _LEAST_WEIGHT or tag.get("parentid") == _AUDIENCE_PARENT


def _find_source(anime: etree._Element) -> str | None:
    """The heaviest tag of what it was made after; nothing where AniDB's word is none of ours."""
    known: dict[str, int] = {}
    for tag in _iterate_tags(anime):
        source = translate(SOURCES, read_text(tag, "name"))
        if tag.get("parentid") in _SOURCE_PARENTS and source in SOURCE_MATERIALS:
            known[source] = to_count(tag.get("weight")) or 0
    return max(known, key=known.__getitem__) if known else None


def _iterate_tags(anime: etree._Element) -> Iterator[etree._Element]:
    """Tags, and the categories that stood in their place before 2014."""
    yield from anime.iterfind("tags/tag")
    yield from anime.iterfind("categories/category")


def _build_status(start: str | None, end: str | None, today: date) -> str | None:
    """AniDB gives no status, only days; a title without an end is known to go on only once it has begun."""
    if end and _DATE.fullmatch(end):
        return "FINISHED" if end <= today.isoformat() else ("ONGOING" if _has_begun(start, today) else "UPCOMING")
    if end or not start or not _DATE.fullmatch(start):
        return None
    return "ONGOING" if _has_begun(start, today) else "UPCOMING"


def _has_begun(start: str | None, today: date) -> bool:
    return start is not None and start <= today.isoformat()


def _build_duration(anime: etree._Element) -> str | None:
    """Minutes of most regular episodes."""
    lengths = [length for episode in iterate_regular(anime) if (length := read_text(episode, "length"))]
    return mode(lengths) if lengths else None


def _build_external_ids(anime: etree._Element) -> dict[str, Any]:
    """Where AniDB names several ids of one space, it means several titles: none of them is taken."""
    known: dict[str, Any] = {"anidb": anime.get("id")}
    for resource in anime.iterfind("resources/resource"):
        space = _RESOURCE_SPACES.get(resource.get("type") or "")
        ids = [text for entity in resource.iterfind("externalentity/identifier") if (text := clean(entity.text))]
        if space and len(ids) == 1 and (space != "imdb" or ids[0].startswith("tt")):
            known[space] = ids[0]
    return known


def _build_streaming(anime: etree._Element) -> list[dict[str, Any]]:
    """Crunchyroll, whose numbers of series lead to an address; older ones are only names."""
    offers = []
    for entity in anime.iterfind(f"resources/resource[@type='{_CRUNCHYROLL}']/externalentity/identifier"):
        series = clean(entity.text) or ""
        url = f"https://www.crunchyroll.com/series/{series}" if _CRUNCHYROLL_SERIES.fullmatch(series) else None
        offers.append({"platform": "Crunchyroll", "url": url})
    return offers
