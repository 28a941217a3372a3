"""What can be wrong with a picture that a caller gives, and which status each of it has."""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import InvalidInputError
from core.pictures import PictureRefusedError

# What is not listed is a value that cannot be used: 422.
_WORD_STATUS: Mapping[str, int] = {
    "too-large": 413,
    "not-a-picture": 415,
    "html": 415,
    "svg": 415,
    "unsupported-format": 415,
}


class PictureTypeError(InvalidInputError):
    """What was sent says of itself that it is no picture."""

    code = "picture-media-type"


class PictureEncodingError(InvalidInputError):
    """The text is no base64."""

    code = "picture-encoding"


class PictureMissingError(InvalidInputError):
    """There is no picture where one is needed."""

    code = "picture-missing"


class PictureUrlError(InvalidInputError):
    """The picture could not be had from its address; `reason_word` is the fetcher's word for why."""

    def __init__(self, field: str, reason: str, *, reason_word: str) -> None:
        super().__init__(field, reason)
        self.reason_word = reason_word


def find_picture_problem(error: InvalidInputError) -> tuple[int, str] | None:
    """Status and code of the problem document; None if the error is about no picture."""
    if isinstance(error, PictureRefusedError):
        return _WORD_STATUS.get(error.code_word, 422), f"picture-{error.code_word}"
    if isinstance(error, PictureUrlError):
        return 413 if error.reason_word == "too-large" else 422, f"picture-url-{error.reason_word}"
    return (415, error.code) if isinstance(error, PictureTypeError) else None
