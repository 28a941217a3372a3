"""What a picture is, from its header: no pixel is decoded, so a bomb costs nothing here.

The plug-ins of Pillow are called by name. `Image.open` would check the size against `Image.MAX_IMAGE_PIXELS`, a value
of the whole process: two callers with different limits would race for it.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from core.pictures.effort import MeasuredBytes, count_scans, has_too_many_scans
from core.pictures.errors import PictureRefusedError, RefusedWord
from core.pictures.sniffing import read_webp_size, sniff_format

MEDIA_TYPES: Final = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "AVIF": "image/avif",
    "BMP": "image/bmp",
}
STORED_FORMATS: Final = frozenset(MEDIA_TYPES)
QUERY_FORMATS: Final = frozenset({"JPEG", "PNG", "WEBP"})

# EXIF orientations that swap width and height.
TURNED: Final = frozenset({5, 6, 7, 8})

_PLUGINS: Final[dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
}


@dataclass(frozen=True, slots=True)
class PictureInfo:
    """`width` and `height` are pixels as a viewer sees them, so after the EXIF rotation.

    `frames` is 1 for a still picture. Of an animated GIF it is 2, however many there are: counting them would mean
    reading all of it.
    """

    format: str
    media_type: str
    width: int
    height: int
    frames: int


@dataclass(frozen=True, slots=True)
class OpenedPicture:
    """A picture whose header was read and found good. `image` still lies undecoded; `scans` is 1 but for JPEG."""

    image: ImageFile.ImageFile
    info: PictureInfo
    orientation: int
    scans: int = 1


def inspect_picture(
    data: bytes,
    *,
    max_pixels: int,
    max_bytes: int | None = None,
    formats: frozenset[str] = STORED_FORMATS,
    field: str = "picture",
) -> PictureInfo:
    """Format and size by the header alone. Raises PictureRefusedError that names `field`."""
    return open_picture(data, max_pixels=max_pixels, max_bytes=max_bytes, formats=formats, field=field).info


def open_picture(
    data: bytes, *, max_pixels: int, max_bytes: int | None, formats: frozenset[str], field: str
) -> OpenedPicture:
    """Check everything that can be checked without decoding. Raises PictureRefusedError."""
    name = _find_format(data, max_bytes=max_bytes, formats=formats, field=field)
    if name == "WEBP" and (size := read_webp_size(data)):
        _check_pixels(size, max_pixels=max_pixels, field=field)
    try:
        image = _PLUGINS[name](MeasuredBytes(data))
        orientation = _read_orientation(image)
        frames = _count_frames(image)
    except MemoryError:
        raise
    except Exception as error:
        # The plug-ins raise whatever comes to hand on broken files: OSError, SyntaxError, struct.error, IndexError...
        raise refuse_damaged(name, error, field=field) from error
    _check_pixels(image.size, max_pixels=max_pixels, field=field)
    scans = count_scans(data) if name == "JPEG" else 1
    _check_scans(scans, image.size, max_pixels=max_pixels, field=field)
    width, height = reversed(image.size) if orientation in TURNED else image.size
    return OpenedPicture(image, PictureInfo(name, MEDIA_TYPES[name], width, height, frames), orientation, scans)


def refuse_damaged(name: str, error: Exception, *, field: str) -> PictureRefusedError:
    """The refusal of bytes that begin as they should and then cannot be decoded."""
    cause = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return PictureRefusedError(field, f"begins as {name}, but is cut off or damaged ({cause})", code_word="truncated")


def _find_format(data: bytes, *, max_bytes: int | None, formats: frozenset[str], field: str) -> str:
    if not data:
        raise PictureRefusedError(field, "is empty", code_word="empty")
    if max_bytes is not None and len(data) > max_bytes:
        raise PictureRefusedError(field, f"has {len(data)} bytes, and {max_bytes} are allowed", code_word="too-large")
    name = sniff_format(data)
    if name in formats:
        return name
    allowed = ", ".join(sorted(formats))
    words: dict[str | None, tuple[RefusedWord, str]] = {
        None: ("not-a-picture", f"is not a picture of a format that we know ({allowed})"),
        "HTML": ("html", "is an HTML page, not a picture"),
        "SVG": ("svg", f"is an SVG drawing; allowed are {allowed}"),
    }
    word, reason = words.get(name, ("unsupported-format", f"is of the format {name}; allowed are {allowed}"))
    raise PictureRefusedError(field, reason, code_word=word)


def _check_scans(scans: int, size: tuple[int, int], *, max_pixels: int, field: str) -> None:
    width, height = size
    if has_too_many_scans(scans, pixels=width * height, max_pixels=max_pixels):
        reason = f"has {width} x {height} pixels in {scans} scans, each over all of them: too much work"
        raise PictureRefusedError(field, reason, code_word="too-many-pixels")


def _check_pixels(size: tuple[int, int], *, max_pixels: int, field: str) -> None:
    width, height = size
    if width * height > max_pixels:
        raise PictureRefusedError(
            field, f"has {width} x {height} pixels, and {max_pixels} are allowed", code_word="too-many-pixels"
        )


def _read_orientation(image: ImageFile.ImageFile) -> int:
    """EXIF orientation, 1 to 8; 1 when there is none, or none that can be read (as browsers do)."""
    block = image.info.get("exif")
    if not block:
        return 1
    exif = Image.Exif()
    try:
        exif.load(block)
        found = exif.get(ExifTags.Base.Orientation, 1)
    except Exception:
        # Broken notes of a camera say nothing about the pixels: the picture is taken as it lies.
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _count_frames(image: ImageFile.ImageFile) -> int:
    if isinstance(image, GifImagePlugin.GifImageFile):
        return 2 if image.is_animated else 1
    return max(1, int(getattr(image, "n_frames", 1)))
