"""Collections of pictures: another encoder, lost points, snapshots and copies, and what operators see."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import numpy as np

from api.picture_shelf import build_picture_shelf
from indexing.pictures.embedding import PictureReport
from indexing.pictures.jobs import KIND_PICTURES
from messaging.names import TASK_EMBED_PICTURES
from storage.database.exclusions import ExclusionRepository
from storage.database.models import GenerationState, JobState
from storage.database.pictures import FreePicture

_URL = "https://pictures.test"


def test_another_encoder_fills_a_collection_of_its_own(own_gallery: Any) -> None:
    """The old collection answers until the new one holds all; a worker of the old encoder leaves its chunks alone."""
    own_gallery.fill(2)
    own_gallery.index()
    old = own_gallery.collection
    small = own_gallery.build_small_encoder()
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
    assert own_gallery.collection != old and len(own_gallery.vector(own_gallery.get_cover(0))) == 96
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


def test_titles_wait_for_their_pictures_before_they_go_live(own_gallery: Any) -> None:
    """Indexed first, they say what they wait for; the job that follows the pictures' own makes them live."""
    own_gallery.fill(1)
    own_gallery.index()
    small = own_gallery.build_small_encoder()
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


def test_points_that_qdrant_lost_are_found_and_written_again(gallery: Any) -> None:
    """The end of a job compares the ledger with the collection, as it does for titles."""
    gallery.fill(2)
    gallery.index()
    lost = gallery.get_cover(0)
    gallery.pipeline.store.delete(gallery.collection, [lost])
    [_] = gallery.rows.add_free([FreePicture(name="one", url=f"{_URL}/one")])
    gallery.attach(f"{_URL}/one", gallery.draw(500))
    job, report = gallery.index()
    assert job.state is JobState.COMPLETED and report.written == 2
    assert lost in gallery.points()
    gallery.assert_true_to_the_ledger()


def test_operators_see_and_remove_pictures(gallery: Any) -> None:
    """The shelf counts and describes; an excluded title's pictures leave at once, and come back with it."""
    gallery.fill(2)
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


def test_snapshots_keep_what_titles_were_made_from(own_gallery: Any) -> None:
    """A restored collection of titles is up to date as long as the pictures are the same."""
    own_gallery.fill(2)
    own_gallery.index()
    job = own_gallery.pipeline.run_kind("snapshot")
    [snapshot] = own_gallery.pipeline.execute("SELECT name FROM snapshots")
    restored = own_gallery.pipeline.run_kind("restore", snapshot=snapshot[0])
    assert job.state is JobState.COMPLETED and restored.state is JobState.COMPLETED
    swap = own_gallery.pipeline.switch.swap(restored.collection)
    assert swap.stale == 0
    assert set(own_gallery.title_vectors("title-number-0")) == {"image_vector", "character_image_vector"}


def test_a_reindex_copies_image_vectors(own_gallery: Any) -> None:
    """The new generation has the same image vectors without a look at the pictures, and passes the gate."""
    own_gallery.fill(2)
    own_gallery.index()
    before = own_gallery.title_vectors("title-number-1")
    job = own_gallery.pipeline.run_kind("reindex")
    assert job.state is JobState.COMPLETED, job.message
    after = own_gallery.title_vectors("title-number-1")
    for name, vector in before.items():
        np.testing.assert_allclose(after[name], vector, atol=1e-6)
    assert own_gallery.encoder.seen == 6
