"""What a picture's point carries beside its vector."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from core.pictures import from_signed
from storage.database.models import PictureKind
from storage.database.pictures import PictureRow


def build_picture_payload(picture: PictureRow) -> dict[str, Any]:
    """The payload of a stored picture's point: all that a search shows or filters by."""
    if picture.media is None:
        raise ValueError(f"picture {picture.id} has no content yet")
    is_free = picture.kind is PictureKind.FREE
    return {
        "id": str(picture.id),
        "kind": picture.kind.value,
        "slug": picture.slug,
        "title": None if is_free else picture.name,
        "image_id": picture.name if is_free else None,
        "character": picture.character,
        "url": picture.url,
        "source": _get_host(picture.url),
        "sha256": picture.media.sha256,
        "phash": f"{from_signed(picture.media.phash):016x}",
        "colour": picture.media.colour,
        "media_type": picture.media.media_type,
        "width": picture.media.width,
        "height": picture.media.height,
        "tags": list(picture.tags),
        "metadata": picture.metadata,
        "adult": picture.adult,
    }


def _get_host(url: str | None) -> str | None:
    """The host that a picture came from; None for one that was uploaded, and where its address is none."""
    try:
        return urlsplit(url).hostname if url else None
    except ValueError:
        return None
