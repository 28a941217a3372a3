"""Titles and their pictures: image vectors, and points that follow their titles."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np

from core.identity import picture_id
from storage.database.exclusions import ExclusionRepository
from storage.database.models import JobState
from storage.database.pictures import FreePicture

_URL = "https://pictures.test"


def test_pictures_become_points_and_titles_their_mean(gallery: Any) -> None:
    """Every stored picture is a point; the follow-up job gives each title the unit mean of its pictures by kind."""
    gallery.fill(3)
    job, report = gallery.index()
    assert (job.state, report.claimed, report.written, report.encoded) == (JobState.COMPLETED, 9, 9, 9)
    payload = gallery.points()[gallery.get_cover(1)]
    assert payload["kind"] == "cover" and payload["slug"] == "title-number-1" and payload["title"] == "Title number 1"
    assert (payload["source"], payload["width"], payload["height"]) == ("pictures.test", 40, 30)
    thumbnail = gallery.get_thumbnail(1)
    mean = gallery.vector(gallery.get_cover(1)) + gallery.vector(thumbnail)
    made = gallery.title_vectors("title-number-1")
    np.testing.assert_allclose(made["image_vector"], mean / np.linalg.norm(mean), atol=1e-5)
    hero = picture_id(kind="character", slug="title-number-1", character="Hero", name=f"{_URL}/1/hero.png")
    np.testing.assert_allclose(made["character_image_vector"], gallery.vector(hero), atol=1e-5)
    gallery.assert_true_to_the_ledger()
    again, report = gallery.index()
    assert (again.state, report.claimed) == (JobState.COMPLETED, 0)
    assert gallery.pipeline.execute("SELECT count(*) FROM jobs WHERE params ->> 'scope' = 'pictures'")[0][0] == 1


def test_a_title_that_turns_adult_takes_its_pictures_along(gallery: Any) -> None:
    """Its own index job rewrites the points of its pictures; no job of pictures is needed."""
    gallery.fill(2)
    gallery.index()
    gallery.pipeline.import_documents([gallery.build_document(0, tags=["hentai"])])
    gallery.pipeline.index()
    points = gallery.points()
    assert {payload["slug"] for payload in points.values() if payload["adult"]} == {"title-number-0"}
    assert sum(payload["adult"] for payload in points.values()) == 3
    gallery.assert_true_to_the_ledger()
    assert gallery.encoder.seen == 6


def test_pictures_of_an_excluded_title_leave_and_come_back(gallery: Any) -> None:
    """Exclusion removes the points with the title's own job; restoring brings them and the title's vectors back."""
    gallery.fill(2)
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


def test_a_removed_picture_goes_from_the_index_and_from_its_title(gallery: Any) -> None:
    """A character without a picture any more has no point, and the title no character_image_vector."""
    gallery.fill(1)
    gallery.index()
    gallery.pipeline.import_documents([gallery.build_document(0, characters=[{"name": "Hero"}])])
    gallery.pipeline.index()
    gallery.deliver()
    assert {payload["kind"] for payload in gallery.points().values()} == {"cover", "thumbnail"}
    assert set(gallery.title_vectors("title-number-0")) == {"image_vector"}


def test_a_new_cover_changes_the_title(gallery: Any) -> None:
    """Another content under the same address is encoded anew and the title's vector with it, no text."""
    gallery.fill(1)
    gallery.index()
    before = gallery.title_vectors("title-number-0")["image_vector"]
    texts = len(gallery.pipeline.encoder.texts)
    gallery.attach(f"{_URL}/0/cover.png", gallery.draw(999))
    _, report = gallery.index()
    assert (report.encoded, len(gallery.pipeline.encoder.texts)) == (1, texts)
    after = gallery.title_vectors("title-number-0")["image_vector"]
    thumbnail = gallery.get_thumbnail(0)
    mean = gallery.vector(gallery.get_cover(0)) + gallery.vector(thumbnail)
    np.testing.assert_allclose(after, mean / np.linalg.norm(mean), atol=1e-5)
    assert np.abs(after - before).max() > 0.01


def test_a_title_whose_pictures_are_lost_is_not_written_with_less(gallery: Any) -> None:
    """A missing point makes its picture stale, and the title is given back until it knows of it."""
    gallery.fill(1)
    job_id = gallery.start()
    [(_, hint)] = gallery.pipeline.hints.sent
    gallery.pipeline.hints.sent.clear()
    ids = [uuid.UUID(one) for one in hint["ids"]]
    gallery.embedding.embed_chunk(job_id, ids, hint["collection"])
    gallery.pipeline.store.delete(gallery.collection, [gallery.get_cover(0)])
    index_id, report = gallery.pipeline.start_job(), gallery.pipeline.deliver()
    assert (report.released, report.indexed) == (1, 0)
    assert gallery.pipeline.see_to_its_end(index_id).state is JobState.COMPLETED
    thumbnail = gallery.get_thumbnail(0)
    made = gallery.title_vectors("title-number-0")["image_vector"]
    np.testing.assert_allclose(made, gallery.vector(thumbnail), atol=1e-5)
    gallery.index()
    mean = gallery.vector(gallery.get_cover(0)) + gallery.vector(thumbnail)
    again = gallery.title_vectors("title-number-0")["image_vector"]
    np.testing.assert_allclose(again, mean / np.linalg.norm(mean), atol=1e-5)


def test_a_job_of_some_titles_touches_no_others(gallery: Any) -> None:
    """`ids` and `pictures` narrow a job down; an unknown title fails it with its name."""
    gallery.fill(3)
    [free] = gallery.rows.add_free([FreePicture(name="one", url=f"{_URL}/one")])
    gallery.attach(f"{_URL}/one", gallery.draw(500))
    _, report = gallery.index(ids=["title-number-1"])
    assert report.written == 3
    _, report = gallery.index(pictures=[str(free)])
    assert report.written == 1 and len(gallery.points()) == 4
    job, _ = gallery.index(ids=["nobody"])
    assert job.state is JobState.FAILED and "nobody" in (job.message or "")
