"""One picture or one document into the index, while its sender waits."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from api.administration import Administration
from api.picture_input import GivenPicture, PictureReader
from core.document import AnimeDocument
from core.errors import ConflictError, InvalidInputError, NoPictureEncoderError
from core.pictures import PictureFacts, to_signed
from core.settings import Settings
from messaging.hints import HintSender
from messaging.names import TASK_RUN_JOB
from search.referring import check_identifier
from storage.database.jobs import Job, JobRepository
from storage.database.media import MediaRepository
from storage.database.picture_generations import PictureGenerationRepository
from storage.database.picture_ledger import PictureLedgerRepository
from storage.database.pictures import FreePicture, MediaFile, PictureRepository
from storage.database.session import Database
from storage.database.titles import TitleRepository
from storage.media import MediaStore

_KIND_PICTURES = "pictures"
_KIND_IMPORT = "import"


class IndexFailedError(ConflictError):
    """The job ended, and what was sent is not in the index."""

    code = "index-failed"


class PictureReplacedError(ConflictError):
    """The job ended, and the picture's id belongs to what somebody sent later, or to nothing any more."""

    code = "picture-replaced"


@dataclass(frozen=True, slots=True)
class Indexed:
    """What was stored, and the job that brings it into the index; `id` is None until a document's job has read it."""

    id: str | None
    sha256: str | None
    job: Job


class InstantIndex:
    """Stores first, starts a job, and waits for its end. Safe between threads."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        *,
        reader: PictureReader,
        store: MediaStore,
        hints: HintSender,
        admin: Administration,
    ) -> None:
        self._settings = settings
        self._database = database
        self._reader = reader
        self._store = store
        self._hints = hints
        self._admin = admin
        self._jobs = JobRepository(database)
        self._media = MediaRepository(database)
        self._pictures = PictureRepository(database)
        self._titles = TitleRepository(database)
        self._picture_generations = PictureGenerationRepository(database)
        self._picture_ledger = PictureLedgerRepository(database)

    def check_encoder(self) -> None:
        """Raises NoPictureEncoderError if no picture can be indexed."""
        if self._settings.image_embedding_model == "none":
            raise NoPictureEncoderError("IMAGE_EMBEDDING_MODEL is none: name an encoder to index pictures")

    def find_title(self, identifier: str) -> str:
        """The slug of the title that a picture shall belong to. Raises InvalidInputError."""
        slug = self._titles.resolve_slug(check_identifier(identifier, "title"))
        if slug is None or self._titles.load([slug])[slug].excluded:
            raise InvalidInputError("title", "names no title")
        return slug

    def index_picture(self, given: GivenPicture, picture: FreePicture, *, wait_s: float) -> Indexed:
        """Store a picture and wait until searches find it. Nothing is stored if it cannot be decoded to its end."""
        facts = self._reader.describe(given)
        file = _build_file(facts, size=len(given.data))
        self._store.put(file.sha256, given.data)
        with self._database.begin() as connection:
            self._media.add(connection, file)
            # A cleaner may have taken it for an orphan in between: see MediaRepository.add.
            if not self._store.exists(file.sha256):
                self._store.put(file.sha256, given.data)
            (identifier,) = self._pictures.add_free_in(connection, [picture])
            self._pictures.attach_to(connection, [identifier], file.sha256)
            job_id = self._jobs.create_in(connection, _KIND_PICTURES, {"pictures": [str(identifier)]})
        job = self._wait(job_id, wait_s=wait_s)
        if job.is_closed:
            self._check_picture(identifier, file.sha256)
        return Indexed(str(identifier), file.sha256, job)

    def index_document(self, document: AnimeDocument, *, wait_s: float) -> Indexed:
        """Import a document and wait until searches find it. Raises ConflictError for a title that is excluded."""
        slug = self._titles.find_slug(document.identity_keys)
        if slug is not None and self._titles.load([slug])[slug].excluded:
            raise ConflictError(f"the title {slug} is excluded; restore it first")
        job = self._wait(self._jobs.create(_KIND_IMPORT, {"documents": [document.to_json()]}), wait_s=wait_s)
        slug = self._titles.find_slug(document.identity_keys)
        if job.is_closed:
            self._check_title(slug)
        return Indexed(slug, None, job)

    def _wait(self, job_id: uuid.UUID, *, wait_s: float) -> Job:
        # A hint that is lost is sent again by the reconciler: the row is there.
        self._hints.send(TASK_RUN_JOB, job_id=str(job_id))
        job = self._admin.wait_for_end(job_id, wait_s=wait_s)
        if job.is_closed:
            self._refuse_failed(job)
        return job

    def _refuse_failed(self, job: Job) -> None:
        letters = self._jobs.list_dead_letters(job.id, limit=1, offset=0)
        if letters:
            raise IndexFailedError(f"job {job.id} gave it up: {letters[0].reason}")
        if job.state != "completed":
            raise IndexFailedError(f"job {job.id} has {job.state}: {job.message or 'no reason is known'}")

    def _check_picture(self, identifier: uuid.UUID, sha256: str) -> None:
        """What is stored and embedded may still lie in a collection that does not answer yet."""
        live = self._picture_generations.get_live(self._settings.qdrant_pictures_collection_name)
        entry = None if live is None else self._picture_ledger.load(live.collection, [identifier]).get(identifier)
        if entry is not None and entry.sha256 == sha256:
            return
        self._refuse_replaced(identifier, sha256)
        raise IndexFailedError("the picture is stored; the index of pictures is not live yet: run its other jobs")

    def _refuse_replaced(self, identifier: uuid.UUID, sha256: str) -> None:
        """A later request has put another picture in this one's place, and its own job sees to that one."""
        row = self._pictures.load([identifier]).get(identifier)
        if row is None or row.gone:
            raise PictureReplacedError("the picture was taken out again by a later request")
        if row.sha256 != sha256:
            raise PictureReplacedError("a later request with the same image_id has replaced the picture")

    def _check_title(self, slug: str | None) -> None:
        live = self._admin.generations.get_live(self._settings.qdrant_collection_name)
        if live is None or slug is None or slug not in self._admin.ledger.load(live.collection, [slug]):
            raise IndexFailedError("the document is stored; the index of titles is not live yet: run its other jobs")


def _build_file(facts: PictureFacts, *, size: int) -> MediaFile:
    info = facts.info
    return MediaFile(facts.sha256, size, info.media_type, info.width, info.height, to_signed(facts.phash), facts.colour)
