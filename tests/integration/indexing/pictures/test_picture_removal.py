"""Pictures that are taken out while a worker has them: no point of theirs stays behind."""

from __future__ import annotations

import uuid
from typing import Any

from storage.database.models import JobState
from storage.database.pictures import FreePicture
from storage.database.removals import RemovalRepository

_URL = "https://pictures.test/one"


def _add(gallery: Any, **more: Any) -> uuid.UUID:
    [identifier] = gallery.rows.add_free([FreePicture(name="one", url=_URL, **more)])
    gallery.attach(_URL, gallery.draw(1))
    return uuid.UUID(str(identifier))


def _remove(gallery: Any) -> uuid.UUID:
    """As the API does, without its own short cut to the points; the job's id."""
    removal = RemovalRepository(gallery.pipeline.database).remove("one")
    assert removal.job_id is not None
    return removal.job_id


def test_a_removed_picture_loses_its_point_with_its_job(gallery: Any) -> None:
    """The job that was stored with the removal takes the point out, without an encoder."""
    identifier = _add(gallery)
    gallery.index()
    assert set(gallery.points()) == {str(identifier)}
    job_id = _remove(gallery)
    gallery.pipeline.jobs.run(job_id)
    assert gallery.deliver().removed == 1
    assert gallery.points() == {}
    assert gallery.pipeline.job_repository.get(job_id).state is JobState.COMPLETED
    assert gallery.encoder.seen == 1


def test_a_picture_that_is_removed_while_it_is_encoded_leaves_no_point(gallery: Any) -> None:
    """Its point is written, and not recorded; the same job takes it out again before it ends."""
    _add(gallery)

    def remove() -> None:
        gallery.encoder.before_encoding = lambda: None
        _remove(gallery)

    gallery.encoder.before_encoding = remove
    job, report = gallery.index()
    assert (job.state, report.released, report.removed) == (JobState.COMPLETED, 1, 1)
    assert gallery.points() == {}
    assert gallery.pipeline.execute("SELECT count(*) FROM picture_ledger") == [(0,)]


def test_the_title_of_a_removed_picture_is_written_without_it(gallery: Any) -> None:
    """An index job follows the removal's, after which the title has no image vector any more."""
    gallery.pipeline.import_documents([{"title": "Title number 0", "synopsis": "Story."}])
    gallery.pipeline.index()
    _add(gallery, slug="title-number-0")
    gallery.index()
    assert set(gallery.title_vectors("title-number-0")) == {"image_vector"}
    gallery.pipeline.jobs.run(_remove(gallery))
    gallery.deliver()
    assert gallery.title_vectors("title-number-0") == {}
