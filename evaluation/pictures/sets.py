"""The pictures that are searched among: those of the shared data, and the drawn covers of the sample titles."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.errors import InvalidInputError
from core.pictures import PictureRefusedError, decode_picture, hamming_distance, perceptual_hash
from covers.album import draw_albums, load_documents, plan_album

SAMPLE: Final = Path(__file__).resolve().parents[2] / "data" / "sample-catalogue.jsonl"
MAX_PIXELS: Final = 50_000_000
# Bits of the perceptual hash in which two pictures may differ and be one picture to the eye. In the shared set the
# pairs at 0 and 4 are one scene each; those at 8 and 10 are different planets on the same black.
NEAR_BITS: Final = 4


@dataclass(frozen=True, slots=True)
class Item:
    """One picture of a set. `group` is equal for pictures that nobody could tell apart by a changed copy."""

    name: str
    path: Path
    group: str


@dataclass(frozen=True, slots=True)
class PictureSet:
    """Pictures to find again."""

    name: str
    items: tuple[Item, ...]

    @property
    def twins(self) -> int:
        """How many pictures have another that counts as right, too."""
        sizes: dict[str, int] = {}
        for item in self.items:
            sizes[item.group] = sizes.get(item.group, 0) + 1
        return sum(size for size in sizes.values() if size > 1)


def load_shared_set(data: Path) -> PictureSet:
    """The pictures that images/manifest.csv lists. Raises InvalidInputError if they are not there or not readable."""
    folder = data / "images"
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        raise InvalidInputError("--data", f"{manifest} is not there")
    try:
        with manifest.open(encoding="utf-8", newline="") as lines:
            names = [row["file"] for row in csv.DictReader(lines)]
    except (KeyError, UnicodeDecodeError) as error:
        raise InvalidInputError("--data", f"{manifest} has no column `file`: {error}") from error
    missing = next((name for name in names if not (folder / name).is_file()), None)
    if missing is not None:
        raise InvalidInputError("--data", f"{folder / missing} is not there, but {manifest.name} lists it")
    return build_set("shared pictures", {name: folder / name for name in names})


def load_cover_set(folder: Path) -> PictureSet:
    """The covers of the sample titles, drawn in `folder` where they are not there yet."""
    documents = load_documents(SAMPLE)
    draw_albums(documents, folder)
    return build_set(
        "sample covers", {document["title"]: folder / plan_album(document).cover for document in documents}
    )


def build_set(name: str, paths: Mapping[str, Path]) -> PictureSet:
    """Pictures by name; near duplicates of each other become one group. Raises InvalidInputError for no picture."""
    hashes = [_hash(path) for path in paths.values()]
    groups = group_near(hashes)
    items = (Item(own, path, str(group)) for (own, path), group in zip(paths.items(), groups, strict=True))
    return PictureSet(name, tuple(items))


def group_near(hashes: Sequence[int]) -> list[int]:
    """For each the place of the first that it is a near duplicate of, itself or through others."""
    groups = list(range(len(hashes)))
    for place, value in enumerate(hashes):
        near = {groups[other] for other in range(place) if hamming_distance(value, hashes[other]) <= NEAR_BITS}
        if near:
            first = min(near)
            groups = [first if group in near or at == place else group for at, group in enumerate(groups)]
    return groups


def _hash(path: Path) -> int:
    try:
        return perceptual_hash(decode_picture(path.read_bytes(), max_pixels=MAX_PIXELS))
    except PictureRefusedError as error:
        raise InvalidInputError("--data", f"{path}: {error.reason}") from error
