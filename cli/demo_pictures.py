"""The pictures of `avs demo`: drawn from code, served on loopback, fetched, stored, embedded and searched for real."""

from __future__ import annotations

import base64
import io
import random
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import SecretStr
from rich.console import Console
from rich.text import Text

from cli.job_progress import follow_job
from cli.searching import build_table, request_search
from cli.services import CommandServices
from core.errors import ServiceError
from core.pictures import decode_picture
from covers.album import add_addresses, draw_albums, load_documents, plan_album
from evaluation.pictures.changes import Change, build_heavy, crop_centre
from indexing.downloads.jobs import KIND_DOWNLOAD
from indexing.jobs import KIND_INDEX
from indexing.pictures.jobs import KIND_PICTURES
from messaging.names import TASK_RUN_JOB
from storage.database.jobs import JobProgress

COVERS: Final = "covers"
# What lets the downloads of a stack reach this machine itself; everywhere else they must not.
ALLOWED: Final = "DOWNLOAD_ALLOWED_NETWORKS"
_LOOPBACK_NETWORK: Final = "127.0.0.0/8"
_CROPPED: Final = "Cowboy Bebop"
_PIECE_OF: Final = "Mushishi"
_HINT: Final = "wanderer who heals people troubled by strange life forms"
_SHOWN: Final = 3
_SEARCH_LIMIT_S: Final = 30.0
_MAX_PIXELS: Final = 10_000_000


class DemoPictures:
    """The sample catalogue with pictures, in a home. `folder` is what the picture host serves."""

    def __init__(self, home: Path, sample: Path) -> None:
        self.folder = home / COVERS
        self._home = home
        self._documents = load_documents(sample)
        self._drawer = ThreadPoolExecutor(1, thread_name_prefix="drawing")

    def start_drawing(self) -> Future[int]:
        """Draw what is not there yet, while other things happen. The result is how many titles that were."""
        drawing = self._drawer.submit(draw_albums, self._documents, self.folder)
        self._drawer.shutdown(wait=False)
        return drawing

    def write_catalogue(self, base: str) -> Path:
        """The catalogue with the addresses of its pictures below `base`, as a file to import."""
        path = self._home / "demo" / "sample-catalogue.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(b"\n".join(orjson.dumps(add_addresses(one, base)) for one in self._documents) + b"\n")
        part.replace(path)
        return path

    def crop_cover(self) -> tuple[str, Path]:
        """The middle of one cover as a bad JPEG: the title, and the file."""
        return _CROPPED, self._change(_CROPPED, "cropped", crop_centre, quality=30)

    def spoil_cover(self) -> tuple[str, Path]:
        """A mirrored, blurred piece of another one, which alone says little."""
        return _PIECE_OF, self._change(_PIECE_OF, "piece", build_heavy(0.2), quality=60)

    def _change(self, title: str, name: str, change: Change, *, quality: int) -> Path:
        document = next(one for one in self._documents if one["title"] == title)
        data = (self.folder / plan_album(document).cover).read_bytes()
        changed = change(decode_picture(data, max_pixels=_MAX_PIXELS), random.Random(name))  # noqa: S311 - a drawing
        path = self._home / "demo" / f"{name}.jpg"
        kept = io.BytesIO()
        changed.save(kept, "JPEG", quality=quality)
        path.write_bytes(kept.getvalue())
        return path


def allow_loopback(environment: Mapping[str, str]) -> dict[str, str]:
    """What has to be set beside the caller's own before a stack starts, so that it may fetch from this machine."""
    given = environment.get(ALLOWED, "")
    return {ALLOWED: f"{given},{_LOOPBACK_NETWORK}" if given else _LOOPBACK_NETWORK}


def index_pictures(services: CommandServices, console: Console) -> bool:
    """Fetch, embed and index the pictures of all titles, as `avs download` and `avs index --pictures` do."""
    fetched = _run(services, KIND_DOWNLOAD, "Fetching the pictures", console)
    if fetched.downloads is not None and fetched.dead_letters:
        reasons = ", ".join(f"{count} {name}" for name, count in sorted(fetched.downloads.outcomes.items()))
        console.print(f"Not all pictures were fetched: {reasons}", style="yellow", markup=False)
        console.print(f"A stack that was running before the demo needs {ALLOWED}={_LOOPBACK_NETWORK}.", style="yellow")
    embedded = _run(services, KIND_PICTURES, "Embedding the pictures", console)
    # Titles whose pictures have changed are stored as a job with the end of that one.
    for job in services.job_repository.list_open_of(KIND_INDEX):
        console.print("Giving the titles the vectors of their pictures")
        follow_job(services.job_repository, job.id, console=console)
    return not fetched.dead_letters and not embedded.dead_letters


def show_picture_searches(api: str, pictures: DemoPictures, console: Console, *, key: SecretStr | None = None) -> bool:
    """A cropped cover alone, then a worse one with a text. False when a search fails or misses the title."""
    title, cropped = pictures.crop_cover()
    found = _show(api, "image", {}, cropped, f"the middle of the cover of {title}, recompressed", console, key=key)
    other, piece = pictures.spoil_cover()
    both = _show(
        api, "multimodal", {"query": _HINT}, piece, f"“{_HINT}” and a mirrored piece of its cover", console, key=key
    )
    console.print(f"By yourself: curl -F image=@{cropped} {api}/api/v1/search/image", markup=False, soft_wrap=True)
    return title in found[:1] and other in both


def _run(services: CommandServices, kind: str, says: str, console: Console) -> JobProgress:
    job_id = services.job_repository.create(kind, {})
    services.hints.send(TASK_RUN_JOB, job_id=str(job_id))
    console.print(says)
    _, progress = follow_job(services.job_repository, job_id, console=console)
    return progress


def _show(
    api: str,
    path: str,
    body: dict[str, Any],
    picture: Path,
    says: str,
    console: Console,
    *,
    key: SecretStr | None,
) -> list[str]:
    """The titles that were found, shown as a table."""
    data = base64.b64encode(picture.read_bytes()).decode()
    request = {**body, "image_data": data, "limit": _SHOWN}
    try:
        answer = request_search(api, request, timeout_s=_SEARCH_LIMIT_S, key=key, path=f"/api/v1/search/{path}")
    except ServiceError as error:
        console.print(f"The search for {says} failed: {error}", style="yellow", markup=False)
        return []
    table = build_table(answer)
    table.title = Text(says)
    console.print(table)
    return [str(result["payload"].get("title")) for result in answer["results"]]
