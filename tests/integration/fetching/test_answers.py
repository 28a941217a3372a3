"""What comes of good, broken and hostile answers."""

from __future__ import annotations

import socket

import pytest

from fetching import Fetched, Fetcher, FetchError, FetchFailedError, FetchReason, NotModified
from fetching.deadlines import BoundedSocket
from tests.integration.fetching.conftest import BuildFetcher
from tests.picture_host import KINDS, PictureHost, Reply
from tests.picture_host.kinds import TOO_LARGE
from tests.picture_host.pictures import build_jpeg, build_long_jpeg, pack
from tests.picture_host.replies import build_picture

PLAIN = "/many/7.jpg"


def get_reason(fetcher: Fetcher, url: str, **options: object) -> FetchReason | None:
    """Why a fetch failed; None if it did not."""
    try:
        fetcher.fetch(url, **options)  # type: ignore[arg-type]
    except FetchError as error:
        return error.reason
    return None


def fetch(fetcher: Fetcher, url: str, **options: object) -> Fetched:
    """A fetch that brings bytes."""
    answer = fetcher.fetch(url, **options)  # type: ignore[arg-type]
    assert isinstance(answer, Fetched)
    return answer


@pytest.mark.parametrize("name", KINDS)
def test_every_kind(name: str, host: PictureHost, build: BuildFetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of answer ends as its table says, and wherever it points to, only the host itself is connected to."""
    connected: list[object] = []
    connect = BoundedSocket.connect
    monkeypatch.setattr(BoundedSocket, "connect", lambda sock, at: (connected.append(at), connect(sock, at))[1])
    fetcher = build(timeout_s=1.5)
    assert get_reason(fetcher, host.url(f"/kind/{name}/x.jpg")) == KINDS[name].fetch
    assert set(connected) == {(host.address, host.port)}
    # What went wrong on one connection goes wrong on no other.
    assert fetch(fetcher, host.url(PLAIN)).body == build_jpeg(7)


def test_plain(host: PictureHost, fetcher: Fetcher) -> None:
    """A good answer brings the very bytes, with what the host says about them."""
    answer = fetch(fetcher, host.url(PLAIN))
    assert (answer.status, answer.media_type, answer.body) == (200, "image/jpeg", build_jpeg(7))
    assert answer.url == answer.final_url == host.url(PLAIN)
    assert answer.etag and answer.last_modified and answer.headers["etag"] == answer.etag
    assert answer.elapsed_ms > 0


def test_request_headers(host: PictureHost, fetcher: Fetcher) -> None:
    """A request says who we are and what we take, and nothing else."""
    fetch(fetcher, host.url(PLAIN), accept="image/*")
    assert host.last_headers == {
        "host": f"{host.address}:{host.port}",
        "user-agent": "AnimeBot/1.0 (+https://example.org/bot)",
        "accept": "image/*",
        "accept-encoding": "gzip",
    }


def test_not_modified(host: PictureHost, fetcher: Fetcher) -> None:
    """With a validator that still fits nothing is sent again; with one that does not, the picture is."""
    first = fetch(fetcher, host.url(PLAIN))
    for validators in ({"etag": first.etag}, {"last_modified": first.last_modified}):
        answer = fetcher.fetch(host.url(PLAIN), **validators)
        assert isinstance(answer, NotModified) and answer.etag == first.etag
    assert fetch(fetcher, host.url(PLAIN), etag='"another"', last_modified=first.last_modified).body == first.body


@pytest.mark.parametrize("etag", ['"a"\r\nX-Evil: 1', '"ü"', '"a\x00"', ""])
def test_validator_that_cannot_be_sent(etag: str, host: PictureHost, fetcher: Fetcher) -> None:
    """A validator that is no header value is left out, and adds no header of its own."""
    assert fetch(fetcher, host.url(PLAIN), etag=etag).body == build_jpeg(7)
    assert not {"x-evil", "if-none-match"} & host.last_headers.keys()


def test_304_that_nobody_asked_for(host: PictureHost, fetcher: Fetcher) -> None:
    """304 without a validator of ours is no answer."""
    host.script("/odd", Reply(status=304))
    assert get_reason(fetcher, host.url("/odd")) is FetchReason.UNEXPECTED_STATUS


def test_304_that_withdraws(host: PictureHost, fetcher: Fetcher) -> None:
    """A host that says noai with 304 does not want what we have to be used."""
    host.script("/mine", Reply(status=304, headers={"X-Robots-Tag": "noai"}))
    assert get_reason(fetcher, host.url("/mine"), etag='"a"') is FetchReason.NOAI


@pytest.mark.parametrize("form", ["plain", "chunked", "endless", "gzip"])
def test_size_limit(form: str, host: PictureHost, fetcher: Fetcher) -> None:
    """The last byte that is allowed passes, one more does not, however it is sent."""
    for size, reason in ((TOO_LARGE - 1, None), (TOO_LARGE, FetchReason.TOO_LARGE)):
        body = build_long_jpeg(size)
        replies = {
            "plain": build_picture(body),
            "chunked": Reply(body=body, chunked=True),
            "endless": Reply(raw=b"HTTP/1.1 200 OK\r\n\r\n", body=body, then_close=True),
            "gzip": build_picture(pack(body), Content_Encoding="gzip"),
        }
        host.script("/large.jpg", replies[form])
        assert get_reason(fetcher, host.url("/large.jpg"), max_bytes=TOO_LARGE - 1) is reason


def test_announced_size_is_refused_early(host: PictureHost, fetcher: Fetcher) -> None:
    """An announced length above the limit is refused before the body, which here never comes."""
    host.script("/large.jpg", Reply(body=b"x", announced=TOO_LARGE))
    assert get_reason(fetcher, host.url("/large.jpg"), max_bytes=1_000) is FetchReason.TOO_LARGE


def test_announced_size_is_not_believed(host: PictureHost, fetcher: Fetcher) -> None:
    """What comes after the announced length belongs to no answer: not to this one and not to the next."""
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    host.script("/short.jpg", Reply(body=b"abcd" + forged, announced=4))
    assert fetch(fetcher, host.url("/short.jpg")).body == b"abcd"
    assert fetch(fetcher, host.url(PLAIN)).body == build_jpeg(7)


@pytest.mark.parametrize(
    ("value", "media_type"),
    [("Image/PNG; charset=x", "image/png"), ("", None), ("nonsense", None), ("image/png\x00", None), ("a/" * 99, None)],
)
def test_media_type(value: str, media_type: str | None, host: PictureHost, fetcher: Fetcher) -> None:
    """The media type is cleaned, and nonsense is none at all."""
    host.script("/a", Reply(body=b"x", headers={"Content-Type": value}))
    assert fetch(fetcher, host.url("/a")).media_type == media_type


@pytest.mark.parametrize("value", ['"a\x00b"', '"' + "a" * 2_000 + '"', '"a"\r\n folded'])
def test_validator_that_is_not_kept(value: str, host: PictureHost, fetcher: Fetcher) -> None:
    """Validators that no database column takes, or that are not one line, are dropped."""
    host.script("/a", Reply(body=b"x", headers={"ETag": value}))
    assert fetch(fetcher, host.url("/a")).etag is None


def test_error_page_does_not_matter(host: PictureHost, fetcher: Fetcher) -> None:
    """A 404 is a 404 even if its page is cut off, and a small whole one costs no new connection."""
    host.script("/cut", Reply(status=404, body=b"x", announced=99, then_close=True))
    assert get_reason(fetcher, host.url("/cut")) is FetchReason.HTTP_404
    before = host.connections
    for _ in range(3):
        assert get_reason(fetcher, host.url("/kind/missing/x")) is FetchReason.HTTP_404
    assert host.connections == before + 1


def test_status_and_pause_are_told(host: PictureHost, fetcher: Fetcher) -> None:
    """The error of an HTTP status carries it, and the pause that the host asks for."""
    with pytest.raises(FetchFailedError) as caught:
        fetcher.fetch(host.url("/pause/11/1/x"))
    assert (caught.value.status, caught.value.retry_after_s) == (429, 11.0)


def test_nobody_listens(fetcher: Fetcher) -> None:
    """A port that nobody listens on is a failure that may pass."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert get_reason(fetcher, f"http://127.0.0.1:{taken.getsockname()[1]}/") is FetchReason.CONNECT
