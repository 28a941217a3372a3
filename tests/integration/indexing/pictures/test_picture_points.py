"""Pictures from their rows to points: what is encoded, what is not, and what fails alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.errors import DependencyUnavailableError
from storage.database.models import JobState
from storage.database.pictures import FreePicture

_URL = "https://pictures.test"


def test_equal_contents_are_encoded_once(gallery: Any) -> None:
    """The same bytes under many addresses are seen once by the encoder, in this job and in later ones."""
    ids = gallery.rows.add_free([FreePicture(name=f"p{number}", url=f"{_URL}/{number}") for number in range(120)])
    for number in range(120):
        gallery.attach(f"{_URL}/{number}", gallery.draw(number % 2))
    _, report = gallery.index()
    assert (report.written, gallery.encoder.seen) == (120, 2)
    [late] = gallery.rows.add_free([FreePicture(name="late", url=f"{_URL}/late")])
    gallery.attach(f"{_URL}/late", gallery.draw(1))
    _, report = gallery.index()
    assert (report.written, report.encoded, gallery.encoder.seen) == (1, 0, 2)
    np.testing.assert_allclose(gallery.vector(str(late)), gallery.vector(str(ids[1])), atol=1e-6)


def test_free_pictures_need_no_title(gallery: Any) -> None:
    """A list of pictures alone makes a collection; a changed description rewrites the payload and encodes nothing."""
    [one] = gallery.rows.add_free([FreePicture(name="one", url=f"{_URL}/one", tags=["a"], metadata={"k": [1]})])
    gallery.attach(f"{_URL}/one", gallery.draw(1))
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


def test_bad_pictures_end_in_the_dead_letters_alone(gallery: Any) -> None:
    """A content that cannot be decoded is given up with its reason; its neighbours are indexed. Retry tries again."""
    [bad, good] = gallery.rows.add_free([FreePicture(name=name, url=f"{_URL}/{name}") for name in ("bad", "good")])
    gallery.attach(f"{_URL}/bad", b"no picture at all")
    gallery.attach(f"{_URL}/good", gallery.draw(1))
    job, report = gallery.index()
    assert (report.written, report.failed) == (1, 1)
    [letter] = gallery.pipeline.job_repository.list_dead_letters(job.id)
    assert letter.stage == "embed" and "PictureRefusedError" in letter.reason
    assert (letter.detail["picture_id"], letter.detail["url"]) == (str(bad), f"{_URL}/bad")
    assert set(gallery.points()) == {str(good)}
    assert gallery.pipeline.job_repository.retry(job.id) == 1
    assert gallery.pipeline.job_repository.list_dead_letters(job.id) == []
    gallery.attach(f"{_URL}/bad", gallery.draw(2))
    gallery.pipeline.jobs.finish(job.id)
    gallery.deliver()
    assert set(gallery.points()) == {str(good), str(bad)}


def test_a_lost_file_is_wanted_again(gallery: Any) -> None:
    """A content that the media store has lost is no silent gap: a dead letter, and its URL waits for a download."""
    url = f"{_URL}/one"
    gallery.rows.add_free([FreePicture(name="one", url=url)])
    sha256 = gallery.attach(url, gallery.draw(1))
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
    gallery.attach(url, gallery.draw(1))
    _, report = gallery.index()
    assert report.written == 1


def test_servers_that_are_away_cost_no_attempt(gallery: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are given back without blame when the media store does not answer, and pass later."""
    [one] = gallery.rows.add_free([FreePicture(name="one", url=f"{_URL}/one")])
    gallery.attach(f"{_URL}/one", gallery.draw(1))

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


def test_a_picture_that_changes_while_it_is_encoded_is_done_again(gallery: Any) -> None:
    """What was written with an older description is not recorded; the job writes it once more before it ends."""
    [one] = gallery.rows.add_free([FreePicture(name="one", url=f"{_URL}/one", tags=["old"])])
    gallery.attach(f"{_URL}/one", gallery.draw(1))

    def change() -> None:
        gallery.encoder.before_encoding = lambda: None
        gallery.rows.add_free([FreePicture(name="one", url=f"{_URL}/one", tags=["new"])])

    gallery.encoder.before_encoding = change
    job, report = gallery.index()
    assert job.state is JobState.COMPLETED and report.released == 1
    assert gallery.points()[str(one)]["tags"] == ["new"]
    gallery.assert_true_to_the_ledger()


def test_progress_counts_pictures(gallery: Any) -> None:
    """While a job is open its stage `pictures` says how many wait."""
    gallery.fill(2)
    job_id = gallery.start()
    progress = gallery.pipeline.job_repository.get_progress(gallery.pipeline.job_repository.get(job_id))
    assert progress.stages["pictures"] == {"pending": 6} and progress.open_rows == 6
    gallery.deliver()
    progress = gallery.pipeline.job_repository.get_progress(gallery.pipeline.job_repository.get(job_id))
    assert progress.stages["pictures"] == {"done": 6} and progress.open_rows == 0
