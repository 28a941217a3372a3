"""Recognising a provider's protection against robots. What it says is respected; nothing here gets around it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_LOOKED_AT = 65_536
_HOUR_S = 3_600.0
_DAY_S = 86_400.0

# Nobody's own page has these, whatever its status: they are the challenge itself.
_CHALLENGE = re.compile(
    rb"<title>\s*(?:just a moment|attention required! \| cloudflare|ddos-guard|access denied|are you a robot|"
    rb"anidb antileech|antileech)"
    rb"|_cf_chl_opt|id=[\"']challenge-(?:form|error-text|running)[\"']|anidb antileech|cf-error-details"
    rb"|enable javascript and cookies to continue",
    re.IGNORECASE,
)
# Ordinary pages may have these as well (a captcha in a form): they count only beside a refusal.
_SUSPICIOUS = re.compile(
    rb"captcha|cf-turnstile|challenge-platform|cdn-cgi/challenge|checking your browser|ddos-guard|akamai reference"
    rb"|unusual traffic|you have been blocked",
    re.IGNORECASE,
)
# AniDB answers XML with a status of 200: <error code="500">banned</error>.
_XML_ERROR = re.compile(rb"^(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<error\b[^>]*>([^<]{1,300})</error>", re.IGNORECASE)
_REFUSALS = frozenset({403, 429, 503})


@dataclass(frozen=True, slots=True)
class Block:
    """What stopped us. `pause_s`: how long the whole provider is left alone; 0: it concerns this request only."""

    why: str
    pause_s: float


def find_block(status: int, headers: Mapping[str, str], body: bytes) -> Block | None:
    """The block that an answer is; None if it is none. Names of headers are in lower case."""
    if headers.get("cf-mitigated", "").strip().lower() == "challenge":
        return Block("Cloudflare's challenge", 6 * _HOUR_S)
    beginning = body[:_LOOKED_AT]
    if (error := _XML_ERROR.match(beginning)) and (block := _read_error(error[1].strip().lower())):
        return block
    is_page = _is_html(headers.get("content-type", ""), beginning)
    if is_page and (_CHALLENGE.search(beginning) or (status in _REFUSALS and _SUSPICIOUS.search(beginning))):
        return Block("a page that keeps robots out", 6 * _HOUR_S)
    if status == 403:
        return Block("the provider refuses (403)", 0.0)
    return None


def _read_error(words: bytes) -> Block | None:
    # https://wiki.anidb.net/HTTP_API_Definition: bans end by themselves when nothing is asked for a day.
    if b"banned" in words:
        return Block("the provider says that we are banned", _DAY_S)
    if words.startswith((b"client version", b"client values")):
        return Block("the provider does not know our client: see ANIDB_CLIENT and ANIDB_CLIENT_VERSION", _HOUR_S)
    return None


def _is_html(content_type: str, beginning: bytes) -> bool:
    return "html" in content_type.lower() or beginning.lstrip()[:200].lower().startswith((b"<!doctype html", b"<html"))
