"""The guard as an attacker meets it: names, redirects, changing addresses."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence

import pytest

from fetching import Fetched, Fetcher, FetchReason
from fetching.addresses import AddressGuard
from fetching.opening import Lookup, Opener
from tests.integration.fetching.conftest import LOOPBACK, BuildFetcher
from tests.integration.fetching.test_answers import get_reason
from tests.picture_host import PictureHost
from tests.picture_host.replies import build_redirect

BuildNamed = Callable[..., Fetcher]


@pytest.fixture
def named(build: BuildFetcher) -> BuildNamed:
    """Makes fetchers whose names are resolved by a function of the test."""

    def make(lookup: Lookup, *, allowed: Sequence[str] = LOOPBACK, **options: object) -> Fetcher:
        opener = Opener(AddressGuard(allowed), connect_timeout_s=0.5, read_timeout_s=5.0, lookup=lookup)
        return build(opener=opener, **options)

    return make


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://[64:ff9b::7f00:1]:{port}/",
        "http://[2002:7f00:1::]:{port}/",
        "http://0.0.0.0:{port}/",
        "http://[::]:{port}/",
        "http://127.1:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f.0.0.1:{port}/",
        "http://0177.0.0.1:{port}/",
        "http://１２７.０.０.１:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://100.100.100.200/",
        "http://[fd00:ec2::254]/",
    ],
)
def test_private_addresses(url: str, host: PictureHost, build: BuildFetcher) -> None:
    """Without an allowed network no form of a private address is connected to."""
    fetcher = build(allowed_networks=())
    assert get_reason(fetcher, url.format(port=host.port)) is FetchReason.FORBIDDEN_ADDRESS
    assert host.connections == 0


def test_name_at_a_private_address(host: PictureHost, named: BuildNamed) -> None:
    """A public name that resolves to a private address, alone or among public ones, is not connected to."""
    for addresses in (["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"], ["fe80::1%eth0"]):
        fetcher = named(lambda name, port, found=addresses: found, allowed=())
        assert get_reason(fetcher, host.url("/many/1.jpg", host="rebind.example")) is FetchReason.FORBIDDEN_ADDRESS
    assert host.connections == 0


def test_rebinding(host: PictureHost, named: BuildNamed) -> None:
    """A name is resolved once for a connection, so an answer that changes after the check changes nothing."""
    asked: list[str] = []

    def lookup(name: str, port: int) -> list[str]:
        asked.append(name)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.7"]

    fetcher = named(lookup, respect_robots=False)
    for number in range(3):
        assert get_reason(fetcher, host.url(f"/many/{number}.jpg", host="rebind.example")) is None
    assert asked == ["rebind.example"]
    assert host.last_headers["host"] == f"rebind.example:{host.port}"
    # The kept connection ends; the next one is checked anew.
    host.script("/bye", build_redirect("/never"))
    get_reason(fetcher, host.url("/kind/silent/x", host="rebind.example"))
    assert get_reason(fetcher, host.url("/many/1.jpg", host="rebind.example")) is FetchReason.FORBIDDEN_ADDRESS


def test_redirect_to_another_address(build: BuildFetcher) -> None:
    """Each hop is checked: an allowed host cannot lead to one that is not."""
    with PictureHost(address="127.0.0.1") as outer, PictureHost(address="127.0.0.2") as inner:
        outer.script("/go", build_redirect(inner.url("/many/1.jpg")))
        fetcher = build(allowed_networks=("127.0.0.1/32",))
        assert get_reason(fetcher, outer.url("/go")) is FetchReason.FORBIDDEN_ADDRESS
        assert (outer.count("/go"), inner.connections) == (1, 0)
        assert get_reason(build(), outer.url("/go")) is None


def test_robots_redirect_to_another_address(build: BuildFetcher) -> None:
    """robots.txt gets nobody past the guard either; one that leads nowhere forbids nothing."""
    with PictureHost(address="127.0.0.2") as inner:
        robots = build_redirect(inner.url("/robots.txt"))
        with PictureHost(address="127.0.0.1", robots=robots) as outer:
            fetcher = build(allowed_networks=("127.0.0.1/32",))
            assert get_reason(fetcher, outer.url("/many/1.jpg")) is None
            assert (outer.count("/robots.txt"), inner.connections) == (1, 0)


def test_private_headers_stay_with_their_origin(fetcher: Fetcher) -> None:
    """Headers of the caller, such as a token, follow a redirect within the origin and no other."""
    with PictureHost(address="127.0.0.1") as first, PictureHost(address="127.0.0.2") as second:
        first.script("/go", build_redirect("/many/1.jpg"))
        first.script("/away", build_redirect(second.url("/many/1.jpg")))
        fetcher.fetch(first.url("/go"), headers={"Authorization": "Bearer secret"})
        assert first.last_headers["authorization"] == "Bearer secret"
        fetcher.fetch(first.url("/away"), headers={"Authorization": "Bearer secret"})
        assert second.count("/many/1.jpg") == 1 and "authorization" not in second.last_headers


@pytest.mark.parametrize("hops", [1, 2, 3, 4, 5])
def test_redirects(hops: int, host: PictureHost, fetcher: Fetcher) -> None:
    """Up to five redirects of every status are followed, and the final address is told."""
    answer = fetcher.fetch(host.url(f"/redirect/{hops}/many/1.jpg"))
    assert isinstance(answer, Fetched) and answer.final_url == host.url("/many/1.jpg")


def test_too_many_redirects(host: PictureHost, fetcher: Fetcher) -> None:
    """The sixth redirect is not followed."""
    assert get_reason(fetcher, host.url("/redirect/6/many/1.jpg")) is FetchReason.TOO_MANY_REDIRECTS
    assert host.count("/many/1.jpg") == 0


def test_unknown_host(named: BuildNamed) -> None:
    """A name that does not exist is refused; a resolver that fails for now is a failure that may pass."""

    def fail(code: int) -> Lookup:
        def lookup(name: str, port: int) -> list[str]:
            raise socket.gaierror(code, "no")

        return lookup

    assert get_reason(named(fail(socket.EAI_NONAME)), "http://gone.example/") is FetchReason.UNKNOWN_HOST
    assert get_reason(named(fail(socket.EAI_AGAIN)), "http://later.example/") is FetchReason.DNS
    assert get_reason(named(lambda name, port: []), "http://empty.example/") is FetchReason.UNKNOWN_HOST


def test_resolver_that_hangs(host: PictureHost, named: BuildNamed) -> None:
    """A lookup that never ends costs its own fetch the connect timeout, and other names nothing."""
    released = threading.Event()

    def lookup(name: str, port: int) -> list[str]:
        if name == "hangs.example":
            released.wait(60)
        return ["127.0.0.1"]

    fetcher = named(lookup)
    try:
        for _ in range(3):
            assert get_reason(fetcher, host.url("/", host="hangs.example")) is FetchReason.DNS
        assert get_reason(fetcher, host.url("/many/1.jpg", host="works.example")) is None
    finally:
        released.set()


def test_lookups_at_once_are_bounded(named: BuildNamed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lookups that hang are bounded; one more is a failure that may pass."""
    monkeypatch.setattr("fetching.opening._MOST_LOOKUPS", 2)
    released = threading.Event()
    asked: list[str] = []

    def lookup(name: str, port: int) -> list[str]:
        asked.append(name)
        released.wait(60)
        return ["127.0.0.1"]

    fetcher = named(lookup, respect_robots=False)
    try:
        reasons = [get_reason(fetcher, f"http://{number}.hangs.example/") for number in range(4)]
    finally:
        released.set()
    assert (reasons, len(asked)) == ([FetchReason.DNS] * 4, 2)


def test_second_address_is_tried(host: PictureHost, named: BuildNamed) -> None:
    """Where a name has several addresses, the next is tried when one refuses."""
    fetcher = named(lambda name, port: ["127.0.0.9", "127.0.0.1"])
    assert get_reason(fetcher, host.url("/many/1.jpg", host="two.example")) is None
