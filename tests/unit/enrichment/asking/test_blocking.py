"""Pages that keep robots out are known as such, and ordinary pages are not taken for them."""

from __future__ import annotations

import pytest

from enrichment.asking.blocking import find_block

HTML = {"content-type": "text/html; charset=UTF-8"}
CHALLENGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head>"
PAGE = b"<!DOCTYPE html><html><head><title>Cowboy Bebop</title></head><body>%s</body></html>"


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (403, {"cf-mitigated": "challenge"}, b""),
        (200, HTML, CHALLENGE),
        (503, {}, CHALLENGE),
        (200, HTML, b"<html><title>AniDB AntiLeech - AniDB</title>"),
        (200, HTML, b"<html><head><title>DDoS-Guard</title>"),
        (403, HTML, b"<html><head><title>Attention Required! | Cloudflare</title>"),
        (503, HTML, PAGE % b'<div class="g-recaptcha">'),
        (429, HTML, PAGE % b"Checking your browser before accessing"),
        (200, {}, b"<error>Banned</error>"),
        (200, {}, b'\xef\xbb\xbf<?xml version="1.0"?>\n<error code="500">banned</error>'),
        (200, {}, b'<error code="302">client version missing or invalid</error>'),
    ],
)
def test_block_of_all(status: int, headers: dict[str, str], body: bytes) -> None:
    """Protection that would meet every request stops the provider for an hour at least."""
    block = find_block(status, headers, body)
    assert block is not None and block.pause_s >= 3_600


def test_refusal_of_one() -> None:
    """A plain 403 is about this request."""
    block = find_block(403, {"content-type": "application/json"}, b'{"error": "private"}')
    assert block is not None and block.pause_s == 0


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (
            200,
            {"content-type": "application/json"},
            b'{"synopsis": "Just a moment... <title>just a moment</title> captcha"}',
        ),
        (200, HTML, PAGE % b'<form><div class="g-recaptcha"></form><script src="/cdn-cgi/challenge-platform/x.js">'),
        (404, HTML, PAGE % b"captcha"),
        (200, {}, b"<error>Anime not found</error>"),
        (200, {}, b"<anime><title>Banned from the Heroes' Party</title></anime>"),
        (503, {"content-type": "text/html"}, b"<html><title>503 Service Unavailable</title>"),
        (200, {}, b""),
    ],
)
def test_no_block(status: int, headers: dict[str, str], body: bytes) -> None:
    """Ordinary answers are none, whatever words are in them."""
    assert find_block(status, headers, body) is None
