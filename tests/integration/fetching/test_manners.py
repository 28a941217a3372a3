"""How hosts are treated: robots.txt, pauses, circuits, numbers of requests at once, connections."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import pytest

from core.settings import Settings
from fetching import Fetcher, FetchReason, build_fetcher, build_options
from fetching.breakers import BreakerState
from tests.integration.fetching.conftest import BuildFetcher
from tests.integration.fetching.test_answers import get_reason
from tests.picture_host import PictureHost, Reply
from tests.picture_host.replies import build_picture, build_redirect, build_text

PLAIN = "/many/1.jpg"


def fetch_at_once(fetcher: Fetcher, urls: list[str]) -> Counter[FetchReason | None]:
    """All of them at the same time; how often they ended for which reason."""
    with ThreadPoolExecutor(len(urls)) as threads:
        return Counter(threads.map(lambda url: get_reason(fetcher, url), urls))


def test_robots(host: PictureHost, fetcher: Fetcher) -> None:
    """What robots.txt forbids is not asked for; robots.txt itself is asked for once."""
    for number in range(3):
        assert get_reason(fetcher, host.url(f"/forbidden/{number}.jpg")) is FetchReason.ROBOTS
        assert get_reason(fetcher, host.url(f"/many/{number}.jpg")) is None
    assert host.count("/robots.txt") == 1
    assert not [path for path in host.counts if path.startswith("/forbidden")]


def test_robots_of_a_redirect(host: PictureHost, fetcher: Fetcher) -> None:
    """A redirect does not lead where robots.txt forbids to go."""
    host.script("/go", build_redirect("/forbidden/x.jpg"))
    assert get_reason(fetcher, host.url("/go")) is FetchReason.ROBOTS
    assert host.count("/forbidden/x.jpg") == 0


def test_robots_not_respected(host: PictureHost, build: BuildFetcher) -> None:
    """Told to, a fetcher asks for no robots.txt and minds no X-Robots-Tag."""
    fetcher = build(respect_robots=False)
    assert get_reason(fetcher, host.url("/forbidden/x.jpg")) is None
    assert get_reason(fetcher, host.url("/kind/noai/x.jpg")) is None
    assert host.count("/robots.txt") == 0


@pytest.mark.parametrize(
    ("robots", "reason"),
    [
        (build_text(b"", "text/plain", status=404), None),
        (build_text(b"", "text/plain", status=403), None),
        (build_text(b"", "text/plain", status=500), FetchReason.ROBOTS_UNREACHABLE),
        (build_text(b"", "text/plain", status=429), FetchReason.ROBOTS_UNREACHABLE),
        (Reply(raw=b"nonsense\r\n\r\n", then_close=True), FetchReason.ROBOTS_UNREACHABLE),
        (build_redirect("/robots.txt"), None),
        (build_redirect("/file-that-is-not"), None),
        (build_text(b"\xef\xbb\xbfUser-agent: *\nDisallow: /many/", "text/plain"), FetchReason.ROBOTS),
        (build_text(b"User-agent: *\nDisallow: /many/\n" + b"#" * 2_000_000, "text/plain"), FetchReason.ROBOTS),
        (build_text(b"#" * 600_000 + b"\nUser-agent: *\nDisallow: /many/", "text/plain"), None),
    ],
)
def test_answers_for_robots(robots: Reply, reason: FetchReason | None, host: PictureHost, fetcher: Fetcher) -> None:
    """RFC 9309: a 4xx or endless redirects allow all, a 5xx nothing for now, and half a megabyte is read."""
    host.set_robots(robots)
    assert get_reason(fetcher, host.url(PLAIN)) is reason


def test_robots_by_redirect(host: PictureHost, fetcher: Fetcher) -> None:
    """A robots.txt that lies elsewhere is found there."""
    host.set_robots(build_redirect("/elsewhere.txt"))
    host.script("/elsewhere.txt", build_text(b"User-agent: animebot\nDisallow: /", "text/plain"))
    assert get_reason(fetcher, host.url(PLAIN)) is FetchReason.ROBOTS


def test_slow_robots(host: PictureHost, build: BuildFetcher) -> None:
    """A robots.txt that does not come holds up nobody for longer than a fetch may take, and is not waited for again."""
    host.set_robots(Reply(body=b"", wait_s=20.0))
    ended = fetch_at_once(build(timeout_s=0.5), [host.url(f"/many/{number}.jpg") for number in range(4)])
    assert set(ended) <= {FetchReason.ROBOTS_UNREACHABLE, FetchReason.TIMEOUT}
    assert sum(ended.values()) == 4 and not host.count("/many/0.jpg")


def test_connections_are_kept(host: PictureHost, fetcher: Fetcher) -> None:
    """Fetches one after the other share one connection, whatever their answers were."""
    for path in [
        PLAIN,
        "/kind/missing/x",
        "/kind/chunked/x",
        "/kind/gzip/x",
        "/kind/empty/x",
        "/redirect/2/many/2.jpg",
    ]:
        get_reason(fetcher, host.url(path))
    assert host.connections == 1


def test_connection_that_the_host_has_closed(host: PictureHost, fetcher: Fetcher) -> None:
    """A kept connection that the host ends, before or with our next request, costs a new one and no error."""
    host.script("/last", replace(build_picture(b"x"), then_close=True))
    host.script("/race", Reply(silent=True), build_picture(b"x"))
    for path in ("/last", PLAIN, "/race"):
        assert get_reason(fetcher, host.url(path)) is None
    assert host.count("/race") == 2
    assert host.connections == 3


def test_idle_connections_are_bounded(build: BuildFetcher) -> None:
    """No more connections wait than may be open: the one unused for longest is closed."""
    with ExitStack() as stack:
        hosts = [stack.enter_context(PictureHost(address=f"127.0.0.{number}")) for number in (1, 2, 3)]
        fetcher = build(connections=2, respect_robots=False)
        for host in [*hosts, hosts[2], hosts[1], hosts[0]]:
            assert get_reason(fetcher, host.url(PLAIN)) is None
        assert [host.connections for host in hosts] == [2, 1, 1]


def test_fresh_connection_is_tried_once(host: PictureHost, fetcher: Fetcher) -> None:
    """A host that hangs up on a new connection has failed: it is not asked again within the call."""
    assert get_reason(fetcher, host.url("/kind/silent/x")) is FetchReason.CONNECT
    # robots.txt left a connection behind, so once more on a new one, and no further.
    assert host.count("/kind/silent/x") == 2
    host.reset()
    assert get_reason(fetcher, host.url("/kind/silent/x")) is FetchReason.CONNECT
    assert host.count("/kind/silent/x") == 1


def test_bounds_on_requests_at_once(host: PictureHost, build: BuildFetcher) -> None:
    """No host is asked more at once than it may be, and all get their answer."""
    fetcher = build(connections_by_host=3)
    ended = fetch_at_once(fetcher, [host.url(f"/slow/0.05{PLAIN}?{number}") for number in range(24)])
    assert ended == {None: 24}
    assert host.most_at_once == 3
    assert host.connections <= 3


def test_bound_in_all(build: BuildFetcher) -> None:
    """Several hosts together are not asked more at once than the fetcher may ask."""
    with PictureHost(address="127.0.0.1") as first, PictureHost(address="127.0.0.2") as second:
        fetcher = build(connections=4, connections_by_host=3, respect_robots=False)
        urls = [host.url(f"/slow/0.05{PLAIN}?{number}") for number in range(12) for host in (first, second)]
        assert fetch_at_once(fetcher, urls) == {None: 24}
        assert max(first.most_at_once, second.most_at_once) <= 3
        assert first.most_at_once + second.most_at_once <= 6


def test_no_slot_in_time(host: PictureHost, build: BuildFetcher) -> None:
    """Who waits too long for a slot is told so, and is not counted against the host."""
    fetcher = build(connections_by_host=1, slot_wait_s=0.05, breaker_threshold=1, respect_robots=False)
    ended = fetch_at_once(fetcher, [host.url(f"/slow/1.0{PLAIN}?{number}") for number in range(4)])
    assert ended == {None: 1, FetchReason.HOST_BUSY: 3}
    assert fetcher.get_breaker_states() == {}


def test_waiting_for_a_slot_is_no_time_of_the_fetch(host: PictureHost, build: BuildFetcher) -> None:
    """The time limit of a fetch begins anew when its turn comes: eight of 0.5 seconds pass within 3 seconds each."""
    fetcher = build(connections_by_host=1, timeout_s=3.0, respect_robots=False)
    assert fetch_at_once(fetcher, [host.url(f"/slow/0.5{PLAIN}?{number}") for number in range(8)]) == {None: 8}


def test_retries_within_the_call(host: PictureHost, build: BuildFetcher) -> None:
    """With attempts allowed, a failure that passes is not seen by the caller; one that stays is, after the last."""
    fetcher = build(attempts=3, backoff_s=0.01, most_backoff_s=2.0)
    assert get_reason(fetcher, host.url("/flaky/500/2/x")) is None
    assert host.count("/flaky/500/2/x") == 3
    assert get_reason(fetcher, host.url("/flaky/500/9/x")) is FetchReason.HTTP_5XX
    assert host.count("/flaky/500/9/x") == 3


@pytest.mark.parametrize(("path", "reason"), [("/kind/missing/x", "http-404"), ("/pause/30/1/x", "http-429")])
def test_no_retry(path: str, reason: str, host: PictureHost, build: BuildFetcher) -> None:
    """What will not change is asked once, and so is a host that asks for a longer pause than we wait in a call."""
    fetcher = build(attempts=3, backoff_s=0.01, most_backoff_s=2.0)
    assert get_reason(fetcher, host.url(path)) == reason
    assert host.count(path) == 1


def test_circuit(host: PictureHost, build: BuildFetcher) -> None:
    """After failures in a row a host is not asked any more for a while, and others are."""
    fetcher = build(breaker_threshold=3, breaker_open_s=60.0)
    for number in range(3):
        assert get_reason(fetcher, host.url(f"/kind/broken/{number}")) is FetchReason.HTTP_5XX
    before = sum(host.counts.values())
    assert get_reason(fetcher, host.url(PLAIN)) is FetchReason.CIRCUIT_OPEN
    assert sum(host.counts.values()) == before
    assert fetcher.get_breaker_states() == {f"{host.address}:{host.port}": BreakerState.OPEN}
    with PictureHost(address="127.0.0.2") as other:
        assert get_reason(fetcher, other.url(PLAIN)) is None


def test_refusals_open_no_circuit(host: PictureHost, build: BuildFetcher) -> None:
    """A host that answers, if only with 404 or too much, is well."""
    fetcher = build(breaker_threshold=2)
    for path in ["/kind/missing/x", "/kind/endless/x", "/kind/gzip-lie/x", "/kind/noai/x", "/kind/to-file/x"] * 2:
        get_reason(fetcher, host.url(path))
    assert get_reason(fetcher, host.url(PLAIN)) is None


def test_circuit_closes(host: PictureHost, build: BuildFetcher) -> None:
    """When the time is over one request tries, and its success lets the others pass."""
    fetcher = build(breaker_threshold=1, breaker_open_s=0.01, respect_robots=False, attempts=4, backoff_s=0.05)
    assert get_reason(fetcher, host.url("/flaky/500/1/x")) is None
    assert fetcher.get_breaker_states() == {}


def test_pause_that_a_host_asks_for(host: PictureHost, build: BuildFetcher) -> None:
    """After 429 with Retry-After the whole host is left alone, if the fetcher is told to do so."""
    polite, hasty = build(pause_hosts=True, respect_robots=False), build(respect_robots=False)
    for fetcher in (polite, hasty):
        assert get_reason(fetcher, host.url("/kind/busy/x")) is FetchReason.HTTP_429
    assert get_reason(polite, host.url(PLAIN)) is FetchReason.CIRCUIT_OPEN
    assert get_reason(hasty, host.url(PLAIN)) is None


def test_pause_of_no_length(host: PictureHost, build: BuildFetcher) -> None:
    """Retry-After: 0 is no pause, and is counted as the failure that it is."""
    fetcher = build(pause_hosts=True, breaker_threshold=5)
    for _ in range(3):
        assert get_reason(fetcher, host.url("/pause/0/9/x")) is FetchReason.HTTP_429
    assert fetcher.get_breaker_states() == {}


def test_built_by_the_settings(host: PictureHost) -> None:
    """The settings of downloads are those of the fetcher."""
    settings = Settings(
        _env_file=None,
        download_user_agent="Mine/2 (+mailto:me@example.org)",
        download_allowed_networks="127.0.0.0/8",
        download_respect_robots=False,
        picture_max_bytes=1_000,
    )
    assert build_options(settings).connections_by_host == settings.download_per_host
    with build_fetcher(settings, timeout_s=3.0) as fetcher:
        assert get_reason(fetcher, host.url(PLAIN)) is FetchReason.TOO_LARGE
        assert host.last_headers["user-agent"] == "Mine/2 (+mailto:me@example.org)"
        assert host.count("/robots.txt") == 0


def test_closed_fetcher_keeps_nothing(host: PictureHost, build: BuildFetcher) -> None:
    """After closing, a fetch still works, and leaves no connection behind."""
    fetcher = build(respect_robots=False)
    fetcher.close()
    for _ in range(2):
        assert get_reason(fetcher, host.url(PLAIN)) is None
    assert host.connections == 2
