"""Every kind of picture and of trouble, with what must come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tests.picture_host import pictures
from tests.picture_host.pictures import draw, save
from tests.picture_host.replies import Reply, build_picture, build_redirect, build_text

TOO_LARGE = 10_000_001
# Slower than any timeout of a test, and over before a forgotten one blocks anything.
_SLOW_S = 30.0
_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
_MISSING = b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True)
class Kind:
    """What is served, and how it ends.

    build    makes the answer, given the rest of the path
    fetch    the FetchReason that fetching it ends with; None: bytes come
    picture  the code word of the picture's refusal; None: a picture comes (if bytes come)
    size     width and height of the picture as it is shown
    """

    build: Callable[[str], Reply]
    fetch: str | None = None
    picture: str | None = None
    size: tuple[int, int] = (120, 120)


def _serve(build: Callable[[], bytes], media_type: str) -> Callable[[str], Reply]:
    # Made when first asked for, and then kept: a benchmark asks thousands of times.
    kept: list[Reply] = []

    def answer(_: str) -> Reply:
        if not kept:
            kept.append(build_picture(build(), media_type))
        return kept[0]

    return answer


def _jpeg() -> bytes:
    return pictures.build_jpeg(1)


def _give(reply: Reply) -> Callable[[str], Reply]:
    return lambda _: reply


_GOOD = {
    "jpeg": Kind(_serve(_jpeg, "image/jpeg")),
    "png": Kind(_serve(lambda: save(draw(2), "PNG"), "image/png")),
    "webp": Kind(_serve(lambda: save(draw(3), "WEBP"), "image/webp")),
    "gif": Kind(_serve(lambda: save(draw(4), "GIF"), "image/gif")),
    "avif": Kind(_serve(lambda: save(draw(4), "AVIF"), "image/avif")),
    "bmp": Kind(_serve(lambda: save(draw(4), "BMP"), "image/bmp")),
    "animated-gif": Kind(_serve(lambda: pictures.build_animated("GIF"), "image/gif")),
    "animated-webp": Kind(_serve(lambda: pictures.build_animated("WEBP"), "image/webp")),
    "cmyk": Kind(_serve(lambda: save(draw(5).convert("CMYK"), "JPEG"), "image/jpeg")),
    "grey": Kind(_serve(lambda: save(draw(5).convert("L"), "JPEG"), "image/jpeg")),
    "deep": Kind(_serve(pictures.build_deep_png, "image/png")),
    "palette": Kind(_serve(lambda: save(draw(6).convert("P"), "PNG"), "image/png")),
    "clear": Kind(_serve(pictures.build_clear_png, "image/png")),
    "rotated": Kind(_serve(pictures.build_rotated, "image/jpeg"), size=(60, 90)),
    "wrong-type": Kind(_serve(_jpeg, "text/plain")),
    "chunked": Kind(lambda _: replace(build_picture(_jpeg()), chunked=True)),
    "gzip": Kind(lambda _: build_picture(pictures.pack(_jpeg()), Content_Encoding="gzip")),
    "noai-for-others": Kind(lambda _: build_picture(_jpeg(), X_Robots_Tag="otherbot: noindex")),
}
# The bytes come, and are no picture that we keep.
_NO_PICTURE = {
    "html": Kind(_give(build_text(pictures.HTML, "image/jpeg")), picture="html"),
    "svg": Kind(_give(build_text(pictures.SVG, "image/svg+xml")), picture="svg"),
    "text": Kind(_give(build_text(b"hello " * 40, "image/png")), picture="not-a-picture"),
    "empty": Kind(_give(build_text(b"", "image/jpeg")), picture="empty"),
    "tiff": Kind(_serve(lambda: save(draw(7), "TIFF"), "image/tiff"), picture="unsupported-format"),
    "half": Kind(_serve(lambda: _jpeg()[: len(_jpeg()) // 2], "image/jpeg"), picture="truncated"),
    "half-png": Kind(_serve(lambda: save(draw(2), "PNG")[:300], "image/png"), picture="truncated"),
    "bomb": Kind(_serve(pictures.build_bomb, "image/png"), picture="too-many-pixels"),
}
# Nothing comes, and nothing would another time.
_REFUSED = {
    "too-large": Kind(lambda _: build_picture(pictures.build_long_jpeg(TOO_LARGE)), "too-large"),
    "endless": Kind(_give(Reply(body=bytes(65_536), endless=True)), "too-large"),
    "chunk-extensions": Kind(
        _give(Reply(raw=_CHUNKED, body=b"1;" + b"x" * 60_000 + b"\r\nA\r\n", endless=True)), "too-large"
    ),
    "gzip-bomb": Kind(lambda _: build_picture(pictures.build_gzip_bomb(), Content_Encoding="gzip"), "too-large"),
    "gzip-lie": Kind(lambda _: build_picture(_jpeg(), Content_Encoding="gzip"), "bad-encoding"),
    "gzip-large": Kind(
        lambda _: replace(
            build_picture(pictures.pack(pictures.build_noise(TOO_LARGE)), Content_Encoding="gzip"), chunked=True
        ),
        "too-large",
    ),
    "odd-encoding": Kind(lambda _: build_picture(_jpeg(), Content_Encoding="zopfli"), "bad-encoding"),
    "noai": Kind(lambda _: build_picture(_jpeg(), X_Robots_Tag="noai"), "noai"),
    "noindex": Kind(lambda _: build_picture(_jpeg(), X_Robots_Tag="max-snippet: 20, noindex"), "noai"),
    "missing": Kind(_give(build_text(b"no", "text/plain", status=404)), "http-404"),
    "gone": Kind(_give(build_text(b"no", "text/plain", status=410)), "http-410"),
    "missing-cut": Kind(_give(Reply(raw=_MISSING + b"400\r\nabc", then_close=True)), "http-404"),
    "locked": Kind(_give(build_text(b"no", "text/plain", status=403)), "http-403"),
    "teapot": Kind(_give(build_text(b"no", "text/plain", status=418)), "http-4xx"),
    "no-content": Kind(_give(build_text(b"", "text/plain", status=204)), "unexpected-status"),
    "to-metadata": Kind(_give(build_redirect("http://169.254.169.254/latest/meta-data/")), "forbidden-address"),
    "to-decimal": Kind(_give(build_redirect("http://2852039166/latest/meta-data/")), "forbidden-address"),
    "to-mapped": Kind(_give(build_redirect("http://[::ffff:169.254.169.254]/")), "forbidden-address"),
    "to-file": Kind(_give(build_redirect("file:///etc/passwd")), "forbidden-scheme"),
    "to-user": Kind(_give(build_redirect("http://user:secret@127.0.0.1/")), "bad-url"),
    "to-nowhere": Kind(_give(Reply(status=302)), "bad-redirect"),
    "to-itself": Kind(lambda rest: build_redirect(f"/kind/to-itself/{rest}"), "too-many-redirects"),
}
# Nothing comes this time.
_FAILED = {
    "cut": Kind(lambda _: replace(build_picture(_jpeg()[:400]), announced=4_000, then_close=True), "truncated-body"),
    "cut-chunks": Kind(
        _give(Reply(raw=_CHUNKED + b"400\r\nabc", then_close=True)),
        "truncated-body",
    ),
    "gzip-cut": Kind(lambda _: build_picture(pictures.pack(_jpeg())[:-20], Content_Encoding="gzip"), "truncated-body"),
    "broken": Kind(_give(build_text(b"no", "text/plain", status=500)), "http-5xx"),
    "busy": Kind(_give(Reply(status=429, body=b"later", headers={"Retry-After": "7"})), "http-429"),
    "slow": Kind(lambda _: replace(build_picture(_jpeg()), wait_s=_SLOW_S), "timeout"),
    "drip": Kind(lambda _: replace(build_picture(_jpeg()), drip_s=0.05), "timeout"),
    "silent": Kind(_give(Reply(silent=True)), "connect"),
    "drip-headers": Kind(_give(Reply(raw=b"HTTP/1.1 200 OK\r\nX-A: ", body=bytes(9_999), drip_s=0.05)), "timeout"),
    "many-headers": Kind(_give(Reply(raw=_OK, body=b"X-A: " + b"a" * 9_000 + b"\r\n", endless=True)), "bad-response"),
    "many-continues": Kind(_give(Reply(raw=_CONTINUE, body=_CONTINUE * 1_000, endless=True)), "bad-response"),
    "garbage": Kind(_give(Reply(raw=b"\x00\x01garbage\r\n\r\n", then_close=True)), "bad-response"),
}

KINDS: Mapping[str, Kind] = _GOOD | _NO_PICTURE | _REFUSED | _FAILED
