"""AniDB's HTTP API: XML that is always packed, errors with 200; and the daily dump of all titles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as Xml

from tests.picture_host.replies import Reply
from tests.provider_stands.records import Asked
from tests.provider_stands.replying import LAST_MODIFIED, build_text, pack
from tests.provider_stands.titles import StandTitle

TITLES_PATH: Final = "/api/anime-titles.xml.gz"
_TYPES: Final = {
    "TV": "TV Series",
    "MOVIE": "Movie",
    "OVA": "OVA",
    "ONA": "Web",
    "SPECIAL": "TV Special",
    "MUSIC": "Music Video",
}
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


class AniDBStand:
    """Answers with what the titles say."""

    def __init__(self, titles: Sequence[StandTitle]) -> None:
        self._titles = {title.ids["anidb"]: title for title in titles}
        self._by_mal = {title.ids["mal"]: title for title in titles}
        self._dump: Reply | None = None

    def answer(self, asked: Asked) -> Reply:
        """One request."""
        if asked.path == TITLES_PATH:
            return self._get_dump()
        query = asked.query
        if asked.path != "/httpapi" or query.get("request") != "anime":
            return _fail("Invalid Request")
        if not query.get("client", "").isalnum() or not query.get("clientver", "").isdigit():
            return _fail("client version missing or invalid", code="302")
        if query.get("protover") != "1":
            return _fail("protover missing or invalid")
        if not query.get("aid", "").isdigit():
            return _fail("aid Missing or Invalid")
        title = self._titles.get(query["aid"])
        if title is None:
            return _fail("Anime not found", code="330")
        return _finish(self._build_anime(title))

    def _get_dump(self) -> Reply:
        """A file that is packed itself: no Content-Encoding."""
        if self._dump is None:
            root = Xml.Element("animetitles")
            for number, title in self._titles.items():
                _add_titles(Xml.SubElement(root, "anime", {"aid": number}), title)
            packed = pack(build_text(_DECLARATION + Xml.tostring(root, encoding="unicode"), "application/gzip"))
            headers = {"Content-Type": "application/gzip", "Last-Modified": LAST_MODIFIED, "ETag": '"titles-1"'}
            self._dump = Reply(body=packed.body, headers=headers)
        return self._dump

    def _build_anime(self, title: StandTitle) -> Xml.Element:
        facts, numbers, number = title.facts, title.vary("anidb"), title.ids["anidb"]
        root = Xml.Element("anime", {"id": number, "restricted": "false"})
        _add(root, "type", _TYPES.get(facts["type"], "Other"))
        _add(root, "episodecount", str(facts.get("episodes") or 0))
        _add(root, "startdate", str(title.first_day))
        if title.last_day:
            _add(root, "enddate", str(title.last_day))
        _add_titles(Xml.SubElement(root, "titles"), title)
        self._add_related(root, title)
        _add(root, "url", f"https://example.org/{number}")
        creators = Xml.SubElement(root, "creators")
        for role in title.staff:
            _add(creators, "name", role.person.name, id=str(role.person.number), type=role.role)
        for place, studio in enumerate(facts["studios"], 1):
            _add(creators, "name", studio, id=str(place), type="Animation Work")
        _add(root, "description", facts["synopsis"])
        ratings = Xml.SubElement(root, "ratings")
        for kind in ("permanent", "temporary"):
            score = min(10.0, facts["score"] + numbers.uniform(-0.4, 0.4))
            _add(ratings, kind, f"{score:.2f}", count=str(numbers.randrange(50, 9_000)))
        _add(root, "picture", f"{number}.jpg")
        _add_resources(root, title)
        _add_tags(root, facts.get("tags", []), weight=numbers.randrange(1, 7))
        _add_characters(root, title)
        _add_episodes(root, title)
        return root

    def _add_related(self, root: Xml.Element, title: StandTitle) -> None:
        related = [(kind, self._by_mal[mal_id]) for kind, mal_id in title.related if mal_id in self._by_mal]
        if related:
            parent = Xml.SubElement(root, "relatedanime")
            for kind, other in related:
                _add(parent, "anime", other.title, id=other.ids["anidb"], type=kind.title())


def _add(parent: Xml.Element, tag: str, text: str, **attributes: str) -> Xml.Element:
    child = Xml.SubElement(parent, tag, attributes)
    child.text = text
    return child


def _add_titles(parent: Xml.Element, title: StandTitle) -> None:
    facts = title.facts
    named = [("main", "x-jat", title.title), ("official", "ja", facts["title_japanese"])]
    if facts.get("title_english"):
        named.append(("official", "en", facts["title_english"]))
    named += [("synonym", "en" if name.isascii() else "ja", name) for name in facts.get("synonyms", [])[:5]]
    for kind, language, name in named:
        Xml.SubElement(parent, "title", {"type": kind, _LANGUAGE: language}).text = name


def _add_resources(root: Xml.Element, title: StandTitle) -> None:
    """Type 2 is MyAnimeList."""
    parent = Xml.SubElement(root, "resources")
    entity = Xml.SubElement(Xml.SubElement(parent, "resource", {"type": "2"}), "externalentity")
    _add(entity, "identifier", title.ids["mal"])


def _add_tags(root: Xml.Element, names: Sequence[str], *, weight: int) -> None:
    parent = Xml.SubElement(root, "tags")
    for place, name in enumerate(names, 1):
        given = {"localspoiler": "false", "globalspoiler": "false", "verified": "true", "update": "2026-01-02"}
        tag = Xml.SubElement(parent, "tag", {"id": str(place), "weight": str(100 * weight), **given})
        _add(tag, "name", name)


def _add_characters(root: Xml.Element, title: StandTitle) -> None:
    parent = Xml.SubElement(root, "characters")
    for role in title.characters:
        kind = "main character in" if role.role == "Main" else "secondary cast in"
        given = {"id": str(role.person.number), "type": kind, "update": "2026-01-02"}
        character = Xml.SubElement(parent, "character", given)
        _add(character, "name", role.person.name)
        _add(character, "charactertype", "Character", id="1")
        if role.voice:
            _add(character, "seiyuu", role.voice.name, id=str(role.voice.number), picture="1.jpg")


def _add_episodes(root: Xml.Element, title: StandTitle) -> None:
    parent = Xml.SubElement(root, "episodes")
    for one in title.episodes:
        episode = Xml.SubElement(parent, "episode", {"id": f"{title.ids['anidb']}{one.number}", "update": "2026-01-02"})
        _add(episode, "epno", str(one.number), type="1")
        _add(episode, "length", str(title.facts["duration"]))
        _add(episode, "airdate", str(one.aired))
        for language, name in (("ja", one.title_japanese), ("en", one.title)):
            Xml.SubElement(episode, "title", {_LANGUAGE: language}).text = name
    opening = Xml.SubElement(parent, "episode", {"id": f"{title.ids['anidb']}901", "update": "2026-01-02"})
    _add(opening, "epno", "C1", type="3")
    _add(opening, "length", "2")
    Xml.SubElement(opening, "title", {_LANGUAGE: "en"}).text = "Opening"


def _finish(root: Xml.Element) -> Reply:
    return pack(build_text(_DECLARATION + Xml.tostring(root, encoding="unicode"), "text/xml;charset=UTF-8"))


def _fail(message: str, *, code: str | None = None) -> Reply:
    error = f'<error code="{code}">{message}</error>' if code else f"<error>{message}</error>"
    return pack(build_text(error, "text/xml;charset=UTF-8"))
