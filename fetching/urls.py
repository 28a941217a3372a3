"""URLs as we fetch them: parsed once, cleaned, and rebuilt from the parts that the connection is made to."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

import idna

from fetching.errors import FetchReason, FetchRefusedError

MAX_URL_CHARS = 4_096
_MOST_HOST_CHARS = 253
_DEFAULT_PORTS = {"http": 80, "https": 443}
# urlsplit drops tabs and line ends silently, and other programs read a backslash as a slash: neither gets that far.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
# inet_aton reads 127.1, 2130706433, 0x7f000001 and 0177.0.0.1 as addresses. A host that ends in a number is no name.
_NUMBER_AT_END = re.compile(r"(^|\.)(\d+|0x[0-9a-f]*)$")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_KEPT_IN_PATH = "/%:=&?~+!$,;'@()*[]|"
_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_DOTS = {".": ".", "%2e": ".", "..": "..", ".%2e": "..", "%2e.": "..", "%2e%2e": ".."}


@dataclass(frozen=True, slots=True)
class Target:
    """One address to fetch. `host` is ASCII in lower case, without brackets; `path` begins with a slash, with query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """`host:port`, the key of everything that is kept by host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port, for robots.txt and for connections."""
        return f"{self.scheme}://{self.authority}"

    @property
    def url(self) -> str:
        """The whole address, with the port only where it is not the scheme's own."""
        if self.port == _DEFAULT_PORTS[self.scheme]:
            return f"{self.scheme}://{self.authority.rpartition(':')[0]}{self.path}"
        return self.origin + self.path


def parse_url(url: str) -> Target:
    """Check and clean an address. Raises FetchRefusedError: bad-url, forbidden-scheme or forbidden-address."""
    url = url.strip(" ")
    if not url or len(url) > MAX_URL_CHARS or _FORBIDDEN.search(url):
        raise _bad_url("empty, longer than 4,096 characters, or with control characters")
    try:
        return _parse(url)
    except ValueError as error:
        raise _bad_url(str(error)) from error


def _parse(url: str) -> Target:
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS:
        raise FetchRefusedError(FetchReason.FORBIDDEN_SCHEME, f"only http and https are fetched, not {scheme[:20]!r}")
    if "@" in parts.netloc:
        raise _bad_url("an address must not carry a user name or password")
    port = parts.port
    if port == 0:
        raise _bad_url("there is no port 0")
    path = _clean(parts.path or "/") + (f"?{_clean_query(parts.query)}" if parts.query else "")
    return Target(scheme, _clean_host(parts.hostname), port or _DEFAULT_PORTS[scheme], path)


def join_redirect(target: Target, location: str) -> Target:
    """Where a redirect leads, relative ones included. Raises FetchRefusedError.

    From https to http is refused: what a page promised to send over TLS must not come over the open line.
    """
    try:
        # Servers send raw bytes here, which http.client hands over as Latin-1: browsers percent-encode them.
        joined = urljoin(target.url, quote(location.strip().encode("latin-1"), safe=_ASCII))
    except ValueError as error:
        raise FetchRefusedError(FetchReason.BAD_REDIRECT, str(error)) from error
    following = parse_url(joined)
    if target.scheme == "https" and following.scheme == "http":
        raise FetchRefusedError(FetchReason.INSECURE_REDIRECT, "a redirect from https to http is not followed")
    return following


def _clean_host(host: str | None) -> str:
    if not host:
        raise _bad_url("no host")
    if len(host) > _MOST_HOST_CHARS or "%" in host:
        raise _bad_url("not a host name")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    # Also maps full-width digits and dots, so it comes before the forms of addresses are looked at.
    name = idna.encode(host, uts46=True).decode() if not host.isascii() else host.lower()
    name = name.removesuffix(".")
    if _NUMBER_AT_END.search(name):
        return _clean_number(name)
    if not _HOST.fullmatch(name):
        raise _bad_url("not a host name")
    return name


def _clean_number(name: str) -> str:
    try:
        return str(ipaddress.IPv4Address(name))
    except ValueError:
        message = "addresses are written as four decimal numbers"
        raise FetchRefusedError(FetchReason.FORBIDDEN_ADDRESS, message) from None


def _clean(path: str) -> str:
    """Percent-encode what needs it and resolve dot segments, so that robots.txt judges what the server will see."""
    path = quote(_LONE_PERCENT.sub("%25", path), safe=_KEPT_IN_PATH)
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        dots = _DOTS.get(segment.lower())
        if dots == ".." and kept:
            kept.pop()
        if dots is None:
            kept.append(segment)
    if segments and segments[-1].lower() in _DOTS:
        kept.append("")
    return "/" + "/".join(kept)


def _clean_query(query: str) -> str:
    return quote(_LONE_PERCENT.sub("%25", query), safe=_KEPT_IN_PATH)


def _bad_url(why: str) -> FetchRefusedError:
    return FetchRefusedError(FetchReason.BAD_URL, why)
