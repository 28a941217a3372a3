"""What has to be done for each claimed picture: its row compared with the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from uuid import UUID

from storage.database.picture_ledger import PictureEntry
from storage.database.picture_rows import PictureClaim
from storage.database.pictures import PictureRow


class Task(Enum):
    """What a picture's point needs."""

    NOTHING = auto()
    REMOVAL = auto()
    PAYLOAD = auto()
    VECTOR = auto()


@dataclass(frozen=True, slots=True)
class Work:
    """One claimed picture. `picture` is None if its row is gone; `is_known`: the ledger lists its point."""

    claim: PictureClaim
    picture: PictureRow | None
    task: Task
    is_known: bool


@dataclass(slots=True)
class ChunkPlan:
    """A chunk, sorted by what is to be done. `by_content`: to be encoded, once for each content."""

    cheap: list[Work] = field(default_factory=list)
    by_content: dict[str, list[Work]] = field(default_factory=dict)


def plan_chunk(
    claims: Sequence[PictureClaim], *, pictures: Mapping[UUID, PictureRow], known: Mapping[UUID, PictureEntry]
) -> ChunkPlan:
    """Sort the claimed pictures. A new payload alone needs no encoding; nothing at all may be left to be done."""
    plan = ChunkPlan()
    for claim in claims:
        picture, entry = pictures.get(claim.id), known.get(claim.id)
        work = Work(claim, picture, _choose_task(picture, entry), is_known=entry is not None)
        if work.task is Task.VECTOR and picture is not None and picture.sha256 is not None:
            plan.by_content.setdefault(picture.sha256, []).append(work)
        else:
            plan.cheap.append(work)
    return plan


def _choose_task(picture: PictureRow | None, entry: PictureEntry | None) -> Task:
    if picture is None or not picture.is_wanted or picture.sha256 is None:
        # Without an entry, too: who wrote the point may have found the picture changed before he could record it.
        return Task.REMOVAL
    if entry is None or entry.sha256 != picture.sha256:
        return Task.VECTOR
    return Task.NOTHING if entry.content_hash == picture.content_hash else Task.PAYLOAD
