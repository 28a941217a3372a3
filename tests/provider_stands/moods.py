"""What a provider may do besides answering well. Each mood changes the good answer into what is sent."""

from __future__ import annotations

import gzip
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final
from xml.sax.saxutils import escape

from tests.picture_host.replies import Reply
from tests.provider_stands.records import Asked

HOUR_S: Final = 3_600.0
HUGE_BYTES: Final = 50_000_000
CHALLENGE: Final = (
    b"<!DOCTYPE html><html lang='en-US'><head><title>Just a moment...</title></head><body>"
    b"<noscript>Enable JavaScript and cookies to continue</noscript>"
    b"<script src='/cdn-cgi/challenge-platform/h/g/orchestrate/chl_page/v1'></script></body></html>"
)
_MAINTENANCE = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body><h1>Back soon</h1></body></html>"
_ENTITY_BOMB = (
    '<?xml version="1.0"?><!DOCTYPE anime [<!ENTITY a "aaaaaaaaaaaaaaaaaaaa">'
    + "".join(f'<!ENTITY {one} "{f"&{other};" * 20}">' for one, other in zip("bcdefgh", "abcdefg", strict=True))
    + ']><anime id="1" restricted="false"><titles><title type="main" xml:lang="x-jat">&h;</title></titles></anime>'
).encode()
_EXTERNAL_ENTITY = (
    b'<?xml version="1.0"?><!DOCTYPE anime [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
    b'<anime id="1" restricted="false"><titles><title type="main" xml:lang="x-jat">stolen &x;</title></titles></anime>'
)
MARKUP: Final = (
    "<p>A <b>quiet</b> town &amp; a loud year.<br><br><script>alert(1)</script>"
    '<img src="x" onerror="alert(2)"><a href="javascript:alert(3)">More</a> &#128512;</p>'
)
# Values that no title has, by the names that the providers give to their fields.
ABSURD: Final[Mapping[str, Any]] = {
    "episodes": -1,
    "episodeCount": -1,
    "year": 0,
    "seasonYear": 0,
    "score": 100.5,
    "averageScore": 4_000,
    "meanScore": 4_000,
    "averageRating": "1000.0",
    "duration": "-5 min per ep",
    "episodeLength": -24,
    "lengthMin": -24,
    "members": -3,
    "scored_by": 2**70,
    "popularity": -12,
    "userCount": -12,
    "from": "0000-00-00T00:00:00+00:00",
    "startDate": "0000-00-00",
}
UNKNOWN: Final[Mapping[str, Any]] = {
    "type": "Hologram",
    "subtype": "hologram",
    "showType": "hologram",
    "format": "HOLOGRAM",
    "status": "Paused for ever",
    "season": "monsoon",
    "rating": "XXX-99",
    "ageRating": "XXX",
    "source": "HOLOGRAM",
    "role": "understudy",
    "relation": "Nephew",
    "relationType": "NEPHEW",
}
TEXTS: Final = ("synopsis", "description", "summary")


@dataclass(frozen=True)
class Scene:
    """A request, the good answer to it, and how many real seconds an hour of the provider's has."""

    asked: Asked
    good: Reply
    hour_s: float


@dataclass(frozen=True)
class Mood:
    """A way to answer."""

    name: str
    change: Callable[[Scene], Reply]

    def __str__(self) -> str:
        return self.name


def _drop(headers: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in names}


def _with_body(scene: Scene, body: bytes, **changed: Any) -> Reply:
    # With the validators of the good answer it would be one that is still right.
    kept = _drop(scene.good.headers, "ETag", "Last-Modified")
    packed = kept.get("Content-Encoding") == "gzip"
    return Reply(body=gzip.compress(body, 1) if packed else body, headers=kept, **changed)


def _unpack(scene: Scene) -> bytes:
    packed = scene.good.headers.get("Content-Encoding") == "gzip"
    return gzip.decompress(scene.good.body) if packed else scene.good.body


def _is_json(scene: Scene) -> bool:
    return "json" in scene.good.headers.get("Content-Type", "")


def _is_xml(scene: Scene) -> bool:
    return "xml" in scene.good.headers.get("Content-Type", "")


def _limit(scene: Scene) -> Reply:
    pause_s = math.ceil(scene.hour_s)
    return Reply(status=429, body=b"Too Many Requests", headers={"Retry-After": str(pause_s)})


def _break(scene: Scene) -> Reply:
    body = _unpack(scene)
    return _with_body(scene, body[: max(1, len(body) // 2)])


def _cut(scene: Scene) -> Reply:
    body = scene.good.body
    headers = _drop(scene.good.headers, "ETag", "Last-Modified")
    return Reply(body=body[: len(body) // 2], headers=headers, announced=len(body), then_close=True)


def _mangle(scene: Scene) -> Reply:
    """Bytes that no UTF-8 has, in the middle of what is said to be UTF-8."""
    body = _unpack(scene)
    return _with_body(scene, body[: len(body) // 3] + b"\xff\xfe\x80\xc3\x28" + body[len(body) // 3 :])


def _recode(scene: Scene) -> Reply:
    """UTF-16, and nobody says so."""
    return _with_body(scene, _unpack(scene).decode().encode("utf-16"))


def _reshape(scene: Scene) -> Reply:
    if _is_json(scene):
        return _with_body(scene, b'{"result":{"version":5,"items":[{"name":"x"}]}}')
    if _is_xml(scene):
        return _with_body(scene, b'<?xml version="1.0"?><catalog version="2"><entry/></catalog>')
    return _with_body(scene, b"<html><head><title>New site</title></head><body><div id='app'></div></body></html>")


def _bare(scene: Scene) -> Reply:
    return _with_body(scene, b"[]" if _is_json(scene) else b"<x/>")


def _empty_values(scene: Scene) -> Reply:
    if _is_json(scene):
        return _with_body(scene, json.dumps(_nullify(json.loads(scene.good.body))).encode())
    if _is_xml(scene):
        return _with_body(scene, re.sub(rb">[^<>]+<", b"><", _unpack(scene)))
    return _with_body(scene, re.sub(rb'":("[^"]*"|\d[^,}]*)', b'":null', _unpack(scene)))


def _nullify(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _nullify(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_nullify(inner, key) for inner in value]
    return None


def _replace_fields(wanted: Mapping[str, Any]) -> Callable[[Any], Any]:
    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(inner) for inner in value]
        if not isinstance(value, dict):
            return value
        # JSON:API's `type`, and AniList's beside `format`, say what a thing is; that is no value of the title.
        kept = {"type"} if {"attributes", "format"} & value.keys() or set(value) == {"id", "type"} else set()
        return {
            name: wanted[name] if name in wanted and name not in kept and _is_leaf(inner) else walk(inner)
            for name, inner in value.items()
        }

    return walk


def _is_leaf(value: Any) -> bool:
    return not isinstance(value, dict | list)


def _go_absurd(scene: Scene) -> Reply:
    if _is_json(scene):
        return _with_body(scene, json.dumps(_replace_fields(ABSURD)(json.loads(scene.good.body))).encode())
    body = _unpack(scene).decode()
    for tag, value in (("episodecount", "-1"), ("startdate", "0000-00-00"), ("length", "-24"), ("permanent", "1000")):
        body = re.sub(rf"(<{tag}[^>]*>)[^<]*", rf"\g<1>{value}", body)
    body = re.sub(r'("numberOfEpisodes"):\d+', r"\1:-1", body)
    body = re.sub(r'("startDate"):"[^"]*"', r'\1:"0000-00-00"', body)
    body = re.sub(r'("ratingValue"):"?[\d.]+"?', r'\1:"1000"', body)
    return _with_body(scene, body.encode())


def _go_unknown(scene: Scene) -> Reply:
    if _is_json(scene):
        return _with_body(scene, json.dumps(_replace_fields(UNKNOWN)(json.loads(scene.good.body))).encode())
    body = _unpack(scene).decode()
    body = re.sub(r"<type>[^<]*", "<type>Hologram", body)
    body = re.sub(r'(<anime id="\d+") type="[^"]*"', r'\1 type="Nephew"', body)
    body = re.sub(r'("@type"):"(TVSeries|Movie)"', r'\1:"Hologram"', body)
    return _with_body(scene, body.encode())


def _mark_up(scene: Scene) -> Reply:
    if _is_json(scene):
        wanted = dict.fromkeys(TEXTS, MARKUP)
        return _with_body(scene, json.dumps(_replace_fields(wanted)(json.loads(scene.good.body))).encode())
    body = _unpack(scene).decode()
    # A slash is written so that no script of a page ends there.
    said = json.dumps(MARKUP).replace("/", "\\/")
    body = re.sub(r"(?<=<description>)[^<]*(?=</description>)", lambda _: escape(MARKUP), body)
    body = re.sub(r'("description"):"(?:[^"\\]|\\.)*"', lambda found: f"{found[1]}:{said}", body)
    return _with_body(scene, body.encode())


def _explode(scene: Scene) -> Reply:
    if _is_json(scene):
        return _with_body(scene, b"[" * 200_000 + b"]" * 200_000)
    if _is_xml(scene):
        return _with_body(scene, _ENTITY_BOMB)
    return _with_body(scene, b"<html><body>" + b"<div>" * 200_000)


def _reach_out(scene: Scene) -> Reply:
    return _with_body(scene, _EXTERNAL_ENTITY) if _is_xml(scene) else _reshape(scene)


def _grow(scene: Scene) -> Reply:
    headers = _drop(scene.good.headers, "ETag", "Last-Modified", "Content-Encoding")
    return Reply(body=b" " * HUGE_BYTES + _unpack(scene), headers=headers)


def _inflate(scene: Scene) -> Reply:
    headers = {**_drop(scene.good.headers, "ETag", "Last-Modified"), "Content-Encoding": "gzip"}
    return Reply(body=_pack_zeros(), headers=headers)


@cache
def _pack_zeros() -> bytes:
    return gzip.compress(bytes(2 * HUGE_BYTES), 1)


def _redirect(location: str) -> Callable[[Scene], Reply]:
    return lambda _: Reply(status=302, headers={"Location": location, "Content-Type": "text/plain"}, body=b"moved")


def _say(status: int, body: bytes, media_type: str, **headers: str) -> Callable[[Scene], Reply]:
    own = {"Content-Type": media_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return lambda _: Reply(status=status, body=body, headers=own)


_GARBAGE = ("broken", "mangled", "reshaped", "html-page", "empty", "exploding", "bare")


def _rave(scene: Scene) -> Reply:
    """One kind of garbage after the other; the same for the same request."""
    kind = _GARBAGE[sum(scene.asked.key.encode()) % len(_GARBAGE)]
    return MOODS[kind].change(scene)


_CHANGES: Mapping[str, Callable[[Scene], Reply]] = {
    "normal": lambda scene: scene.good,
    # Nobody is there
    "refused": lambda scene: scene.good,
    "away": _say(503, b"Service Unavailable", "text/plain"),
    "failing": _say(500, b"Internal Server Error", "text/plain"),
    "silent": lambda _: Reply(silent=True),
    "slow": lambda scene: replace(scene.good, wait_s=30.0),
    # Not now, or never
    "limited": _limit,
    "blocked": _say(403, CHALLENGE, "text/html; charset=UTF-8", cf_mitigated="challenge", Server="cloudflare"),
    "challenged": _say(503, CHALLENGE, "text/html; charset=UTF-8", Server="cloudflare"),
    "banned": _say(200, b"<error>Banned</error>", "text/xml"),
    "unauthorised": _say(401, b'{"errors":[{"message":"Invalid token","status":400}]}', "application/json"),
    # Garbage
    "broken": _break,
    "cut": _cut,
    "mangled": _mangle,
    "recoded": _recode,
    "reshaped": _reshape,
    "bare": _bare,
    "empty": lambda scene: _with_body(scene, b""),
    "html-page": _say(200, _MAINTENANCE, "text/html"),
    "exploding": _explode,
    "reaching-out": _reach_out,
    "huge": _grow,
    "inflated": _inflate,
    "to-metadata": _redirect("http://169.254.169.254/latest/meta-data/"),
    "to-private": _redirect("http://10.0.0.1/"),
    "to-file": _redirect("file:///etc/passwd"),
    "garbage": _rave,
    # Well formed, and not true
    "nulls": _empty_values,
    "absurd": _go_absurd,
    "unknown": _go_unknown,
    "markup": _mark_up,
}
MOODS: Final[Mapping[str, Mood]] = {name: Mood(name, change) for name, change in _CHANGES.items()}
