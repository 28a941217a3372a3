"""Pictures from their rows to points, and from points to the image vectors of titles; on real servers."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from api.picture_shelf import build_picture_shelf
from core.errors import DependencyUnavailableError
from core.identity import picture_id, point_id
from core.pictures import hash_content
from core.recipe import EmbeddingRecipe
from indexing.pictures.embedding import PictureEmbeddingService, PictureReport
from indexing.pictures.jobs import KIND_PICTURES, PictureJobs
from indexing.pictures.service import build_picture_embedding
from inference.pictures.base import PendingRows
from inference.pictures.fake import FakePictureEncoder
from messaging.names import TASK_EMBED_PICTURES, TASK_RUN_JOB
from storage.database.exclusions import ExclusionRepository
from storage.database.jobs import Job
from storage.database.media import MediaRepository
from storage.database.models import GenerationState, JobState
from storage.database.picture_generations import PictureGenerationRepository
from storage.database.picture_ledger import PictureLedgerRepository
from storage.database.pictures import FreePicture, MediaFile, PictureRepository
from storage.media.disk import DiskMediaStore
from storage.vectors.pictures import PICTURE_VECTOR

_URL = "https://pictures.test"


class SmallEncoder(FakePictureEncoder):
    """Another encoder: the first half of the fake one's numbers, so that its vectors have another size."""

    def __init__(self) -> None:
        super().__init__()
        self.recipe = EmbeddingRecipe("small", "1", 96, 1)

    def encode_prepared(self, batch: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Cut and brought to length 1."""
        rows = super().encode_prepared(batch)[:, :96]
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


class WatchedPictures(FakePictureEncoder):
    """The fake encoder, which counts what it sees, and tells when it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.before_encoding: Callable[[], None] = lambda: None

    def submit_prepared(self, batch: Sequence[NDArray[Any]]) -> PendingRows:
        """As the fake does."""
        self.before_encoding()
        self.seen += len(batch)
        return super().submit_prepared(batch)


class Gallery:
    """Pictures of a pipeline: drawn, stored, attached, embedded."""

    def __init__(self, pipeline: Any, folder: Path) -> None:
        self.pipeline = pipeline
        self.media = DiskMediaStore(folder)
        self.rows = PictureRepository(pipeline.database)
        self.ledger = PictureLedgerRepository(pipeline.database)
        self.repository = PictureGenerationRepository(pipeline.database)
        self.alias: str = pipeline.settings.qdrant_pictures_collection_name
        self.encoder = WatchedPictures()
        self.embedding = self.build(self.encoder)
        self.embedding.ensure_generation()
        self.jobs: PictureJobs = pipeline.kinds[KIND_PICTURES]

    def build(self, encoder: FakePictureEncoder, *, owner: str = "pictures-1") -> PictureEmbeddingService:
        """A worker of this encoder."""
        return build_picture_embedding(
            self.pipeline.settings,
            encoder,
            database=self.pipeline.database,
            store=self.pipeline.store,
            media=self.media,
            owner=owner,
        )

    @property
    def collection(self) -> str:
        """The live collection."""
        live = self.repository.get_live(self.alias)
        assert live is not None
        return live.collection

    def attach(self, url: str, data: bytes) -> str:
        """As the downloader does; returns the SHA-256."""
        sha256 = hash_content(data)
        self.media.put(sha256, data)
        with self.pipeline.database.begin() as connection:
            file = MediaFile(sha256, len(data), "image/png", 40, 30, -7, "#102030")
            MediaRepository(self.pipeline.database).add(connection, file)
            self.rows.attach_content(connection, url, sha256)
        return sha256

    def deliver(self, embedding: PictureEmbeddingService | None = None) -> PictureReport:
        """Deliver all hints: chunks of pictures here, everything else by the pipeline."""
        total = PictureReport()
        hints = self.pipeline.hints
        while hints.sent:
            task, kwargs = hints.sent.pop(0)
            job_id = uuid.UUID(kwargs["job_id"])
            if task == TASK_EMBED_PICTURES:
                ids = [uuid.UUID(one) for one in kwargs["ids"]]
                total.add((embedding or self.embedding).embed_chunk(job_id, ids, kwargs["collection"]))
                self.pipeline.jobs.finish(job_id)
            elif task == TASK_RUN_JOB:
                self.pipeline.jobs.run(job_id)
            else:
                hints.sent.insert(0, (task, kwargs))
                rest = [hint for hint in hints.sent if hint[0] in (TASK_EMBED_PICTURES, TASK_RUN_JOB)]
                hints.sent[:] = [hint for hint in hints.sent if hint[0] not in (TASK_EMBED_PICTURES, TASK_RUN_JOB)]
                self.pipeline.deliver()
                hints.sent += rest
        return total

    def start(self, **params: Any) -> uuid.UUID:
        """A job whose hints are sent and not delivered."""
        job_id: uuid.UUID = self.pipeline.job_repository.create(KIND_PICTURES, params)
        self.pipeline.jobs.run(job_id)
        return job_id

    def index(self, **params: Any) -> tuple[Job, PictureReport]:
        """A whole job with what follows it."""
        job_id = self.start(**params)
        report = self.deliver()
        return self.pipeline.job_repository.get(job_id), report

    def points(self) -> dict[str, dict[str, Any]]:
        """Payloads by id of all points of the live collection."""
        ids = list(self.pipeline.store.scroll_ids(self.collection))
        return {str(record.id): record.payload for record in self.pipeline.store.retrieve(self.collection, ids)}

    def vector(self, identifier: str, *, collection: str | None = None) -> NDArray[np.float32]:
        """The stored vector of a picture."""
        [record] = self.pipeline.store.retrieve(
            collection or self.collection, [identifier], with_vectors=[PICTURE_VECTOR]
        )
        return np.asarray(record.vector[PICTURE_VECTOR], np.float32)

    def title_vectors(self, slug: str) -> dict[str, NDArray[np.float32]]:
        """The image vectors of a title."""
        [record] = self.pipeline.store.retrieve(
            self.pipeline.alias, [point_id(slug)], with_vectors=["image_vector", "character_image_vector"]
        )
        return {name: np.asarray(vector, np.float32) for name, vector in (record.vector or {}).items()}

    def assert_true_to_the_ledger(self) -> None:
        """Every picture that belongs there is there once, as its row says, and nothing else."""
        listed = {str(one) for one in self.ledger.iterate_ids(self.collection)}
        points = self.points()
        assert set(points) == listed
        rows = self.rows.load([uuid.UUID(one) for one in points])
        for identifier, payload in points.items():
            row = rows[uuid.UUID(identifier)]
            assert row.is_wanted
            assert (payload["sha256"], payload["adult"]) == (row.sha256, row.adult)


def draw(seed: int, *, side: int = 16) -> bytes:
    """A picture of noise, another for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def build_document(number: int, **more: Any) -> dict[str, Any]:
    """A title with a cover, a thumbnail and a character."""
    return {
        "title": f"Title number {number}",
        "synopsis": f"Story {number}.",
        "external_ids": {"mal": number + 1},
        "images": {"picture": f"{_URL}/{number}/cover.png", "thumbnail": f"{_URL}/{number}/thumbnail.png"},
        "characters": [{"name": "Hero", "image": f"{_URL}/{number}/hero.png"}],
        **more,
    }


def get_cover(number: int) -> str:
    """The id of the cover of `build_document`."""
    return picture_id(kind="cover", slug=f"title-number-{number}", name=f"{_URL}/{number}/cover.png")


@pytest.fixture
def build_gallery(build_pipeline: Callable[..., Any], tmp_path: Path) -> Callable[[str], Gallery]:
    """Pipelines with the fake picture encoder; the collections of a name are made once and emptied."""

    def build(name: str) -> Gallery:
        pipeline = build_pipeline(
            alias=f"titles_{name}",
            qdrant_pictures_collection_name=f"pictures_{name}",
            image_embedding_model="fake",
            chunk_size=50,
            max_attempts=2,
        )
        pipeline.execute("TRUNCATE picture_generations CASCADE")
        gallery = Gallery(pipeline, tmp_path)
        pipeline.start_empty()
        pipeline.store.delete(gallery.collection, list(pipeline.store.scroll_ids(gallery.collection)))
        return gallery

    return build


@pytest.fixture
def gallery(build_gallery: Callable[[str], Gallery]) -> Gallery:
    """Pictures in collections that the tests of this module share."""
    return build_gallery("shared")


@pytest.fixture
def own_gallery(build_gallery: Callable[[str], Gallery]) -> Gallery:
    """Pictures in collections of one test's own, for tests that make further ones."""
    return build_gallery(uuid.uuid4().hex[:8])


def _fill(gallery: Gallery, count: int) -> None:
    """So many titles with three pictures each, stored; the titles are indexed without them."""
    gallery.pipeline.import_documents([build_document(number) for number in range(count)])
    for number in range(count):
        for place, name in enumerate(("cover", "thumbnail", "hero")):
            gallery.attach(f"{_URL}/{number}/{name}.png", draw(10 * number + place))
    gallery.pipeline.index()


def test_pictures_become_points_and_titles_their_mean(gallery: Gallery) -> None:
    """Every stored picture is a point; the follow-up job gives each title the unit mean of its pictures by kind."""
    _fill(gallery, 3)
    job, report = gallery.index()
    assert (job.state, report.claimed, report.written, report.encoded) == (JobState.COMPLETED, 9, 9, 9)
    payload = gallery.points()[get_cover(1)]
    assert payload["kind"] == "cover" and payload["slug"] == "title-number-1" and payload["title"] == "Title number 1"
    assert (payload["source"], payload["width"], payload["height"]) == ("pictures.test", 40, 30)
    thumbnail = picture_id(kind="thumbnail", slug="title-number-1", name=f"{_URL}/1/thumbnail.png")
    mean = gallery.vector(get_cover(1)) + gallery.vector(thumbnail)
    made = gallery.title_vectors("title-number-1")
    np.testing.assert_allclose(made["image_vector"], mean / np.linalg.norm(mean), atol=1e-5)
    hero = picture_id(kind="character", slug="title-number-1", character="Hero", name=f"{_URL}/1/hero.png")
    np.testing.assert_allclose(made["character_image_vector"], gallery.vector(hero), atol=1e-5)
    gallery.assert_true_to_the_ledger()
    again, report = gallery.index()
    assert (again.state, report.claimed) == (JobState.COMPLETED, 0)
    assert gallery.pipeline.execute("SELECT count(*) FROM jobs WHERE params ->> 'scope' = 'pictures'")[0][0] == 1


def test_equal_contents_are_encoded_once(gallery: Gallery) -> None:
    """The same bytes under many addresses are seen once by the encoder, in this job and in later ones."""
    ids = gallery.rows.add_free([FreePicture(name=f"p{number}", url=f"{_URL}/{number}") for number in range(120)])
    for number in range(120):
        gallery.attach(f"{_URL}/{number}", draw(number % 2))
    _, report = gallery.index()
    assert (report.written, gallery.encoder.seen) == (120, 2)
    [late] = gallery.rows.add_free([FreePicture(name="late", url=f"{_URL}/late")])
    gallery.attach(f"{_URL}/late", draw(1))
    _, report = gallery.index()
    assert (report.written, report.encoded, gallery.encoder.seen) == (1, 0, 2)
    np.testing.assert_allclose(gallery.vector(str(late)), gallery.vector(str(ids[1])), atol=1e-6)


def test_free_pictures_need_no_title(gallery: Gallery) -> None:
    """A list of pictures alone makes a collection; a changed description rewrites the payload and encodes nothing."""
    [one] = gallery.rows.add_free([FreePicture(name="one", url=f"{_URL}/one", tags=["a"], metadata={"k": [1]})])
    gallery.attach(f"{_URL}/one", draw(1))
    job, report = gallery.index()
    assert job.state is JobState.COMPLETED and report.written == 1
    payload = gallery.points()[str(one)]
    assert (payload["image_id"], payload["slug"], payload["tags"]) == ("one", None, ["a"])
    assert payload["metadata"] == {"k": [1]}
    gallery.rows.add_free([FreePicture(name="one", url=f"{_URL}/one", tags=["b"])])
    _, report = gallery.index()
    assert (report.payloads, report.encoded, gallery.encoder.seen) == (1, 0, 1)
    assert gallery.points()[str(one)]["tags"] == ["b"]
    with gallery.pipeline.database.begin() as connection:
        gallery.rows.remove(connection, [one])
    _, report = gallery.index()
    assert report.removed == 1 and gallery.points() == {}


def test_a_title_that_turns_adult_takes_its_pictures_along(gallery: Gallery) -> None:
    """Its own index job rewrites the points of its pictures; no job of pictures is needed."""
    _fill(gallery, 2)
    gallery.index()
    gallery.pipeline.import_documents([build_document(0, tags=["hentai"])])
    gallery.pipeline.index()
    points = gallery.points()
    assert {payload["slug"] for payload in points.values() if payload["adult"]} == {"title-number-0"}
    assert sum(payload["adult"] for payload in points.values()) == 3
    gallery.assert_true_to_the_ledger()
    assert gallery.encoder.seen == 6


def test_pictures_of_an_excluded_title_leave_and_come_back(gallery: Gallery) -> None:
    """Exclusion removes the points with the title's own job; restoring brings them and the title's vectors back."""
    _fill(gallery, 2)
    gallery.index()
    exclusions = ExclusionRepository(gallery.pipeline.database)
    job_id = exclusions.exclude("title-number-0")
    gallery.pipeline.jobs.run(job_id)
    gallery.deliver()
    assert {payload["slug"] for payload in gallery.points().values()} == {"title-number-1"}
    exclusions.restore("title-number-0")
    gallery.pipeline.jobs.reconcile()
    gallery.deliver()
    assert len(gallery.points()) == 6
    assert set(gallery.title_vectors("title-number-0")) == {"image_vector", "character_image_vector"}
    gallery.assert_true_to_the_ledger()


def test_a_removed_picture_goes_from_the_index_and_from_its_title(gallery: Gallery) -> None:
    """A character without a picture any more has no point, and the title no character_image_vector."""
    _fill(gallery, 1)
    gallery.index()
    gallery.pipeline.import_documents([build_document(0, characters=[{"name": "Hero"}])])
    gallery.pipeline.index()
    gallery.deliver()
    assert {payload["kind"] for payload in gallery.points().values()} == {"cover", "thumbnail"}
    assert set(gallery.title_vectors("title-number-0")) == {"image_vector"}


def test_a_new_cover_changes_the_title(gallery: Gallery) -> None:
    """Another content under the same address is encoded anew and the title's vector with it, no text."""
    _fill(gallery, 1)
    gallery.index()
    before = gallery.title_vectors("title-number-0")["image_vector"]
    texts = len(gallery.pipeline.encoder.texts)
    gallery.attach(f"{_URL}/0/cover.png", draw(999))
    _, report = gallery.index()
    assert (report.encoded, len(gallery.pipeline.encoder.texts)) == (1, texts)
    after = gallery.title_vectors("title-number-0")["image_vector"]
    thumbnail = picture_id(kind="thumbnail", slug="title-number-0", name=f"{_URL}/0/thumbnail.png")
    mean = gallery.vector(get_cover(0)) + gallery.vector(thumbnail)
    np.testing.assert_allclose(after, mean / np.linalg.norm(mean), atol=1e-5)
    assert np.abs(after - before).max() > 0.01


def test_bad_pictures_end_in_the_dead_letters_alone(gallery: Gallery) -> None:
    """A content that cannot be decoded is given up with its reason; its neighbours are indexed. Retry tries again."""
    [bad, good] = gallery.rows.add_free([FreePicture(name=name, url=f"{_URL}/{name}") for name in ("bad", "good")])
    gallery.attach(f"{_URL}/bad", b"no picture at all")
    gallery.attach(f"{_URL}/good", draw(1))
    job, report = gallery.index()
    assert (report.written, report.failed) == (1, 1)
    [letter] = gallery.pipeline.job_repository.list_dead_letters(job.id)
    assert letter.stage == "embed" and "PictureRefusedError" in letter.reason
    assert (letter.detail["picture_id"], letter.detail["url"]) == (str(bad), f"{_URL}/bad")
    assert set(gallery.points()) == {str(good)}
    assert gallery.pipeline.job_repository.retry(job.id) == 1
    assert gallery.pipeline.job_repository.list_dead_letters(job.id) == []
    gallery.attach(f"{_URL}/bad", draw(2))
    gallery.pipeline.jobs.finish(job.id)
    gallery.deliver()
    assert set(gallery.points()) == {str(good), str(bad)}


def test_a_lost_file_is_wanted_again(gallery: Gallery) -> None:
    """A content that the media store has lost is no silent gap: a dead letter, and its URL waits for a download."""
    url = f"{_URL}/one"
    gallery.rows.add_free([FreePicture(name="one", url=url)])
    sha256 = gallery.attach(url, draw(1))
    gallery.pipeline.execute(
        "INSERT INTO downloads (url_hash, url, host, state, sha256, etag) "
        "VALUES ('x', :url, 'h', 'done', :sha256, 'e')",
        url=url,
        sha256=sha256,
    )
    gallery.media.delete(sha256)
    job, report = gallery.index()
    assert report.failed == 1 and gallery.points() == {}
    [letter] = gallery.pipeline.job_repository.list_dead_letters(job.id)
    assert "media store" in letter.reason
    [(state, etag, kept)] = gallery.pipeline.execute("SELECT state, etag, sha256 FROM downloads")
    assert (state, etag, kept) == ("pending", None, None)
    gallery.attach(url, draw(1))
    _, report = gallery.index()
    assert report.written == 1


def test_servers_that_are_away_cost_no_attempt(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are given back without blame when the media store does not answer, and pass later."""
    [one] = gallery.rows.add_free([FreePicture(name="one", url=f"{_URL}/one")])
    gallery.attach(f"{_URL}/one", draw(1))

    def fail(_sha256: str) -> bytes:
        raise DependencyUnavailableError("media", "away")

    job_id = gallery.start()
    [(_, hint)] = gallery.pipeline.hints.sent
    with monkeypatch.context() as patch:
        patch.setattr(gallery.media, "get", fail)
        report = gallery.embedding.embed_chunk(job_id, [one], hint["collection"])
    assert (report.released, report.failed) == (1, 0)
    [(state, attempts)] = gallery.pipeline.execute("SELECT state, attempts FROM picture_rows")
    assert (state, attempts) == ("pending", 0)
    assert gallery.deliver().written == 1


def test_a_picture_that_changes_while_it_is_encoded_is_done_again(gallery: Gallery) -> None:
    """What was written with an older description is not recorded; the job writes it once more before it ends."""
    [one] = gallery.rows.add_free([FreePicture(name="one", url=f"{_URL}/one", tags=["old"])])
    gallery.attach(f"{_URL}/one", draw(1))

    def change() -> None:
        gallery.encoder.before_encoding = lambda: None
        gallery.rows.add_free([FreePicture(name="one", url=f"{_URL}/one", tags=["new"])])

    gallery.encoder.before_encoding = change
    job, report = gallery.index()
    assert job.state is JobState.COMPLETED and report.released == 1
    assert gallery.points()[str(one)]["tags"] == ["new"]
    gallery.assert_true_to_the_ledger()


def test_another_encoder_fills_a_collection_of_its_own(own_gallery: Gallery) -> None:
    """The old collection answers until the new one holds all; a worker of the old encoder leaves its chunks alone."""
    _fill(own_gallery, 2)
    own_gallery.index()
    old = own_gallery.collection
    small = SmallEncoder()
    newcomer = own_gallery.build(small, owner="pictures-2")
    newcomer.ensure_generation()
    titles = own_gallery.pipeline.build_embedding(own_gallery.pipeline.encoder, owner="worker-2", pictures=small)
    titles.ensure_generation()
    job_id = own_gallery.start(ids=["mal:1"])
    [(_, chunk)] = [hint for hint in own_gallery.pipeline.hints.sent if hint[0] == TASK_EMBED_PICTURES]
    ids = [uuid.UUID(one) for one in chunk["ids"]]
    assert own_gallery.embedding.embed_chunk(job_id, ids, chunk["collection"]) == PictureReport()
    assert own_gallery.deliver(newcomer).written == 3
    assert own_gallery.collection == old, "it holds half of the pictures"
    own_gallery.start()
    assert own_gallery.deliver(newcomer).written == 3
    assert own_gallery.collection != old and len(own_gallery.vector(get_cover(0))) == 96
    states = {one.collection: one.state for one in own_gallery.repository.list_all(own_gallery.alias)}
    assert states[old] is GenerationState.RETIRED
    texts = len(own_gallery.pipeline.encoder.texts)
    own_gallery.pipeline.start_job()
    own_gallery.pipeline.deliver(titles)
    mean = own_gallery.title_vectors("title-number-0")["image_vector"]
    assert mean.shape == (96,)
    assert len(own_gallery.pipeline.encoder.texts) == texts, "vectors of texts are copied"
    live = own_gallery.pipeline.generations.get_live()
    assert live is not None and live.recipes.image == small.recipe
    assert own_gallery.pipeline.ledger.count_by_vector(live.collection)["title_vector"] == 2
    own_gallery.assert_true_to_the_ledger()


def test_titles_wait_for_their_pictures_before_they_go_live(own_gallery: Gallery) -> None:
    """Indexed first, they say what they wait for; the job that follows the pictures' own makes them live."""
    _fill(own_gallery, 1)
    own_gallery.index()
    small = SmallEncoder()
    newcomer = own_gallery.build(small, owner="pictures-2")
    newcomer.ensure_generation()
    pipeline = own_gallery.pipeline
    titles = pipeline.build_embedding(pipeline.encoder, owner="worker-2", pictures=small)
    titles.ensure_generation()
    job_id = pipeline.start_job()
    pipeline.deliver(titles)
    job = pipeline.job_repository.get(job_id)
    assert job.state is JobState.COMPLETED and "avs index --pictures" in (job.message or "")
    before = pipeline.generations.get_live()
    assert before is not None and before.recipes.image == own_gallery.encoder.recipe
    own_gallery.embedding, pipeline.embedding = newcomer, titles
    own_gallery.index()
    after = pipeline.generations.get_live()
    assert after is not None and after.recipes.image == small.recipe
    assert own_gallery.title_vectors("title-number-0")["image_vector"].shape == (96,)


def test_points_that_qdrant_lost_are_found_and_written_again(gallery: Gallery) -> None:
    """The end of a job compares the ledger with the collection, as it does for titles."""
    _fill(gallery, 2)
    gallery.index()
    lost = get_cover(0)
    gallery.pipeline.store.delete(gallery.collection, [lost])
    [_] = gallery.rows.add_free([FreePicture(name="one", url=f"{_URL}/one")])
    gallery.attach(f"{_URL}/one", draw(500))
    job, report = gallery.index()
    assert job.state is JobState.COMPLETED and report.written == 2
    assert lost in gallery.points()
    gallery.assert_true_to_the_ledger()


def test_a_title_whose_pictures_are_lost_is_not_written_with_less(gallery: Gallery) -> None:
    """A missing point makes its picture stale, and the title is given back until it knows of it."""
    _fill(gallery, 1)
    job_id = gallery.start()
    [(_, hint)] = gallery.pipeline.hints.sent
    gallery.pipeline.hints.sent.clear()
    ids = [uuid.UUID(one) for one in hint["ids"]]
    gallery.embedding.embed_chunk(job_id, ids, hint["collection"])
    gallery.pipeline.store.delete(gallery.collection, [get_cover(0)])
    index_id, report = gallery.pipeline.start_job(), gallery.pipeline.deliver()
    assert (report.released, report.indexed) == (1, 0)
    assert gallery.pipeline.see_to_its_end(index_id).state is JobState.COMPLETED
    thumbnail = picture_id(kind="thumbnail", slug="title-number-0", name=f"{_URL}/0/thumbnail.png")
    made = gallery.title_vectors("title-number-0")["image_vector"]
    np.testing.assert_allclose(made, gallery.vector(thumbnail), atol=1e-5)
    gallery.index()
    mean = gallery.vector(get_cover(0)) + gallery.vector(thumbnail)
    again = gallery.title_vectors("title-number-0")["image_vector"]
    np.testing.assert_allclose(again, mean / np.linalg.norm(mean), atol=1e-5)


def test_a_job_of_some_titles_touches_no_others(gallery: Gallery) -> None:
    """`ids` and `pictures` narrow a job down; an unknown title fails it with its name."""
    _fill(gallery, 3)
    [free] = gallery.rows.add_free([FreePicture(name="one", url=f"{_URL}/one")])
    gallery.attach(f"{_URL}/one", draw(500))
    _, report = gallery.index(ids=["title-number-1"])
    assert report.written == 3
    _, report = gallery.index(pictures=[str(free)])
    assert report.written == 1 and len(gallery.points()) == 4
    job, _ = gallery.index(ids=["nobody"])
    assert job.state is JobState.FAILED and "nobody" in (job.message or "")


def test_operators_see_and_remove_pictures(gallery: Gallery) -> None:
    """The shelf counts and describes; an excluded title's pictures leave at once, and come back with it."""
    _fill(gallery, 2)
    gallery.index()
    pipeline = gallery.pipeline
    shelf = build_picture_shelf(pipeline.settings, pipeline.database, pipeline.store)
    counts = shelf.count()
    assert (counts["all"], counts["stored"], counts["adult"], counts["stale"], counts["points"]) == (6, 6, 0, 0, 6)
    described = shelf.describe()
    assert described is not None and described["pictures"] == 6
    assert described["recipe"]["encoder"] == "fake-pictures" and "slug" in described["payload_indexes"]
    exclusions = ExclusionRepository(pipeline.database)
    exclusions.exclude("title-number-0")
    shelf.remove_points_of("title-number-0", present={gallery.collection})
    assert len(gallery.points()) == 3 and shelf.count()["all"] == 3
    exclusions.restore("title-number-0")
    pipeline.jobs.reconcile()
    gallery.deliver()
    assert len(gallery.points()) == 6
    gallery.assert_true_to_the_ledger()


def test_without_an_encoder_the_job_says_what_to_set(build_pipeline: Callable[..., Any]) -> None:
    """IMAGE_EMBEDDING_MODEL=none: the job fails at once and names the setting."""
    pipeline = build_pipeline()
    job_id = pipeline.job_repository.create(KIND_PICTURES, {})
    pipeline.jobs.run(job_id)
    job = pipeline.job_repository.get(job_id)
    assert job.state is JobState.FAILED and "IMAGE_EMBEDDING_MODEL" in (job.message or "")


def test_progress_counts_pictures(gallery: Gallery) -> None:
    """While a job is open its stage `pictures` says how many wait."""
    _fill(gallery, 2)
    job_id = gallery.start()
    progress = gallery.pipeline.job_repository.get_progress(gallery.pipeline.job_repository.get(job_id))
    assert progress.stages["pictures"] == {"pending": 6} and progress.open_rows == 6
    gallery.deliver()
    progress = gallery.pipeline.job_repository.get_progress(gallery.pipeline.job_repository.get(job_id))
    assert progress.stages["pictures"] == {"done": 6} and progress.open_rows == 0


def test_snapshots_keep_what_titles_were_made_from(own_gallery: Gallery) -> None:
    """A restored collection of titles is up to date as long as the pictures are the same."""
    _fill(own_gallery, 2)
    own_gallery.index()
    job = own_gallery.pipeline.run_kind("snapshot")
    [snapshot] = own_gallery.pipeline.execute("SELECT name FROM snapshots")
    restored = own_gallery.pipeline.run_kind("restore", snapshot=snapshot[0])
    assert job.state is JobState.COMPLETED and restored.state is JobState.COMPLETED
    swap = own_gallery.pipeline.switch.swap(restored.collection)
    assert swap.stale == 0
    assert set(own_gallery.title_vectors("title-number-0")) == {"image_vector", "character_image_vector"}


def test_a_reindex_copies_image_vectors(own_gallery: Gallery) -> None:
    """The new generation has the same image vectors without a look at the pictures, and passes the gate."""
    _fill(own_gallery, 2)
    own_gallery.index()
    before = own_gallery.title_vectors("title-number-1")
    job = own_gallery.pipeline.run_kind("reindex")
    assert job.state is JobState.COMPLETED, job.message
    after = own_gallery.title_vectors("title-number-1")
    for name, vector in before.items():
        np.testing.assert_allclose(after[name], vector, atol=1e-6)
    assert own_gallery.encoder.seen == 6
