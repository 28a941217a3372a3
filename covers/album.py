"""All pictures of a catalogue in a folder, and the catalogue with their addresses.

A folder says which drawing code filled it, so that a second demo draws nothing and an update draws everything anew.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import orjson
import PIL
from PIL import Image

from core.identity import build_slug
from covers.drawing import draw_banner, draw_cover, draw_portrait, draw_thumbnail
from covers.facts import TitleFacts, read_facts

_QUALITY = 90
_STAMP = ".drawn-by"
Document = Mapping[str, Any]
# Told how many more titles are drawn.
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Album:
    """The files of one title below the album's folder. `portraits` has one for each character, in its order."""

    cover: str
    thumbnail: str
    banner: str
    portraits: tuple[str, ...]

    def list_files(self) -> tuple[str, ...]:
        """All of them."""
        return (self.cover, self.thumbnail, self.banner, *self.portraits)


def plan_album(document: Document) -> Album:
    """The names of a title's files: its slug, and the kind of picture."""
    slug, characters = build_slug(document["title"]), document.get("characters", ())
    portraits = tuple(f"{slug}/character-{place}.jpg" for place in range(len(characters)))
    return Album(f"{slug}/cover.jpg", f"{slug}/thumbnail.jpg", f"{slug}/banner.jpg", portraits)


def draw_albums(
    documents: Sequence[Document], folder: Path, *, processes: int | None = None, progress: Progress | None = None
) -> int:
    """Draw what is not there yet, and answer how many titles that were. Safe to end at any time and to run again."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp, is_stale = folder / _STAMP, True
    if stamp.is_file():
        is_stale = stamp.read_text() != describe_drawing()
    missing = [one for one in documents if is_stale or not _is_whole(one, folder)]
    if is_stale:
        stamp.unlink(missing_ok=True)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for _ in pool.map(_draw_one, missing, [folder] * len(missing), chunksize=8):
            if progress:
                progress(1)
    # Last, so that a folder whose drawing was cut off is drawn anew.
    _write_file(stamp, describe_drawing().encode())
    return len(missing)


def draw_album(document: Document, folder: Path) -> Album:
    """The pictures of one title as JPEG files."""
    facts, album = read_facts(document), plan_album(document)
    for name, picture in _draw(facts, album):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        picture.save(part, "JPEG", quality=_QUALITY)
        part.replace(path)
    return album


def add_addresses(document: Document, base: str) -> dict[str, Any]:
    """The document with the addresses of its pictures below `base` (no slash at its end)."""
    album = plan_album(document)
    images = {"picture": album.cover, "thumbnail": album.thumbnail, "banner": album.banner}
    characters = [
        {**entry, "image": f"{base}/{name}"}
        for entry, name in zip(document.get("characters", ()), album.portraits, strict=True)
    ]
    with_pictures = {**document, "images": {kind: f"{base}/{name}" for kind, name in images.items()}}
    return with_pictures | ({"characters": characters} if characters else {})


def load_documents(path: Path) -> list[dict[str, Any]]:
    """The documents of a JSONL file, such as the sample catalogue."""
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


@cache
def describe_drawing() -> str:
    """Changes with the code that draws and with Pillow's version."""
    digest = hashlib.blake2b(PIL.__version__.encode(), digest_size=16)
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _draw(facts: TitleFacts, album: Album) -> Iterator[tuple[str, Image.Image]]:
    cover = draw_cover(facts)
    yield album.cover, cover
    yield album.thumbnail, draw_thumbnail(cover)
    yield album.banner, draw_banner(facts)
    for name, character in zip(album.portraits, facts.characters, strict=True):
        yield name, draw_portrait(facts, character)


def _draw_one(document: Document, folder: Path) -> None:
    draw_album(document, folder)


def _is_whole(document: Document, folder: Path) -> bool:
    return all((folder / name).is_file() for name in plan_album(document).list_files())


def _write_file(path: Path, data: bytes) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(data)
    part.replace(path)
