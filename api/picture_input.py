"""The picture of a request: uploaded, as base64 or a data URL, or from an address that we fetch it from.

Whatever way it came, its bytes are checked in the same manner, and each thing that can be wrong with it is a problem of
its own (`api.picture_errors`). Nothing is stored here.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from PIL.Image import Image, Resampling

from api.picture_errors import PictureEncodingError, PictureMissingError, PictureTypeError, PictureUrlError
from core.errors import InvalidInputError, OverloadedError
from core.pictures import (
    QUERY_FORMATS,
    DecodeBudget,
    PictureFacts,
    PictureInfo,
    PictureRefusedError,
    describe_picture,
    hash_content,
    inspect_picture,
    lend_picture,
)
from core.query_picture import QueryPicture
from core.settings import Settings
from core.text import find_text_fault
from fetching import Fetched, Fetcher, FetchFailedError, FetchRefusedError

__all__ = ["PICTURE_COST", "GivenPicture", "PictureReader", "PictureSource", "QueryPicture", "Upload"]

# A request with a picture counts as so many: it costs a decode here and an encoder's pass.
PICTURE_COST = 5
URL_MAX_CHARS = 2_000
# What a caller waits for somebody else's server.
_FETCH_S = 8.0
# At once, in this process.
FETCHES = 16
_FETCH_WAIT_S = 1.0
# No encoder looks at more: the shorter side of a picture that is sent to the worker, in pixels, and its bytes.
QUERY_SIDE = 640
_QUERY_BYTES = 400_000
# A JPEG of up to twice that side goes as it is: to decode it smaller costs the worker no more, and us much less.
_JPEG_SIDE = 2 * QUERY_SIDE
# Enough of a picture that goes as it is: all of its file is read, few of its pixels are made.
_LOOK_SIDE = 64
# The longer side of a very long one.
_QUERY_LONG_SIDE = 4_096
_JPEG_QUALITY = 92
_DATA_URL = re.compile(r"data:([^,;]*)((?:;[^,;]*)*),", re.IGNORECASE)
# What a data URL says before its data. Longer ones would be matched at the price of gigabytes.
_HEAD_CHARS = 500
_BLANKS = str.maketrans("", "", " \t\r\n\f")
_NO_CLAIM = frozenset(("", "application/octet-stream"))


class Upload(Protocol):
    """A file of a form, as werkzeug has it."""

    @property
    def mimetype(self) -> str:
        """What the sender says that it is; blank if he does not."""
        ...

    def read(self) -> bytes:
        """Its content."""
        ...


@dataclass(frozen=True, slots=True)
class PictureSource:
    """Where the picture of a request is: in one of these at most."""

    upload: Upload | None = None
    image_data: str | None = None
    image_url: str | None = None

    @property
    def names(self) -> list[str]:
        """The fields that are given."""
        given = {"image": self.upload, "image_data": self.image_data, "image_url": self.image_url}
        return [name for name, value in given.items() if value is not None]


@dataclass(frozen=True, slots=True)
class GivenPicture:
    """A picture whose header is good; `field` is the request's name for it, `url` where it came from if it did."""

    data: bytes = field(repr=False)
    info: PictureInfo
    field: str
    url: str | None = None


class PictureReader:
    """Reads the pictures of requests. Safe between threads; building it connects to nothing."""

    def __init__(self, settings: Settings, *, fetcher: Fetcher, budget: DecodeBudget) -> None:
        self._max_bytes = settings.picture_max_bytes
        self._max_pixels = settings.picture_max_pixels
        self._timeout_s = min(_FETCH_S, settings.download_timeout_s)
        self._fetcher = fetcher
        self._budget = budget
        self._fetches = threading.BoundedSemaphore(FETCHES)

    def read(self, source: PictureSource, *, formats: frozenset[str] = QUERY_FORMATS) -> GivenPicture:
        """The picture, checked by its header. Raises InvalidInputError and its kinds for all that can be wrong."""
        names = source.names
        if len(names) > 1:
            raise InvalidInputError(names[1], f"is one picture too many: {names[0]} is given")
        if not names:
            raise PictureMissingError("image_data", "is missing: send image_data, image_url or the file image")
        name = names[0]
        data = self._load(source, name)
        return GivenPicture(data, self._inspect(data, name, formats), name, source.image_url)

    def read_query(self, source: PictureSource) -> QueryPicture:
        """The picture to search by, decoded once to its end and made as small as the encoders look at it."""
        return self.reduce(self.read(source))

    def reduce(self, picture: GivenPicture) -> QueryPicture:
        """As `read_query`, of a picture that is here already. Raises OverloadedError and PictureRefusedError."""
        is_small, sha256 = _is_small(picture), hash_content(picture.data)
        with lend_picture(
            picture.data,
            budget=self._budget,
            max_pixels=self._max_pixels,
            least_side=_LOOK_SIDE if is_small else QUERY_SIDE,
            field=picture.field,
        ) as pixels:
            if is_small:
                return QueryPicture(sha256, picture.data, picture.info.width, picture.info.height)
            small = _shrink(pixels)
            return QueryPicture(sha256, _encode(small), small.width, small.height)

    def describe(self, picture: GivenPicture) -> PictureFacts:
        """All that is recorded of a picture, from one decode to its end. Raises as `reduce`."""
        return describe_picture(picture.data, max_pixels=self._max_pixels, field=picture.field, budget=self._budget)

    def _load(self, source: PictureSource, name: str) -> bytes:
        if source.upload is not None:
            return _read_upload(source.upload, name)
        if source.image_data is not None:
            return _decode_text(source.image_data, name)
        return self._fetch(source.image_url or "", name)

    def _inspect(self, data: bytes, name: str, formats: frozenset[str]) -> PictureInfo:
        return inspect_picture(
            data, max_pixels=self._max_pixels, max_bytes=self._max_bytes, formats=formats, field=name
        )

    def _fetch(self, url: str, name: str) -> bytes:
        if len(url) > URL_MAX_CHARS:
            raise PictureUrlError(name, f"is longer than {URL_MAX_CHARS} characters", reason_word="bad-url")
        if fault := find_text_fault(url):
            raise PictureUrlError(name, fault, reason_word="bad-url")
        with self._hold_fetch(), _as_url_errors(name):
            fetched = self._fetcher.fetch(url, max_bytes=self._max_bytes, timeout_s=self._timeout_s, accept="image/*")
        # A 304 answers nothing but a conditional request, and this is none.
        assert isinstance(fetched, Fetched)
        return fetched.body

    @contextmanager
    def _hold_fetch(self) -> Iterator[None]:
        """Slow hosts must not take all request threads."""
        if not self._fetches.acquire(timeout=_FETCH_WAIT_S):
            raise OverloadedError("too many pictures are being fetched", retry_after_s=_FETCH_S)
        try:
            yield
        finally:
            self._fetches.release()


@contextmanager
def _as_url_errors(name: str) -> Iterator[None]:
    """What is wrong with an address is the caller's to mend, whether or not another try might help."""
    try:
        yield
    except (FetchRefusedError, FetchFailedError) as error:
        message = str(error).removeprefix(f"{error.reason}: ")
        raise PictureUrlError(name, f"could not be fetched: {message}", reason_word=str(error.reason)) from error


def _read_upload(upload: Upload, name: str) -> bytes:
    _check_claim(upload.mimetype, name)
    return upload.read()


def _decode_text(text: str, name: str) -> bytes:
    """The bytes of base64 or of a data URL; line breaks in it are no fault."""
    if text[:5].lower() == "data:":
        match = _DATA_URL.match(text, 0, _HEAD_CHARS)
        if match is None or not match[2].lower().endswith(";base64"):
            raise PictureEncodingError(name, "must be a data URL with ;base64, before its data")
        _check_claim(match[1].strip().lower(), name)
        text = text[match.end() :]
    try:
        data = base64.b64decode(text.translate(_BLANKS), validate=True)
    except (binascii.Error, ValueError) as error:
        raise PictureEncodingError(name, f"is not base64: {error}") from None
    if not data:
        raise PictureRefusedError(name, "is empty", code_word="empty")
    return data


def _check_claim(media_type: str, name: str) -> None:
    """What says that it is something else is not looked at; what it is in truth, its bytes say."""
    if media_type not in _NO_CLAIM and not media_type.startswith("image/"):
        raise PictureTypeError(
            name, f"is of the media type {media_type[:80]!r}; send image/jpeg, image/png, image/webp"
        )


def _is_small(picture: GivenPicture) -> bool:
    info = picture.info
    side = _JPEG_SIDE if info.format == "JPEG" else QUERY_SIDE
    is_small = min(info.width, info.height) <= side and max(info.width, info.height) <= _QUERY_LONG_SIDE
    return is_small and len(picture.data) <= _QUERY_BYTES and info.frames == 1 and info.format in QUERY_FORMATS


def _shrink(pixels: Image) -> Image:
    scale = min(1.0, QUERY_SIDE / min(pixels.size), _QUERY_LONG_SIDE / max(pixels.size))
    if scale == 1.0:
        return pixels
    size = (max(1, round(pixels.width * scale)), max(1, round(pixels.height * scale)))
    return pixels.resize(size, Resampling.LANCZOS, reducing_gap=3.0)


def _encode(pixels: Image) -> bytes:
    target = io.BytesIO()
    # Colour at full resolution: what an encoder sees differs least from the original.
    pixels.save(target, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return target.getvalue()
