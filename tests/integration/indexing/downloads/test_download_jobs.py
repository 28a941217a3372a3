"""Jobs of downloads: what they want, whom they tell, how they end, and what follows."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from core.errors import InvalidInputError, NotFoundError
from core.picture_lists import ListedPicture
from indexing.downloads.jobs import KIND_DOWNLOAD
from indexing.pictures.jobs import KIND_PICTURES
from messaging.names import TASK_FETCH_DOWNLOADS, TASK_RUN_JOB
from storage.database.downloads import Shard
from storage.database.models import JobState
from tests.integration.indexing.downloads.conftest import Downloads
from tests.picture_host import PictureHost


def build_title(name: str, host: PictureHost, **changes: Any) -> dict[str, Any]:
    """A title with a cover, a banner and a portrait of its own."""
    return {
        "title": name,
        "images": {"picture": host.url(f"/many/{name}1.jpg"), "banner": host.url(f"/many/{name}2.jpg")},
        "characters": [{"name": "Somebody", "image": host.url(f"/many/{name}3.jpg")}, {"name": "Nobody"}],
        **changes,
    }


def test_all_pictures_of_titles_are_fetched(downloads: Downloads, picture_host: PictureHost) -> None:
    """Covers, banners and portraits of every title but excluded ones; what two titles share is fetched once."""
    shared = picture_host.url("/many/9.jpg")
    downloads.add_titles(
        [build_title("1", picture_host, images={"picture": shared}), build_title("2", picture_host, adult=True)]
    )
    downloads.add_titles([build_title("3", picture_host, images={"picture": shared})])
    downloads.add_titles([build_title("4", picture_host)])
    downloads.execute("UPDATE titles SET excluded = true WHERE slug = '4'")
    job = downloads.run()
    assert (job.state, job.message) == (JobState.COMPLETED, None)
    paths = {"/many/9.jpg", "/many/13.jpg", "/many/33.jpg", *(f"/many/2{number}.jpg" for number in (1, 2, 3))}
    asked = {path: count for path, count in picture_host.counts.items() if path != "/robots.txt"}
    assert asked == dict.fromkeys(paths, 1)
    rows = downloads.execute("SELECT kind, slug, sha256, adult FROM pictures WHERE sha256 IS NOT NULL")
    assert {(row.kind, row.slug, row.adult) for row in rows} == {
        ("cover", "1", False),
        ("cover", "3", False),
        ("character", "1", False),
        ("character", "3", False),
        ("cover", "2", True),
        ("banner", "2", True),
        ("character", "2", True),
    }
    assert downloads.manifest()[shared]["titles"] == ["1", "3"]


def test_a_job_of_some_titles(downloads: Downloads, picture_host: PictureHost) -> None:
    """Only the pictures of the given titles are wanted; an unknown one fails the job before anything is stored."""
    downloads.add_titles([build_title("1", picture_host), build_title("2", picture_host)])
    assert downloads.outcomes_of(downloads.run(ids=["2"]).id) == {"fetched": 3}
    with pytest.raises(InvalidInputError, match="ids: unknown: 7"):
        downloads.start(ids=["1", "7"])
    assert len(downloads.manifest()) == 3


def test_a_job_of_a_short_list(downloads: Downloads, picture_host: PictureHost) -> None:
    """URLs in the params become free pictures with their names, tags, metadata and titles."""
    downloads.add_titles([build_title("1", picture_host)])
    url, other = picture_host.url("/many/5.jpg"), picture_host.url("/many/6.jpg")
    entry = {"url": url, "id": "mine", "tags": ["red"], "metadata": {"page": 3}, "title": "1", "adult": True}
    downloads.run(urls=[entry, other])
    rows = downloads.execute("SELECT url, name, tags, metadata, slug, adult FROM pictures ORDER BY url")
    assert [tuple(row) for row in rows] == [
        (url, "mine", ["red"], {"page": 3}, "1", True),
        (other, None, [], {}, None, False),
    ]
    with pytest.raises(InvalidInputError, match="unknown titles: 8"):
        downloads.start(urls=[{"url": url, "title": "8"}])


def test_a_list_is_a_job_or_none(downloads: Downloads, picture_host: PictureHost) -> None:
    """A list that cannot be taken to its end leaves no job behind."""
    pages = [[ListedPicture(picture_host.url("/many/1.jpg"))], [ListedPicture("http://x/", title="nobody")]]
    with pytest.raises(NotFoundError):
        downloads.jobs.start_list(pages, {})
    assert downloads.job_repository.list_recent() == []


def test_hints_name_each_part_once(downloads: Downloads, picture_host: PictureHost) -> None:
    """A short list goes to one worker, a long one to four, and between them they have all of it."""
    short = downloads.jobs.start_list([[ListedPicture(picture_host.url("/many/1.jpg"))]], {})
    long = downloads.jobs.start_list(
        [[ListedPicture(picture_host.url(f"/many/{number}.jpg")) for number in range(1_500)]], {}
    )
    for job_id in (short, long):
        downloads.job_repository.start(job_id)
        downloads.jobs.run(downloads.job_repository.get(job_id))
    sent = [(kwargs["job_id"], kwargs["shard"]) for _, kwargs in downloads.hints.sent]
    assert sent == [(str(short), "1/1"), *((str(long), f"{number}/4") for number in (1, 2, 3, 4))]


def test_lost_hints_are_sent_again(downloads: Downloads, picture_host: PictureHost) -> None:
    """The reconciler's look at an open job sends a part again when nobody is at work on it and no hint waits."""
    job_id = downloads.start_list([picture_host.url(f"/many/{number}.jpg") for number in range(4)])
    job = downloads.job_repository.get(job_id)
    assert not downloads.jobs.finish(job)
    assert downloads.hints.sent == [(TASK_FETCH_DOWNLOADS, {"job_id": str(job_id), "shard": "1/1"})]
    assert not downloads.jobs.finish(job)
    assert len(downloads.hints.sent) == 1
    downloads.hints.sent.clear()
    downloads.repository.claim(job_id, shard=Shard(), limit=1, owner="somebody", lease_s=60)
    assert not downloads.jobs.finish(job)
    assert downloads.hints.sent == []


def test_a_job_that_is_followed(downloads: Downloads, picture_host: PictureHost) -> None:
    """With then_index the end of the job brings one job of pictures, however often the end is looked for."""
    job_id = downloads.start_list([picture_host.url("/many/1.jpg")], then_index=True)
    downloads.see_to_its_end(job_id)
    assert downloads.jobs.finish(downloads.job_repository.get(job_id))
    following = [job for job in downloads.job_repository.list_open() if job.kind == KIND_PICTURES]
    assert [job.params for job in following] == [{"after": str(job_id)}]
    assert (TASK_RUN_JOB, {"job_id": str(following[0].id)}) in downloads.hints.sent


def test_an_empty_job_ends_at_once(downloads: Downloads) -> None:
    """Where nothing is wanted the job is over when it has begun."""
    job_id = downloads.start()
    assert downloads.job_repository.get(job_id).state is JobState.COMPLETED


def test_what_came_to_its_end_unseen_is_settled(downloads: Downloads, picture_host: PictureHost) -> None:
    """A row that another job's worker could not see yet when it recorded the URL is ended by the look at the job."""
    url = picture_host.url("/many/1.jpg")
    first = downloads.start_list([url])
    downloads.see_to_its_end(first)
    second = downloads.start_list([url])
    downloads.execute("UPDATE job_downloads SET state = 'pending', outcome = NULL WHERE job_id = :id", id=second)
    assert downloads.jobs.finish(downloads.job_repository.get(second))
    assert downloads.outcomes_of(second) == {"known": 1}


def test_pictures_that_nobody_fetched_are_looked_for(
    build_downloads: Callable[..., Downloads], picture_host: PictureHost
) -> None:
    """With PICTURES_AUTO one job at a time is begun for what is missing, and none for what was given up."""
    downloads = build_downloads(pictures_auto=True)
    assert downloads.jobs.start_missing() is None
    downloads.add_titles([build_title("1", picture_host, images={"picture": picture_host.url("/kind/missing/1")})])
    job_id = downloads.jobs.start_missing()
    assert job_id is not None and downloads.hints.sent == [(TASK_RUN_JOB, {"job_id": str(job_id)})]
    assert downloads.jobs.start_missing() is None
    downloads.job_repository.start(job_id)
    downloads.jobs.run(downloads.job_repository.get(job_id))
    assert downloads.see_to_its_end(job_id).message == "1 in the dead letters"
    assert downloads.jobs.start_missing() is None
    with downloads.database.begin() as connection:
        lost = downloads.manifest()[picture_host.url("/many/13.jpg")]["sha256"]
        assert downloads.repository.want_again(connection, [lost]) == 1
    again = downloads.jobs.start_missing()
    assert again is not None
    downloads.job_repository.start(again)
    downloads.jobs.run(downloads.job_repository.get(again))
    downloads.see_to_its_end(again)
    assert downloads.outcomes_of(again) == {"fetched": 1}


def test_nothing_is_looked_for_unless_told(downloads: Downloads, picture_host: PictureHost) -> None:
    """Without PICTURES_AUTO no host is asked for anything by itself."""
    downloads.add_titles([build_title("1", picture_host)])
    assert downloads.jobs.start_missing() is None
    assert downloads.job_repository.list_open_of(KIND_DOWNLOAD) == []


def test_progress_says_what_came(downloads: Downloads, picture_host: PictureHost) -> None:
    """States, outcomes, bytes and rates of a job in the middle; the seconds left are unknown before anything came."""
    job_id = downloads.start_list([picture_host.url(f"/many/{number}.jpg") for number in range(6)])
    before = downloads.job_repository.get_progress(downloads.job_repository.get(job_id))
    assert before.seconds_left is None and before.open_rows == 6
    downloads.fetch(job_id)
    progress = downloads.job_repository.get_progress(downloads.job_repository.get(job_id))
    assert progress.downloads is not None and progress.seconds_left == 0.0
    assert progress.stages["download"] == {"done": 6} == progress.downloads.states
    assert progress.downloads.bytes == sum(line["bytes"] for line in downloads.manifest().values())
    assert progress.downloads.per_s > 0 and progress.downloads.bytes_per_s > 0


def test_the_speed_of_a_job_that_has_ended_is_that_of_its_own_time(
    downloads: Downloads, picture_host: PictureHost
) -> None:
    """Six URLs in three seconds are two a second, as well when the job is over."""
    job_id = downloads.start_list([picture_host.url(f"/many/{number}.jpg") for number in range(6)])
    downloads.see_to_its_end(job_id)
    downloads.execute("UPDATE jobs SET started_at = finished_at - interval '3 seconds'")
    job = downloads.job_repository.get(job_id)
    progress = downloads.job_repository.get_progress(job)
    assert job.is_closed and progress.downloads is not None
    assert progress.downloads.per_s == 2.0
    assert progress.downloads.bytes_per_s == pytest.approx(progress.downloads.bytes / 3, abs=0.1)


def test_claims_under_a_lease(downloads: Downloads, picture_host: PictureHost) -> None:
    """A URL is one worker's until its lease ends; renewed it stays so, and a lost claim decides nothing any more."""
    job_id = downloads.start_list([picture_host.url("/many/1.jpg"), picture_host.url("/kind/missing/2")])
    claim = downloads.repository.claim

    def claim_as(owner: str, lease_s: float) -> set[str]:
        found = claim(job_id, shard=Shard(), limit=10, owner=owner, lease_s=lease_s)
        return {f"{one.url_hash}:{one.attempts}" for one in found}

    first = claim_as("first", 60)
    assert len(first) == 2 and claim_as("second", 60) == set()
    hashes = [one.partition(":")[0] for one in first]
    assert downloads.repository.renew(hashes, owner="second", lease_s=60) == 0
    assert downloads.repository.renew(hashes, owner="first", lease_s=-1) == 2
    assert claim_as("second", 60) == {f"{one}:2" for one in hashes}
    # The report of the first worker: its picture counts, its failure does not.
    claims = {one.url: one for one in _reread(downloads, job_id)}
    attempts = [downloads.attempts.attempt(one) for one in claims.values()]
    downloads.store.settle([one.staged for one in attempts if one.staged])
    recorded = downloads.outcomes.record(
        [one.outcome for one in attempts], owner="first", is_stored=downloads.store.exists
    )
    assert recorded == 1 and downloads.states_of(job_id) == {"done": 1, "leased": 1}


def _reread(downloads: Downloads, job_id: uuid.UUID) -> list[Any]:
    """The job's claims as a worker has them."""
    downloads.execute("UPDATE downloads SET leased_until = now() - interval '1 second'")
    return downloads.repository.claim(job_id, shard=Shard(), limit=10, owner="second", lease_s=60)


def test_a_picture_that_kills_its_workers_is_given_up(downloads: Downloads, picture_host: PictureHost) -> None:
    """A URL whose worker vanished again and again is a dead letter, and is not asked for once more."""
    job_id = downloads.start_list([picture_host.url("/many/1.jpg")])
    for _ in range(6):
        downloads.repository.claim(job_id, shard=Shard(), limit=1, owner="gone", lease_s=-1)
    downloads.see_to_its_end(job_id)
    assert downloads.outcomes_of(job_id) == {"worker-lost": 1}
    assert picture_host.counts == {}


def test_a_fault_of_ours_is_that_pictures_alone(
    downloads: Downloads, picture_host: PictureHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody foresaw, and want of memory, end in the dead letters with their names; others go on."""
    from indexing.downloads import attempt

    describe = attempt.describe_picture
    faults = {11: ZeroDivisionError("oh"), 12: MemoryError()}
    sizes = {len(downloads.fetcher.fetch(picture_host.url(f"/many/{number}.jpg")).body): number for number in (11, 12)}
    assert len(sizes) == 2

    def fail(data: bytes, **arguments: Any) -> Any:
        if (fault := faults.get(sizes.get(len(data), 0))) is not None:
            raise fault
        return describe(data, **arguments)

    monkeypatch.setattr(attempt, "describe_picture", fail)
    job_id = downloads.start_list(
        [picture_host.url(f"/many/{number}.jpg") for number in (11, 12)] + [picture_host.url("/kind/png/x")]
    )
    downloads.see_to_its_end(job_id)
    assert downloads.outcomes_of(job_id) == {"unexpected": 1, "out-of-memory": 1, "fetched": 1}
