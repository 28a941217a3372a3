"""Addresses as they are parsed, cleaned and joined."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetching.errors import FetchError, FetchReason
from fetching.urls import MAX_URL_CHARS, join_redirect, parse_url


@pytest.mark.parametrize(
    ("url", "cleaned"),
    [
        ("http://Example.ORG", "http://example.org/"),
        ("HTTPS://example.org:443/a?b=c#part", "https://example.org/a?b=c"),
        ("http://example.org:8080/a", "http://example.org:8080/a"),
        ("  http://example.org/a b.jpg ", "http://example.org/a%20b.jpg"),
        ("http://example.org/é/100%.jpg?q=ü&p=%41", "http://example.org/%C3%A9/100%25.jpg?q=%C3%BC&p=%41"),
        ("http://example.org./x", "http://example.org/x"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://example.org/a/../private/./b.jpg", "http://example.org/private/b.jpg"),
        ("http://example.org/a/%2E%2e/b/..", "http://example.org/"),
        ("http://example.org/../../x", "http://example.org/x"),
        ("http://example.org//a//b", "http://example.org//a//b"),
        ("http://example.org/a\\..\\b", "http://example.org/a%5C..%5Cb"),
        ("http://93.184.216.34/x", "http://93.184.216.34/x"),
        ("http://[2606:4700:0:0::1111]:81/x", "http://[2606:4700::1111]:81/x"),
        ("http://under_score.example/", "http://under_score.example/"),
    ],
)
def test_cleaned(url: str, cleaned: str) -> None:
    """An address is rebuilt from its parts in one form, and cleaning it again changes nothing."""
    assert parse_url(url).url == cleaned
    assert parse_url(cleaned).url == cleaned


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", FetchReason.BAD_URL),
        ("http://", FetchReason.BAD_URL),
        ("http:///path", FetchReason.BAD_URL),
        ("http://example.org:0/", FetchReason.BAD_URL),
        ("http://example.org:65536/", FetchReason.BAD_URL),
        ("http://example.org:port/", FetchReason.BAD_URL),
        ("http://user@example.org/", FetchReason.BAD_URL),
        ("http://user:secret@example.org/", FetchReason.BAD_URL),
        ("http://example.org\\@127.0.0.1/", FetchReason.BAD_URL),
        ("http://127.0.0.1\\.example.org/", FetchReason.BAD_URL),
        ("http://127%2e0%2e0%2e1/", FetchReason.BAD_URL),
        ("http://[fe80::1%25eth0]/", FetchReason.BAD_URL),
        ("http://[2606:4700::1111%eth0]/", FetchReason.BAD_URL),
        ("http://[::1/", FetchReason.BAD_URL),
        ("http://exa\tmple.org/", FetchReason.BAD_URL),
        ("http://example.org/\r\nHost: evil", FetchReason.BAD_URL),
        ("http://example.org/\x00", FetchReason.BAD_URL),
        ("http://example.org/\ud800", FetchReason.BAD_URL),
        ("http://exa mple.org/", FetchReason.BAD_URL),
        ("http://-example.org/", FetchReason.BAD_URL),
        ("http://a..example/", FetchReason.BAD_URL),
        ("http://" + "a" * 64 + ".example/", FetchReason.BAD_URL),
        ("http://" + "a." * 200 + "example/", FetchReason.BAD_URL),
        ("http://example.org/" + "a" * MAX_URL_CHARS, FetchReason.BAD_URL),
        ("http://\u2488.example/", FetchReason.BAD_URL),
        ("ftp://example.org/", FetchReason.FORBIDDEN_SCHEME),
        ("file:///etc/passwd", FetchReason.FORBIDDEN_SCHEME),
        ("gopher://127.0.0.1:6379/_FLUSHALL", FetchReason.FORBIDDEN_SCHEME),
        ("data:image/png;base64,AAAA", FetchReason.FORBIDDEN_SCHEME),
        ("javascript:alert(1)", FetchReason.FORBIDDEN_SCHEME),
        ("//example.org/", FetchReason.FORBIDDEN_SCHEME),
        ("example.org/a.jpg", FetchReason.FORBIDDEN_SCHEME),
        ("http://2130706433/", FetchReason.FORBIDDEN_ADDRESS),
        ("http://0x7f000001/", FetchReason.FORBIDDEN_ADDRESS),
        ("http://0177.0.0.1/", FetchReason.FORBIDDEN_ADDRESS),
        ("http://127.1/", FetchReason.FORBIDDEN_ADDRESS),
        ("http://127.0.0.1.2/", FetchReason.FORBIDDEN_ADDRESS),
        ("http://0x7f.0.0.0x1./", FetchReason.FORBIDDEN_ADDRESS),
        ("http://example.0x/", FetchReason.FORBIDDEN_ADDRESS),
    ],
)
def test_refused(url: str, reason: FetchReason) -> None:
    """What is no plain http address ends with its own reason, before anything is resolved."""
    with pytest.raises(FetchError) as caught:
        parse_url(url)
    assert caught.value.reason is reason
    assert caught.value.retry_after_s is None


@pytest.mark.parametrize("host", ["１２７.０.０.１", "127。0。0。1", "①②⑦.0.0.1"])
def test_digits_of_other_scripts(host: str) -> None:
    """Full-width and circled digits are the address that they look like, so the guard sees it."""
    assert parse_url(f"http://{host}/").host == "127.0.0.1"


@pytest.mark.parametrize(
    ("location", "joined"),
    [
        ("/b.jpg", "https://example.org/b.jpg"),
        ("c.jpg?x=1", "https://example.org/a/c.jpg?x=1"),
        ("../c.jpg", "https://example.org/c.jpg"),
        ("?only=query", "https://example.org/a/b?only=query"),
        ("//cdn.example/x", "https://cdn.example/x"),
        ("https://cdn.example:8443/x", "https://cdn.example:8443/x"),
        ("/ä.jpg".encode().decode("latin-1"), "https://example.org/%C3%A4.jpg"),
        ("/ä.jpg", "https://example.org/%E4.jpg"),
        ("/a b", "https://example.org/a%20b"),
    ],
)
def test_redirects(location: str, joined: str) -> None:
    """Relative and absolute redirects lead where a browser would go, raw bytes included."""
    assert join_redirect(parse_url("https://example.org/a/b"), location).url == joined


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://example.org/b", FetchReason.INSECURE_REDIRECT),
        ("file:///etc/passwd", FetchReason.FORBIDDEN_SCHEME),
        ("https://user@example.org/", FetchReason.BAD_URL),
        ("https://[::1", FetchReason.BAD_REDIRECT),
        ("https://0x7f.1/", FetchReason.FORBIDDEN_ADDRESS),
    ],
)
def test_refused_redirects(location: str, reason: FetchReason) -> None:
    """A redirect is checked like a first address, and must not leave TLS."""
    with pytest.raises(FetchError) as caught:
        join_redirect(parse_url("https://example.org/a"), location)
    assert caught.value.reason is reason


@given(st.text() | st.from_regex(r"https?://[!-~]{0,40}", fullmatch=True))
def test_any_text_is_cleaned_or_refused(text: str) -> None:
    """Whatever comes in ends as a clean address in printable ASCII, or as a refusal from the closed list."""
    try:
        target = parse_url(text)
    except FetchError as error:
        assert error.retry_after_s is None
        return
    assert target.url.isascii() and target.url.isprintable() and " " not in target.url
    assert "@" not in target.authority and "\\" not in target.url and "%" not in target.host
    assert parse_url(target.url) == target
    if target.host[-1].isdigit() and ":" not in target.host and target.host.rpartition(".")[2].isdigit():
        assert ipaddress.IPv4Address(target.host)
