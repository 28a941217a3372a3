"""Document -> text by vector: what each named vector of a title is made from (product.md section 3).

Pure. No content means no passage, and no passage means no vector: never a placeholder.
Raise TEMPLATE_VERSION when the wording changes: recipes carry it, so the index is rebuilt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

TEMPLATE_VERSION = 2
EPISODES_PER_CHUNK = 12
SYNONYMS_IN_TITLE = 8
# Three times: .93 of the sample queries in the top 3 (`benchmarks/sample_queries.py`); once: .90.
NAME_WEIGHT = 3
Document = Mapping[str, Any]


def build_passages(document: Document, *, related_titles: Mapping[str, str] | None = None) -> dict[str, list[str]]:
    """{vector name: texts}. All but episode_vector have one text; its texts are averaged with equal weight.

    `related_titles` gives names for related titles of which the document holds only ids ('mal:16498' -> name).
    """
    passages = {name: build(document) for name, build in _BUILDERS.items()}
    passages["related_vector"] = _build_related(document, related_titles or {})
    chunks = {name: [text] for name, text in passages.items() if text}
    if episodes := _build_episodes(document):
        chunks["episode_vector"] = episodes
    return chunks


def build_lexical_text(document: Document) -> str:
    """All words by which somebody may look for the title: names in every language, labels, people, synopsis.

    A title's own names count NAME_WEIGHT times, so that its sequels and those who mention it come after it.
    """
    people = [person["name"] for person in (*document.get("staff", []), *document.get("characters", []))]
    names = _names(document)
    parts: list[str] = [
        *names,
        *document.get("synonyms", []),
        *_labels(document, "genres", "themes", "demographics", "tags", "studios"),
        *people,
        document.get("synopsis", ""),
    ]
    once = [part for part in dict.fromkeys(parts) if part]
    return "\n".join([*once, *names * (NAME_WEIGHT - 1)])


def hash_passage(texts: Iterable[str], recipe_fingerprint: str) -> str:
    """24 hex digits over the texts and how they are encoded: equal means that the vector need not be made again."""
    digest = hashlib.blake2b(recipe_fingerprint.encode(), digest_size=12)
    for text in texts:
        digest.update(b"\0")
        digest.update(text.encode())
    return digest.hexdigest()


def _names(document: Document) -> list[str]:
    names = (document.get(field) for field in ("title", "title_english", "title_japanese"))
    return list(dict.fromkeys(name for name in names if name))


def _labels(document: Document, *fields: str) -> list[str]:
    return list(dict.fromkeys(label for field in fields for label in document.get(field, [])))


def _sentence(label: str, values: Iterable[str | None]) -> str:
    joined = ", ".join(value for value in values if value)
    return f"{label}: {joined}." if joined else ""


def _join(*parts: str | None) -> str:
    return " ".join(part for part in parts if part)


def _build_title(document: Document) -> str:
    # The story stands first and only a few synonyms follow: on the sample queries MiniLM finds 49 of 52 descriptions
    # in the top 3 this way, and 43 with all names in front. lexical_sparse has every name.
    return _join(
        document.get("synopsis"),
        " / ".join(_names(document)) + ".",
        _sentence("Also known as", document.get("synonyms", [])[:SYNONYMS_IN_TITLE]),
        document.get("background"),
    )


def _build_characters(document: Document) -> str:
    return _join(*(_describe_character(character) for character in document.get("characters", [])))


def _describe_character(character: Mapping[str, Any]) -> str:
    role = f" ({character['role']})" if character.get("role") else ""
    description = f": {character['description']}" if character.get("description") else ""
    return f"{character['name']}{role}{description}".rstrip(".") + "."


def _build_genres(document: Document) -> str:
    return _join(
        _sentence("Genres", document.get("genres", [])),
        _sentence("Themes", document.get("themes", [])),
        _sentence("Audience", document.get("demographics", [])),
        _sentence("Tags", document.get("tags", [])),
    )


def _build_reviews(document: Document) -> str:
    summaries = [review["summary"] for review in document.get("reviews", [])]
    return _join(_sentence("Awards", document.get("awards", [])), *summaries)


def _build_staff(document: Document) -> str:
    people = [
        f"{person['name']} ({person['role']})" if person.get("role") else person["name"]
        for person in document.get("staff", [])
    ]
    voices = [voice for character in document.get("characters", []) for voice in character.get("voice_actors", [])]
    return _join(
        _sentence("Staff", people),
        _sentence("Studios", document.get("studios", [])),
        _sentence("Producers", document.get("producers", [])),
        _sentence("Voice actors", dict.fromkeys(voices)),
    )


def _build_temporal(document: Document) -> str:
    season, year = document.get("season"), document.get("year")
    when = _join(season.lower() if season else None, str(year) if year else None)
    aired = document.get("aired", {})
    span = " to ".join(day for day in (aired.get("start"), aired.get("end")) if day)
    decade = f"the {year // 10 * 10}s" if year else None
    return _join(
        _sentence("Premiered", [when, decade]),
        _sentence("Aired", [span]),
        _sentence("Broadcast", [document.get("broadcast")]),
    )


def _build_streaming(document: Document) -> str:
    offers = [_join(offer["platform"], offer.get("region")) for offer in document.get("streaming", [])]
    return _join(
        _sentence("Streaming on", dict.fromkeys(offers)), _sentence("Licensed by", document.get("licensors", []))
    )


def _build_franchise(document: Document) -> str:
    franchise = document.get("franchise")
    if not franchise:
        return ""
    return _join(_sentence("Franchise", [franchise]), _sentence("Source material", [document.get("source")]))


def _build_related(document: Document, names: Mapping[str, str]) -> str:
    by_relation: dict[str, list[str]] = {}
    for related in document.get("related_anime", []):
        keys = (f"{provider}:{value}" for provider, value in related.get("external_ids", {}).items())
        name = related.get("title") or next((names[key] for key in keys if key in names), None)
        if name:
            by_relation.setdefault(related.get("relation") or "related", []).append(name)
    return _join(*(_sentence(relation.capitalize(), dict.fromkeys(titles)) for relation, titles in by_relation.items()))


def _build_episodes(document: Document) -> list[str]:
    lines = [
        _join(f"Episode {episode['number']}: {episode.get('title') or ''}".rstrip(": ") + ".", episode.get("synopsis"))
        for episode in document.get("episode_list", [])
        if episode.get("title") or episode.get("synopsis")
    ]
    return ["\n".join(lines[start : start + EPISODES_PER_CHUNK]) for start in range(0, len(lines), EPISODES_PER_CHUNK)]


_BUILDERS: dict[str, Callable[[Document], str]] = {
    "title_vector": _build_title,
    "character_vector": _build_characters,
    "genre_vector": _build_genres,
    "review_vector": _build_reviews,
    "staff_vector": _build_staff,
    "temporal_vector": _build_temporal,
    "streaming_vector": _build_streaming,
    "franchise_vector": _build_franchise,
}
