"""Pictures and documents that were indexed at once, and pictures that were taken out again."""

from __future__ import annotations

from client.values.base import Value
from client.values.jobs import Job


class Indexed(Value):
    """What became of one picture or document.

    `id` is what searches call it; None while nobody has read the document yet. `sha256` is that of the picture's
    content, for `get_media`. `searchable` is false while the job goes on.
    """

    id: str | None = None
    sha256: str | None = None
    searchable: bool
    job: Job


class RemovedPicture(Value):
    """A picture that is out of the index. `removed` is false if it was out before.

    `removed_from` names the collections whose points went at once; the job, if there is one, sees to the rest.
    """

    id: str
    removed: bool
    removed_from: tuple[str, ...]
    job_id: str | None = None
