"""Lists in an AniDB answer, in the document's words: episodes, relations, characters, staff, votes."""

from __future__ import annotations

import re
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
from enrichment.providers.vocabulary import CHARACTER_ROLE_WORDS, RELATION_WORDS, translate, translate_staff_role

_EPISODE_LANGUAGES: Final = ("en", "x-jat", "ja")
_PLACEHOLDER: Final = re.compile(r"episode \w?\d+", re.IGNORECASE)
_OTHER_COMPANY_ROLES: Final = frozenset({"Animation Co-Production", "Unknown Relation"})
# As answers before 2014 have it.
_STAFF_ROLES: Final = {"Work": "Original Work"}


def build_statistics(anime: etree._Element) -> dict[str, Any]:
    """Fields of the stage `statistics`: the permanent rating is the mean of those who have seen it to its end."""
    own: dict[str, Any] = {}
    for name in ("permanent", "temporary", "review"):
        rating = anime.find(f"ratings/{name}")
        if rating is not None:
            own[f"{name}_score"] = clean(rating.text)
            own[f"{name}_votes"] = rating.get("count")
    return {
        "score": own.get("permanent_score"),
        "scored_by": own.get("permanent_votes"),
        "statistics": {"anidb": {name: value for name, value in own.items() if value}},
    }


def build_relations(anime: etree._Element) -> dict[str, Any]:
    """Fields of the stage `relations`."""
    return {
        "related_anime": [
            {
                "title": clean(other.text),
                "relation": translate(RELATION_WORDS, other.get("type")),
                "external_ids": {"anidb": other.get("id")},
            }
            for other in anime.iterfind("relatedanime/anime")
        ]
    }


def build_characters(anime: etree._Element) -> dict[str, Any]:
    """Fields of the stage `characters`: no organisations, ships or machines."""
    return {
        "characters": [
            {
                "name": read_text(character, "name"),
                "role": translate(CHARACTER_ROLE_WORDS, character.get("type")),
                "description": read_text(character, "description"),
                "image": build_picture(character),
                "voice_actors": [name for voice in character.iterfind("seiyuu") if (name := clean(voice.text))],
            }
            for character in anime.iterfind("characters/character")
            if read_text(character, "charactertype") in (None, "Character")
        ]
    }


def build_staff(anime: etree._Element) -> dict[str, Any]:
    """Fields of the stage `staff`: people. Companies stand among them by their roles."""
    return {
        "staff": [
            {"name": name, "role": translate_staff_role(_STAFF_ROLES.get(role, role))}
            for role, name in iterate_creators(anime)
            if role not in COMPANY_ROLES and role not in _OTHER_COMPANY_ROLES
        ]
    }


def build_episodes(anime: etree._Element) -> dict[str, Any]:
    """Fields of the stage `episodes`: regular ones, in order."""
    episodes = [
        {
            "number": read_text(episode, "epno"),
            "title": _build_episode_title(episode),
            "synopsis": read_text(episode, "summary"),
            "aired": read_text(episode, "airdate"),
        }
        for episode in iterate_regular(anime)
    ]
    return {"episode_list": sorted(episodes, key=lambda episode: to_count(episode["number"]) or 0)}


def _build_episode_title(episode: etree._Element) -> str | None:
    """In English, else in Latin letters, else in Japanese. 'Episode 3' only says that nobody knows."""
    titles = {title.get(LANG): clean(title.text) for title in reversed(episode.findall("title"))}
    for language in _EPISODE_LANGUAGES:
        if (title := titles.get(language)) and not _PLACEHOLDER.fullmatch(title):
            return title
    return None
