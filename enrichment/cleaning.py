"""Texts of providers -> plain text: no markup, no spoilers, no credits of who wrote it, no wrong encodings.

What comes out is text, not HTML: whoever shows it escapes it.
"""

from __future__ import annotations

import html
import re
from typing import Final

import ftfy
import nh3

from core.text import clean_text

# Longer than any synopsis by far; work on a text grows with its length.
MAX_RAW_CHARS: Final = 100_000
# A text may be escaped several times over; one that still changes after this many rounds is nobody's synopsis.
_MAX_ROUNDS: Final = 4

_TAGS: Final = (
    "a", "abbr", "b", "big", "blockquote", "br", "center", "code", "del", "div", "em", "embed", "font", "form", "h1",
    "h2", "h3", "h4", "h5", "h6", "hr", "html", "body", "head", "i", "iframe", "img", "input", "ins", "li", "link",
    "meta", "object", "ol", "p", "pre", "s", "script", "small", "span", "strike", "strong", "style", "sub", "sup",
    "svg", "table", "tbody", "td", "textarea", "th", "thead", "title", "tr", "tt", "u", "ul", "video",
)  # fmt: skip
_NAMES: Final = "|".join(_TAGS)
# "<Infinite Dendrogram>" is the name of a game, and "I <3 you" no tag either.
_NO_TAG: Final = re.compile(rf"<(?!/?(?:{_NAMES})(?=[\s/>])|!--)", re.IGNORECASE)
_HAS_TAG: Final = re.compile(rf"</?(?:{_NAMES})(?=[\s/>])|<!--", re.IGNORECASE)
_LINE: Final = re.compile(r"<(?:br|hr)\s{0,9}/?>|</(?:li|tr|div|h[1-6])\s{0,9}>", re.IGNORECASE)
_PARAGRAPH: Final = re.compile(r"</?(?:p|blockquote|ul|ol|table)(?:\s[^<>]{0,500})?>", re.IGNORECASE)

# All patterns are bounded: a text of nothing but opened marks must not take minutes.
_SPOILERS: Final = (
    # AniList, as Markdown and as HTML; BBCode.
    re.compile(r"~!.{0,4000}?!~", re.DOTALL),
    re.compile(r"<span class=['\"]markdown_spoiler['\"]>\s*<span>.{0,4000}?</span>\s{0,9}</span>", re.DOTALL),
    re.compile(r"\[spoiler(?:=[^\]\n]{0,200})?\].{0,4000}?\[/spoiler\]", re.DOTALL | re.IGNORECASE),
)
# AniDB: "http://anidb.net/ch4 [Name]". Markdown: "[name](address)", "img220(address)".
_NAMED_LINK: Final = re.compile(r"https?://[^\s\[\]<>\"]{1,300}[ \t]?\[([^\[\]\n]{1,300})\]")
_MARKDOWN_LINK: Final = re.compile(r"\[([^\[\]\n]{1,300})\]\(\s{0,9}(?:https?:)?//[^\s()]{1,1000}\s{0,9}\)")
_MARKDOWN_MEDIA: Final = re.compile(r"\b(?:img\d*%?|youtube|webm)\(\s{0,9}[^\s()]{1,1000}\s{0,9}\)", re.IGNORECASE)
_BBCODE: Final = re.compile(
    r"\[/?(?:b|i|u|s|url|img|quote|size|color|center|list|code|yt|right)(?:=[^\]\n]{0,500})?\]", re.IGNORECASE
)
_EMPHASIS: Final = re.compile(r"(?<!\w)(\*\*|__|~~~)(?=\S)([^*_~\n]{1,500}?)(?<=\S)\1(?!\w)")

_CREDITS: Final = (
    re.compile(r"[\[(]\s{0,9}written by mal rewrite\s{0,9}[\])]", re.IGNORECASE),
    re.compile(r"[\[(]\s{0,9}(?:sources?|adapted from|from|via)\s{0,9}:[^()\[\]\n]{1,200}[\])]", re.IGNORECASE),
    re.compile(r"^[ \t~—–-]{0,9}source[ \t]{0,9}:[^\n]{1,200}$", re.IGNORECASE | re.MULTILINE),
)
_PLACEHOLDER: Final = re.compile(
    r"[(\[]?no (?:synopsis|background|description|biography)(?: information)?"
    r"(?: yet| (?:has|is|was|available|found)\b[^\n]{0,200})?[.)\]]*(?:\s+[^\n]{0,60}\bhere\b[^\n]{0,80})?",
    re.IGNORECASE,
)
_INVISIBLE: Final = re.compile("[\u200b\u2060\ufeff\u00ad]")
_SPACES: Final = re.compile(r"[^\S\n]+")
_LINES: Final = re.compile(r" ?\n ?")
_GAPS: Final = re.compile(r"\n{3,}")
_WHITE: Final = re.compile(r"\s+")
_ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)


def clean_html(text: str) -> str:
    """A synopsis, background or description as plain text with line breaks; "" where it only says that there is none.

    Spoilers and credits ("[Written by MAL Rewrite]", "(Source: ANN)") are left out; links keep their name.
    Raises ValueError on a text that cannot be stored.
    """
    cleaned = text[:MAX_RAW_CHARS].replace("\r\n", "\n").replace("\r", "\n")
    for _ in range(_MAX_ROUNDS):
        before = cleaned
        cleaned = _strip_marks(_strip_tags(repair_encoding(cleaned)))
        if cleaned == before:
            break
    return "" if _PLACEHOLDER.fullmatch(cleaned) else cleaned


def clean_line(text: str) -> str:
    """A name or title: one line, without entities and invisible characters. Raises ValueError as `clean_html` does."""
    line = text[:MAX_RAW_CHARS]
    for _ in range(_MAX_ROUNDS):
        before = line
        line = repair_encoding(line)
        line = html.unescape(line) if _ENTITY.search(line) else line
        line = clean_text(_WHITE.sub(" ", _INVISIBLE.sub("", line)))
        if line == before:
            break
    return line


def repair_encoding(text: str) -> str:
    """UTF-8 that somebody read as Latin-1 or Windows-1252 ('Ã©', 'â€™') as it was meant; anything else as it is."""
    return text if text.isascii() else ftfy.fix_encoding(text)


def flip_name(name: str) -> str:
    """'Yuuki, Asuna' -> 'Asuna Yuuki': the order in which all but MyAnimeList name people. Others as they are."""
    parts = [part.strip() for part in name.split(",")]
    return f"{parts[1]} {parts[0]}" if len(parts) == 2 and all(parts) else name


def _strip_tags(text: str) -> str:
    """Without HTML: known tags and their scripts are dropped, and what only looks like one is kept."""
    for spoiler in _SPOILERS:
        text = spoiler.sub("", text)
    if _HAS_TAG.search(text):
        # Outside of <pre> a line break of HTML is a space; but providers mix them with <br>, and mean both.
        text = _PARAGRAPH.sub("\n\n", _LINE.sub("\n", text))
        text = nh3.clean(_NO_TAG.sub("&lt;", text), tags=set(), strip_comments=True)
    return html.unescape(text)


def _strip_marks(text: str) -> str:
    """Without BBCode, Markdown, links' addresses and credits; white space folded."""
    for pattern in (_NAMED_LINK, _MARKDOWN_LINK):
        text = pattern.sub(r"\1", text)
    for pattern in (_MARKDOWN_MEDIA, _BBCODE, *_CREDITS, _INVISIBLE):
        text = pattern.sub("", text)
    text = _EMPHASIS.sub(r"\2", text)
    return clean_text(_GAPS.sub("\n\n", _LINES.sub("\n", _SPACES.sub(" ", text))))
