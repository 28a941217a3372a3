"""The picture of a request: every way in, every refusal, and what travels to the query worker."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from PIL import Image

from api.picture_errors import PictureMissingError, PictureTypeError, PictureUrlError, find_picture_problem
from api.picture_input import QUERY_SIDE, PictureReader, PictureSource
from core.errors import InvalidInputError, OverloadedError
from core.pictures import DecodeBudget, PictureRefusedError
from core.settings import Settings
from fetching import Fetched, FetchFailedError, FetchReason, FetchRefusedError
from tests.picture_host.pictures import (
    HTML,
    SVG,
    build_animated,
    build_bomb,
    build_long_jpeg,
    build_rotated,
    draw,
    save,
)

SMALL = save(draw(1), "JPEG")
LARGE = save(draw(2, width=2_000, height=1_400), "JPEG", quality=90)
URL = "https://example.org/1.jpg"


@dataclass
class FakeFetcher:
    """Answers with these bytes, or raises; remembers what it was asked."""

    body: bytes = SMALL
    error: Exception | None = None
    asked: dict[str, Any] | None = None

    def fetch(self, url: str, **options: Any) -> Fetched:
        """As Fetcher.fetch."""
        self.asked = {"url": url, **options}
        if self.error is not None:
            raise self.error
        return Fetched(url, url, 200, self.body, "text/plain", None, None, {}, 1.0)


@dataclass
class FakeUpload:
    """A file of a form."""

    data: bytes
    mimetype: str = "image/jpeg"

    def read(self) -> bytes:
        """The content."""
        return self.data


def build_reader(fetcher: FakeFetcher | None = None, **settings: Any) -> PictureReader:
    """A reader of these settings."""
    fetching: Any = fetcher or FakeFetcher()
    chosen = Settings(_env_file=None, **settings)
    budget = DecodeBudget.of(max_pixels=chosen.picture_max_pixels, places=2, wait_s=0.05)
    return PictureReader(chosen, fetcher=fetching, budget=budget)


def encode(data: bytes) -> str:
    """Base64."""
    return base64.b64encode(data).decode()


WAYS: dict[str, Callable[[bytes], PictureSource]] = {
    "upload": lambda data: PictureSource(upload=FakeUpload(data)),
    "upload that says nothing": lambda data: PictureSource(upload=FakeUpload(data, "")),
    "base64": lambda data: PictureSource(image_data=encode(data)),
    "base64 in lines": lambda data: PictureSource(image_data=base64.encodebytes(data).decode().replace("\n", "\r\n")),
    "data URL": lambda data: PictureSource(image_data=f"data:image/jpeg;base64,{encode(data)}"),
    "data URL in capitals": lambda data: PictureSource(image_data=f"DATA:IMAGE/PNG;charset=x;BASE64,{encode(data)}"),
    "data URL without type": lambda data: PictureSource(image_data=f"data:;base64,{encode(data)}"),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_brings_the_same_picture(way: str) -> None:
    """The bytes are those that were sent, whatever they were wrapped in, and so is their name."""
    reader = build_reader()
    picture = reader.read(WAYS[way](SMALL))
    assert picture.data == SMALL
    assert (picture.info.format, picture.info.width, picture.url) == ("JPEG", 120, None)
    assert reader.read_query(WAYS[way](SMALL)).sha256 == hashlib.sha256(SMALL).hexdigest()


def test_an_address_is_fetched_within_the_limits() -> None:
    """The fetcher gets the largest size and a short time; the host's word for the type does not count."""
    fetcher = FakeFetcher()
    picture = build_reader(fetcher, picture_max_bytes=50_000, download_timeout_s=3).read(PictureSource(image_url=URL))
    assert (picture.data, picture.url, picture.field) == (SMALL, URL, "image_url")
    assert fetcher.asked == {"url": URL, "max_bytes": 50_000, "timeout_s": 3.0, "accept": "image/*"}


# What is wrong, the status and the type of its problem document.
REFUSED: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 422, "picture-empty"),
    "text": (b"hello " * 100, 415, "picture-not-a-picture"),
    "HTML": (HTML, 415, "picture-html"),
    "SVG": (SVG, 415, "picture-svg"),
    "TIFF": (save(draw(1), "TIFF"), 415, "picture-unsupported-format"),
    "GIF": (save(draw(1), "GIF"), 415, "picture-unsupported-format"),
    "10 MB and a byte": (build_long_jpeg(10_000_001), 413, "picture-too-large"),
    "100 megapixels": (build_bomb(), 422, "picture-too-many-pixels"),
    "half a JPEG": (LARGE[: len(LARGE) // 2], 422, "picture-truncated"),
    "half a PNG": (save(draw(1), "PNG")[:300], 422, "picture-truncated"),
}


@pytest.mark.parametrize("way", ["upload", "base64", "image_url"])
@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_good_picture_is_a_problem_of_its_own(way: str, what: str) -> None:
    """Each thing that can be wrong has its status and its type, and names the field that it came in."""
    data, status, code = REFUSED[what]
    source = PictureSource(image_url=URL) if way == "image_url" else WAYS[way](data)
    with pytest.raises(InvalidInputError) as caught:
        build_reader(FakeFetcher(data)).read_query(source)
    assert caught.value.field == {"upload": "image", "base64": "image_data", "image_url": "image_url"}[way]
    assert find_picture_problem(caught.value) == (status, code)


def test_exactly_the_largest_size_is_taken() -> None:
    """10,000,000 bytes pass, one more does not."""
    assert build_reader().read_query(WAYS["upload"](build_long_jpeg(10_000_000))).width == 120


@pytest.mark.parametrize(
    "text",
    [
        "!!!",
        "abc",
        "a" * 5,
        "data:image/png,abc",
        "data:image/png;base64",
        "data:;charset=utf-8,x",
        # A head of any length is not read: a hundred thousand parameters took seconds, and a body of them gigabytes.
        f"data:image/png{';a=b' * 200};base64,QUJD",
        "QUJ\u00e9",
        "\ud800",
    ],
)
def test_what_is_no_base64_is_refused(text: str) -> None:
    """A text of another kind is a problem that names its field."""
    with pytest.raises(InvalidInputError) as caught:
        build_reader().read(PictureSource(image_data=text))
    assert (caught.value.field, caught.value.code) == ("image_data", "picture-encoding")


@pytest.mark.parametrize("text", ["", "   ", "data:image/png;base64,"])
def test_no_base64_at_all_is_an_empty_picture(text: str) -> None:
    """An empty text is an empty picture."""
    with pytest.raises(PictureRefusedError) as caught:
        build_reader().read(PictureSource(image_data=text))
    assert caught.value.code_word == "empty"


def test_what_says_that_it_is_something_else_is_refused() -> None:
    """A part or a data URL of another media type is a 415, whatever its bytes are."""
    for source in (
        PictureSource(upload=FakeUpload(SMALL, "application/pdf")),
        PictureSource(image_data=f"data:text/html;base64,{encode(SMALL)}"),
    ):
        with pytest.raises(PictureTypeError) as caught:
            build_reader().read(source)
        assert find_picture_problem(caught.value) == (415, "picture-media-type")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (FetchRefusedError(FetchReason.FORBIDDEN_ADDRESS, "no"), 422, "picture-url-forbidden-address"),
        (FetchRefusedError(FetchReason.TOO_LARGE, "no"), 413, "picture-url-too-large"),
        (FetchFailedError(FetchReason.TIMEOUT, "no"), 422, "picture-url-timeout"),
        (FetchFailedError(FetchReason.CONNECT, "no"), 422, "picture-url-connect"),
    ],
)
def test_an_address_that_brings_nothing_is_the_callers_problem(error: Exception, status: int, code: str) -> None:
    """The fetcher's word is the problem's type; whether another try might help changes nothing."""
    with pytest.raises(PictureUrlError) as caught:
        build_reader(FakeFetcher(error=error)).read(PictureSource(image_url=URL))
    assert find_picture_problem(caught.value) == (status, code)
    assert caught.value.field == "image_url"
    assert caught.value.reason == "could not be fetched: no"


@pytest.mark.parametrize("url", ["https://example.org/" + "a" * 2_000, "https://example.org/\x00", "https://\ud800"])
def test_a_text_that_is_no_address_is_not_fetched(url: str) -> None:
    """Too long, or with characters that no address has."""
    fetcher = FakeFetcher()
    with pytest.raises(PictureUrlError) as caught:
        build_reader(fetcher).read(PictureSource(image_url=url))
    assert caught.value.reason_word == "bad-url"
    assert fetcher.asked is None


def test_one_picture_and_not_two() -> None:
    """None is a problem, and so are two; the second one is named."""
    with pytest.raises(PictureMissingError):
        build_reader().read(PictureSource())
    for source, second in (
        (PictureSource(image_data=encode(SMALL), image_url=URL), "image_url"),
        (PictureSource(upload=FakeUpload(SMALL), image_data=encode(SMALL)), "image_data"),
    ):
        with pytest.raises(InvalidInputError) as caught:
            build_reader().read(source)
        assert caught.value.field == second


def test_a_small_picture_travels_as_it_is() -> None:
    """Nothing is gained by another compression, nor by making a JPEG smaller that can be decoded smaller."""
    for data in (SMALL, save(draw(1), "PNG"), save(draw(1), "WEBP")):
        picture = build_reader().read_query(WAYS["upload"](data))
        assert (picture.data, picture.width, picture.height) == (data, 120, 120)
    photo = save(draw(1, width=1_920, height=1_280), "JPEG")
    picture = build_reader().read_query(WAYS["upload"](photo))
    assert (picture.data, picture.width, picture.height) == (photo, 1_920, 1_280)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("size", [(300, 200), (1_200, 900)])
def test_what_travels_as_it_is_was_read_to_its_end(form: str, size: tuple[int, int]) -> None:
    """A picture that lacks its last tenth is refused, also where few of its pixels are made."""
    data = save(draw(4, width=size[0], height=size[1]), form)
    with pytest.raises(PictureRefusedError) as caught:
        build_reader().read_query(WAYS["upload"](data[: len(data) * 9 // 10]))
    assert caught.value.code_word == "truncated"


@pytest.mark.parametrize(
    ("size", "form"),
    [
        ((2_000, 1_400), "JPEG"),
        ((1_400, 2_000), "JPEG"),
        ((900, 641), "PNG"),
        ((6_000, 500), "JPEG"),
        ((12_000, 700), "JPEG"),
        ((1_000, 900), "WEBP"),
    ],
)
def test_a_large_picture_is_made_smaller_before_it_travels(size: tuple[int, int], form: str) -> None:
    """Its shorter side is what encoders look at, proportions and looks stay, its name is that of the original."""
    data = save(draw(2, width=size[0], height=size[1]), form, quality=90)
    picture = build_reader().read_query(WAYS["upload"](data))
    with Image.open(io.BytesIO(picture.data)) as image:
        assert image.format == "JPEG"
        assert image.size == (picture.width, picture.height)
        seen = np.asarray(image.convert("RGB").resize((64, 64), Image.Resampling.BOX), dtype=np.int32)
    assert min(image.size) <= QUERY_SIDE
    assert max(image.size) <= 4_096
    assert image.width / image.height == pytest.approx(size[0] / size[1], rel=0.01)
    assert picture.sha256 == hashlib.sha256(data).hexdigest()
    with Image.open(io.BytesIO(data)) as original:
        wanted = np.asarray(original.convert("RGB").resize((64, 64), Image.Resampling.BOX), dtype=np.int32)
    assert np.abs(seen - wanted).mean() < 3


def test_what_travels_stands_upright_and_still() -> None:
    """A rotated picture counts its sides as they are seen, and of a moving one the first frame goes."""
    rotated = build_reader().read_query(WAYS["upload"](build_rotated()))
    assert (rotated.width, rotated.height) == (60, 90)
    moving = build_reader().read_query(WAYS["upload"](build_animated("WEBP")))
    with Image.open(io.BytesIO(moving.data)) as image:
        assert (image.format, getattr(image, "n_frames", 1)) == ("JPEG", 1)


def test_all_that_is_recorded_comes_from_the_bytes() -> None:
    """A stored picture is described by its own size and SHA-256, not by those of the smaller copy."""
    reader = build_reader()
    facts = reader.describe(reader.read(WAYS["upload"](LARGE)))
    assert (facts.info.width, facts.info.height) == (2_000, 1_400)
    assert facts.sha256 == hashlib.sha256(LARGE).hexdigest()


def test_two_large_pictures_are_not_decoded_beside_each_other() -> None:
    """While the memory is held by another one a large picture is sent away, a small one is not, and later both come."""
    budget = DecodeBudget(most_bytes=20_000_000, places=8, wait_s=0.01)
    fetching: Any = FakeFetcher()
    reader = PictureReader(Settings(_env_file=None), fetcher=fetching, budget=budget)
    large = WAYS["upload"](save(draw(3, width=1_400, height=1_000).convert("RGBA"), "PNG"))
    with budget.hold(12_000_000):
        for call in (lambda: reader.read_query(large), lambda: reader.describe(reader.read(large))):
            with pytest.raises(OverloadedError) as caught:
                call()
            assert caught.value.retry_after_s > 0
        assert reader.read_query(WAYS["upload"](SMALL)).width == 120
    assert reader.read_query(large).width == 896
    assert reader.describe(reader.read(large)).info.width == 1_400


def test_a_place_is_given_back_by_a_failure() -> None:
    """Pictures that cannot be decoded leave their room to the next one."""
    reader = build_reader()
    for _ in range(5):
        with pytest.raises(PictureRefusedError):
            reader.read_query(WAYS["upload"](LARGE[:5_000]))
    assert reader.read_query(WAYS["upload"](SMALL)).width == 120
