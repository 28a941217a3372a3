"""What every media store does, and what all of them check."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.errors import InvalidInputError, PermanentError

_SHA256 = re.compile(r"[0-9a-f]{64}")
# A part of a file's name and of a key: nothing that leads elsewhere.
_VARIANT = re.compile(r"[a-z0-9][a-z0-9.-]{0,31}")


class MediaDamagedError(PermanentError):
    """Bytes do not have the SHA-256 that they are said to have."""

    code = "media-damaged"


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """One content in the store: its SHA-256 as 64 hex digits, its bytes, and when it was last put there."""

    sha256: str
    size: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class StagedMedia:
    """A content that a store has taken and not settled yet. `place` is the store's own."""

    sha256: str
    size: int
    place: str | None = None


class MediaStore(Protocol):
    """Bytes by their SHA-256, each with variants (thumbnails) that can be made again. Safe between threads.

    All methods raise DependencyUnavailableError("media", ...) when disk or bucket do not answer, and InvalidInputError
    for what is no SHA-256.
    """

    def put(self, sha256: str, data: bytes) -> None:
        """Store a content. When this returns it is there for good, and nobody ever sees a part of it.

        Harmless when it is there. Raises MediaDamagedError, and stores nothing, if it is another content.
        """
        ...

    def stage(self, sha256: str, data: bytes) -> StagedMedia:
        """Take a content whose SHA-256 the caller has just computed. It is not there before `settle` has returned."""
        ...

    def settle(self, staged: Sequence[StagedMedia]) -> None:
        """As if each of them had been put, for little more than the price of one. May be repeated."""
        ...

    def get(self, sha256: str) -> bytes:
        """The content. Raises NotFoundError."""
        ...

    def exists(self, sha256: str) -> bool:
        """True if the content is there."""
        ...

    def find(self, sha256: str) -> StoredMedia | None:
        """What is stored under this SHA-256, without its bytes."""
        ...

    def delete(self, sha256: str) -> None:
        """Delete the content and its variants. Harmless when it is gone."""
        ...

    def list(self) -> Iterator[StoredMedia]:
        """All contents, in the order of their SHA-256."""
        ...

    def put_variant(self, sha256: str, name: str, data: bytes) -> None:
        """Store something made from a content; `name` such as `320.webp`."""
        ...

    def get_variant(self, sha256: str, name: str) -> bytes | None:
        """The variant, None if it was not made yet."""
        ...

    def list_variants(self) -> Iterator[str]:
        """SHA-256 of each content that has variants, whether or not the content itself is there; each once."""
        ...

    def clean(self, *, before: datetime, dry_run: bool = False) -> int:
        """Remove what writers that died before that moment have left half-written; returns how many files."""
        ...


def check_sha256(text: str, field: str = "sha256") -> str:
    """The text itself. Raises InvalidInputError that names `field` unless it is 64 hex digits in lower case."""
    if not _SHA256.fullmatch(text):
        raise InvalidInputError(field, "must be 64 hexadecimal digits in lower case")
    return text


def check_variant(name: str) -> str:
    """The name itself. Raises InvalidInputError unless it can be a file's name."""
    if not _VARIANT.fullmatch(name):
        raise InvalidInputError("name", "must be up to 32 letters, digits, dots and hyphens")
    return name


def check_content(sha256: str, data: bytes) -> None:
    """Raises MediaDamagedError unless the bytes have this SHA-256."""
    check_sha256(sha256)
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise MediaDamagedError(f"the content has the SHA-256 {found}, not {sha256}")
