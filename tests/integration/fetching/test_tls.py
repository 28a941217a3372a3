"""https: certificates are verified, and the name stays the name although we connect to an address."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from fetching import Fetcher, FetchReason
from fetching.addresses import AddressGuard
from fetching.opening import Opener, build_tls_context
from tests.integration.fetching.conftest import LOOPBACK, BuildFetcher
from tests.integration.fetching.test_answers import get_reason
from tests.picture_host import KINDS, PictureHost
from tests.picture_host.replies import build_redirect

NAME = "pictures.example"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority of our own."""
    return trustme.CA()


@pytest.fixture
def secure_host(authority: trustme.CA) -> Iterator[PictureHost]:
    """A host with a certificate for NAME."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAME).configure_cert(context)
    with PictureHost(tls=context) as running:
        yield running


@pytest.fixture
def trusting(authority: trustme.CA, build: BuildFetcher, tmp_path: Path) -> Fetcher:
    """A fetcher that trusts this authority; every name is at 127.0.0.1."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    opener = Opener(
        AddressGuard(LOOPBACK),
        connect_timeout_s=2.0,
        read_timeout_s=2.0,
        tls_context=build_tls_context(cafile=str(tmp_path / "ca.pem")),
        lookup=lambda name, port: ["127.0.0.1"],
    )
    return build(opener=opener)


def test_verified(secure_host: PictureHost, trusting: Fetcher) -> None:
    """A certificate for the name passes, and the connection is kept."""
    for number in range(4):
        assert get_reason(trusting, secure_host.url(f"/many/{number}.jpg", host=NAME)) is None
    assert secure_host.connections == 1
    assert secure_host.last_headers["host"] == f"{NAME}:{secure_host.port}"


def test_wrong_name(secure_host: PictureHost, trusting: Fetcher) -> None:
    """A certificate for another name is refused, and nothing is asked."""
    url = secure_host.url("/many/1.jpg", host="other.example")
    assert get_reason(trusting, url) is FetchReason.TLS_CERTIFICATE
    assert not secure_host.counts


def test_unknown_authority(secure_host: PictureHost, build: BuildFetcher) -> None:
    """A certificate that nobody known has signed is refused."""
    opener = Opener(
        AddressGuard(LOOPBACK), connect_timeout_s=2.0, read_timeout_s=2.0, lookup=lambda name, port: ["127.0.0.1"]
    )
    url = secure_host.url("/many/1.jpg", host=NAME)
    assert get_reason(build(opener=opener), url) is FetchReason.TLS_CERTIFICATE


def test_no_tls_there(host: PictureHost, trusting: Fetcher) -> None:
    """A host that speaks no TLS is a failure that may pass."""
    assert get_reason(trusting, f"https://{NAME}:{host.port}/many/1.jpg") is FetchReason.TLS


def test_redirect_to_the_open_line(host: PictureHost, secure_host: PictureHost, trusting: Fetcher) -> None:
    """A redirect from https to http is refused; one from http to https is followed."""
    secure_host.script("/down", build_redirect(host.url("/many/1.jpg")))
    assert get_reason(trusting, secure_host.url("/down", host=NAME)) is FetchReason.INSECURE_REDIRECT
    host.script("/up", build_redirect(secure_host.url("/many/1.jpg", host=NAME)))
    assert get_reason(trusting, host.url("/up")) is None


@pytest.mark.parametrize("name", ["drip", "cut", "endless", "slow"])
def test_limits_hold_over_tls(name: str, secure_host: PictureHost, trusting: Fetcher) -> None:
    """Time, size and length are watched over TLS as over the open line."""
    url = secure_host.url(f"/kind/{name}/x", host=NAME)
    assert get_reason(trusting, url, timeout_s=1.0) == KINDS[name].fetch
