"""A picture that somebody searches by, as it travels from the web process to the query worker."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class QueryPicture:
    """A picture that was decoded once and found whole.

    `sha256` is that of the bytes that the caller gave: what answers and vectors are remembered by. `data` is a JPEG,
    PNG or WebP file of it, made smaller where it was larger than any encoder looks at; `width` and `height` are the
    pixels of `data`, upright.
    """

    sha256: str
    data: bytes = field(repr=False)
    width: int
    height: int
