"""Stored pictures and their thumbnails, as readers get them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from core.errors import NotFoundError
from core.pictures import DecodeBudget, PictureRefusedError, decode_picture, estimate_memory, make_thumbnail
from core.settings import Settings
from storage.database.media import MediaRepository, ShownMedia
from storage.media import MediaDamagedError, MediaStore

_THUMBNAIL_TYPE = "image/webp"


@dataclass(frozen=True, slots=True)
class MediaFound:
    """A content that this reader may see; its bytes are not read yet."""

    sha256: str
    width: int | None
    shown: ShownMedia

    @property
    def tag(self) -> str:
        """What an ETag says: the bytes follow from it."""
        return self.sha256 if self.width is None else f"{self.sha256}-{self.width}"

    @property
    def media_type(self) -> str:
        """What the bytes are."""
        return self.shown.media_type if self.width is None else _THUMBNAIL_TYPE


class MediaShelf:
    """Looks pictures up and makes thumbnails, each once. Safe between threads."""

    def __init__(self, settings: Settings, *, media: MediaRepository, store: MediaStore, budget: DecodeBudget) -> None:
        self._max_pixels = settings.picture_max_pixels
        self._media = media
        self._store = store
        self._budget = budget

    def find(self, sha256: str, *, width: int | None, include_adult: bool) -> MediaFound:
        """Raises NotFoundError for what no picture shows, and for what this reader is not to see."""
        shown = self._media.find_shown(sha256)
        if shown is None or (shown.is_adult and not include_adult):
            raise NotFoundError("picture", sha256)
        return MediaFound(sha256, width, shown)

    def read(self, found: MediaFound) -> bytes:
        """The bytes. Raises OverloadedError when too many thumbnails are being made, and NotFoundError."""
        if found.width is None:
            return self._store.get(found.sha256)
        name = f"{found.width}.webp"
        kept = self._store.get_variant(found.sha256, name)
        return self._make(found, name) if kept is None else kept

    def _make(self, found: MediaFound, name: str) -> bytes:
        assert found.width is not None
        # A JPEG's draft leaves twice as many pixels as are wanted: the rest is smoothed away well.
        data, least_side = self._store.get(found.sha256), 2 * found.width
        with _as_damage(found):
            memory = estimate_memory(data, max_pixels=self._max_pixels, least_side=least_side)
        with self._budget.hold(memory):
            # Whoever waited may find that the one before has made it.
            if (kept := self._store.get_variant(found.sha256, name)) is not None:
                return kept
            with _as_damage(found):
                pixels = decode_picture(data, max_pixels=self._max_pixels, least_side=least_side)
            thumbnail = make_thumbnail(pixels, width=found.width)
        self._store.put_variant(found.sha256, name, thumbnail)
        return thumbnail


@contextmanager
def _as_damage(found: MediaFound) -> Iterator[None]:
    """It was whole when it was stored: nothing that the caller could mend."""
    try:
        yield
    except PictureRefusedError as error:
        raise MediaDamagedError(f"the stored picture {found.sha256} cannot be decoded: {error.reason}") from error
