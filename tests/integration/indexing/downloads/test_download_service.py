"""Whole jobs of downloads against the picture host: what is stored, what is recorded, what is asked of the host."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import pytest

from core.errors import DependencyUnavailableError
from core.pictures import describe_picture
from fetching import Fetcher, build_options
from fetching.errors import TRANSIENT_REASONS
from indexing.downloads.attempt import Downloader
from indexing.downloads.service import BATCH
from storage.database.downloads import Shard
from storage.database.models import JobState
from storage.media import MediaStore, StagedMedia
from tests.integration.indexing.downloads.conftest import Downloads
from tests.picture_host import KINDS, PictureHost
from tests.picture_host.lists import build_mixed_list


def test_pictures_are_stored_and_recorded(downloads: Downloads, picture_host: PictureHost) -> None:
    """Each URL is asked for once, its bytes lie in the store under their SHA-256, and Postgres says what they are."""
    urls = [picture_host.url(f"/many/{number}.jpg") for number in range(40)]
    job_id = downloads.start_list(urls)
    job = downloads.see_to_its_end(job_id)
    assert (job.state, job.message) == (JobState.COMPLETED, None)
    assert downloads.outcomes_of(job_id) == {"fetched": 40}
    assert all(picture_host.count(f"/many/{number}.jpg") == 1 for number in range(40))
    lines = downloads.manifest()
    assert set(lines) == set(urls)
    for line in lines.values():
        data = downloads.store.get(line["sha256"])
        facts = describe_picture(data, max_pixels=1_000_000)
        assert hashlib.sha256(data).hexdigest() == line["sha256"] and len(data) == line["bytes"]
        assert (line["width"], line["height"]) == (facts.info.width, facts.info.height)
        assert (line["phash"], line["colour"]) == (f"{facts.phash:016x}", facts.colour)
        assert (line["state"], line["status"], line["attempts"], line["reason"]) == ("done", 200, 1, None)
    shown = downloads.execute("SELECT url, sha256 FROM pictures WHERE kind = 'free'")
    assert {row.url: row.sha256 for row in shown} == {url: line["sha256"] for url, line in lines.items()}


def test_every_kind_ends_as_it_should(downloads: Downloads) -> None:
    """Good, odd and hostile answers: each is stored or given up for its own reason, and the counts add up."""
    with PictureHost(address="0.0.0.0") as everywhere:
        # Each at an address of its own, so that what fails opens no circuit for the others.
        hosts = {kind: f"127.0.1.{number}" for number, kind in enumerate(KINDS, start=1)}
        urls = {kind: everywhere.url(f"/kind/{kind}/x", host=host) for kind, host in hosts.items()}
        job_id = downloads.start_list(list(urls.values()))
        job = downloads.see_to_its_end(job_id)
    assert job.state is JobState.COMPLETED
    lines = downloads.manifest()
    expected = {kind: kind_of.fetch or kind_of.picture for kind, kind_of in KINDS.items()}
    assert {kind: lines[url]["reason"] for kind, url in urls.items()} == expected
    for kind, url in urls.items():
        assert lines[url]["state"] == ("done" if expected[kind] is None else "dead")
        assert (lines[url]["sha256"] is None) == (expected[kind] is not None)
    assert sum(downloads.outcomes_of(job_id).values()) == len(KINDS)


def test_transient_failures_alone_are_tried_again(downloads: Downloads, picture_host: PictureHost) -> None:
    """A host that comes round is asked until it does; one that never does so often as the setting says, and no more."""
    paths = {"/flaky/500/2/a": 3, "/flaky/503/1/b": 2, "/kind/broken/c": 3, "/kind/missing/d": 1, "/kind/html/e": 1}
    job_id = downloads.start_list([picture_host.url(path) for path in paths])
    downloads.see_to_its_end(job_id)
    assert {path: picture_host.count(path) for path in paths} == paths
    assert downloads.outcomes_of(job_id) == {"fetched": 2, "http-5xx": 1, "http-404": 1, "html": 1}
    letters = downloads.job_repository.list_dead_letters(job_id)
    assert {letter.detail["code"] for letter in letters} == {"http-5xx", "http-404", "html"}
    assert {letter.attempts for letter in letters if letter.detail["code"] == "http-5xx"} == {3}


def test_retry_after_is_obeyed(downloads: Downloads, picture_host: PictureHost) -> None:
    """A host that asks for a pause is not asked before it is over, for whatever address."""
    patient = Fetcher(build_options(downloads.settings))
    attempts = Downloader(patient, downloads.store, downloads.attempt_options)
    service = downloads.build_service(attempts=attempts)
    service.fetch_shard(downloads.start_list([picture_host.url("/pause/300/1/a")]), Shard())
    waits = downloads.execute("SELECT extract(epoch FROM due_at - now()) AS left, state FROM downloads")
    assert waits[0].state == "failed" and 280 < waits[0].left <= 300
    other = downloads.start_list([picture_host.url("/many/1.jpg")])
    service.fetch_shard(other, Shard())
    assert downloads.states_of(other) == {"pending": 1}
    assert picture_host.count("/many/1.jpg") == 0


def test_one_content_is_stored_once(downloads: Downloads, picture_host: PictureHost) -> None:
    """The same bytes from two addresses are one file with one row, which both addresses name."""
    urls = [picture_host.url("/kind/jpeg/a"), picture_host.url("/kind/jpeg/b")]
    downloads.see_to_its_end(downloads.start_list(urls))
    assert len({line["sha256"] for line in downloads.manifest().values()}) == 1
    assert len(list(downloads.store.list())) == 1
    assert downloads.execute("SELECT count(*) FROM media_files")[0][0] == 1


def test_a_second_job_finds_what_is_known(downloads: Downloads, picture_host: PictureHost) -> None:
    """What one job has fetched or given up is so for the next at once; nothing is asked again."""
    urls = [picture_host.url("/many/1.jpg"), picture_host.url("/kind/missing/x")]
    downloads.see_to_its_end(downloads.start_list(urls))
    before = picture_host.counts
    job_id = downloads.start_list(urls)
    assert downloads.see_to_its_end(job_id).message == "1 in the dead letters"
    assert downloads.outcomes_of(job_id) == {"known": 1, "http-404": 1}
    assert picture_host.counts == before


def test_two_jobs_share_one_fetch(downloads: Downloads, picture_host: PictureHost) -> None:
    """A URL that two open jobs want is fetched by one of them, and done for both."""
    urls = [picture_host.url(f"/many/{number}.jpg") for number in range(10)]
    first, second = downloads.start_list(urls), downloads.start_list(urls[5:])
    downloads.fetch(first)
    assert downloads.states_of(second) == {"done": 5}
    assert downloads.jobs.finish(downloads.job_repository.get(second))
    assert max(picture_host.counts[f"/many/{number}.jpg"] for number in range(10)) == 1


def test_a_refresh_asks_whether_anything_changed(downloads: Downloads, picture_host: PictureHost) -> None:
    """What is old enough is asked for with its ETag: 304 changes nothing, new bytes take the place of the old ones."""
    same, other = picture_host.url("/many/1.jpg"), picture_host.url("/file/other")
    picture_host.script("/file/other", KINDS["png"].build(""), KINDS["webp"].build(""))
    downloads.see_to_its_end(downloads.start_list([same, other]))
    before = downloads.manifest()
    job_id = downloads.jobs.start_list([], {}, refresh=True)
    assert downloads.start(urls=[same], refresh=True) and picture_host.count("/many/1.jpg") == 1
    downloads.execute("UPDATE downloads SET fetched_at = now() - interval '100 days'")
    job_id = downloads.start(urls=[same, other], refresh=True)
    downloads.see_to_its_end(job_id)
    assert downloads.outcomes_of(job_id) == {"unchanged": 1, "fetched": 1}
    after = downloads.manifest()
    assert after[same]["sha256"] == before[same]["sha256"] and after[other]["sha256"] != before[other]["sha256"]
    assert after[same]["fetched_at"] > before[same]["fetched_at"]
    shown = downloads.execute("SELECT sha256 FROM pictures WHERE url = :url", url=other)
    assert [row.sha256 for row in shown] == [after[other]["sha256"]]


def test_a_refresh_that_fails_keeps_the_picture(downloads: Downloads, picture_host: PictureHost) -> None:
    """An address that answers 404 by now is given up, and its picture of before stays."""
    url = picture_host.url("/file/x")
    picture_host.script("/file/x", KINDS["png"].build(""), KINDS["missing"].build(""))
    downloads.see_to_its_end(downloads.start_list([url]))
    sha256 = downloads.manifest()[url]["sha256"]
    downloads.execute("UPDATE downloads SET fetched_at = now() - interval '100 days'")
    downloads.see_to_its_end(downloads.start(urls=[url], refresh=True))
    line = downloads.manifest()[url]
    assert (line["state"], line["reason"], line["sha256"]) == ("dead", "http-404", sha256)
    assert downloads.execute("SELECT sha256 FROM pictures")[0].sha256 == sha256


def test_a_lost_file_is_asked_for_in_full(downloads: Downloads, picture_host: PictureHost) -> None:
    """A refresh of a picture whose file has gone sends no ETag: the host must not answer that nothing changed."""
    url = picture_host.url("/many/1.jpg")
    downloads.see_to_its_end(downloads.start_list([url]))
    sha256 = downloads.manifest()[url]["sha256"]
    downloads.store.delete(sha256)
    downloads.execute("UPDATE downloads SET fetched_at = now() - interval '100 days'")
    job_id = downloads.start(urls=[url], refresh=True)
    downloads.see_to_its_end(job_id)
    assert downloads.outcomes_of(job_id) == {"fetched": 1}
    assert downloads.store.exists(sha256)


def test_dead_letters_are_retried(downloads: Downloads, picture_host: PictureHost) -> None:
    """A retry of the job asks again for what was given up, and resolves its dead letters."""
    url = picture_host.url("/file/x")
    picture_host.script("/file/x", KINDS["missing"].build(""), KINDS["png"].build(""))
    job_id = downloads.start_list([url, picture_host.url("/many/1.jpg")])
    assert downloads.see_to_its_end(job_id).message == "1 in the dead letters"
    assert downloads.job_repository.retry(job_id) == 1
    assert downloads.see_to_its_end(job_id).message is None
    assert downloads.outcomes_of(job_id) == {"fetched": 2}
    assert downloads.job_repository.list_dead_letters(job_id) == []
    assert picture_host.count("/many/1.jpg") == 1


def test_shards_divide_a_list(downloads: Downloads, picture_host: PictureHost) -> None:
    """Each URL belongs to exactly one of N parts, a job of one part wants its URLs alone, and together they are all."""
    urls = [picture_host.url(f"/many/{number}.jpg") for number in range(60)]
    parts = [downloads.start_list(urls, shard=str(Shard(number, 3))) for number in (1, 2, 3)]
    counts = [sum(downloads.states_of(job_id).values()) for job_id in parts]
    assert sum(counts) == 60 and min(counts) > 5
    for job_id in parts:
        downloads.see_to_its_end(job_id)
    assert len(downloads.manifest()) == 60
    whole = downloads.start_list(urls)
    assert downloads.outcomes_of(whole) == {"known": 60}


def test_shards_of_the_sender_are_those_of_the_claims(downloads: Downloads, picture_host: PictureHost) -> None:
    """What `list_shards` counts in a part is what a claim of that part gets."""
    job_id = downloads.start_list([picture_host.url(f"/many/{number}.jpg") for number in range(50)])
    for of in (1, 2, 3, 7):
        for shard, state in downloads.repository.list_shards(job_id, of=of).items():
            claims = downloads.repository.claim(job_id, shard=shard, limit=100, owner="t", lease_s=60)
            assert len(claims) == state.claimable and all(shard.holds(claim.url_hash) for claim in claims)
        downloads.execute("UPDATE downloads SET state = 'pending'")


def test_hosts_do_not_hold_each_other_up(build_downloads: Callable[..., Downloads], picture_host: PictureHost) -> None:
    """A host is asked for no more at once than the setting allows, and another one is served meanwhile."""
    downloads = build_downloads(download_per_host=2)
    slow = [picture_host.url(f"/slow/0.3/many/{number}.jpg") for number in range(12)]
    with PictureHost(address="127.0.0.2") as other:
        job_id = downloads.start_list([*slow, *(other.url(f"/many/{number}.jpg") for number in range(12))])
        downloads.fetch(job_id)
        assert other.most_at_once <= 2
    assert picture_host.most_at_once <= 2
    assert downloads.outcomes_of(job_id) == {"fetched": 24}


def test_a_host_that_is_away_is_put_off(build_downloads: Callable[..., Downloads]) -> None:
    """When nobody listens the circuit opens, waiting uses up no attempts, and in the end all URLs are given up."""
    downloads = build_downloads(patience_s=3.0)
    with PictureHost() as host:
        urls = [host.url(f"/many/{number}.jpg") for number in range(60)]
    job_id = downloads.start_list(urls)
    job = downloads.see_to_its_end(job_id)
    assert job.message == "60 in the dead letters"
    outcomes = downloads.outcomes_of(job_id)
    assert set(outcomes) <= {"connect", "circuit-open"} and sum(outcomes.values()) == 60
    assert max(line["attempts"] for line in downloads.manifest().values()) <= 3


def test_a_host_that_only_fails_is_given_up(build_downloads: Callable[..., Downloads]) -> None:
    """A host that answers nothing but 500 is given up as a whole: that an address of it was given up is no answer."""
    downloads = build_downloads(patience_s=2.0, download_max_attempts=1)
    with PictureHost() as host:
        job_id = downloads.start_list([host.url(f"/kind/broken/{number}") for number in range(60)])
        downloads.see_to_its_end(job_id)
    outcomes = downloads.outcomes_of(job_id)
    assert set(outcomes) == {"http-5xx", "circuit-open"} and sum(outcomes.values()) == 60


def test_a_host_that_returns_is_forgiven(downloads: Downloads) -> None:
    """URLs that were put off while their host was away are fetched when it is back, and start afresh."""
    with PictureHost() as host:
        port, urls = host.port, [host.url(f"/many/{number}.jpg") for number in range(40)]
    job_id = downloads.start_list(urls)
    downloads.fetch(job_id, slice_s=0.3)
    assert downloads.execute("SELECT count(silent_since) FROM downloads")[0][0] > 0
    with PictureHost(port=port):
        downloads.see_to_its_end(job_id)
    assert downloads.outcomes_of(job_id)["fetched"] == 40
    assert downloads.execute("SELECT count(silent_since) FROM downloads")[0][0] == 0


def test_a_store_that_is_away_costs_nothing(downloads: Downloads, picture_host: PictureHost) -> None:
    """When the media store fails the call ends with that, no attempt is counted, and all is fetched once it is back."""
    root = downloads.settings.get_media_path()
    root.write_text("a file where the folder should be")
    job_id = downloads.start_list([picture_host.url(f"/many/{number}.jpg") for number in range(20)])
    with pytest.raises(DependencyUnavailableError, match="media"):
        downloads.fetch(job_id)
    assert downloads.states_of(job_id) == {"pending": 20}
    assert downloads.execute("SELECT max(attempts) FROM downloads")[0][0] == 0
    root.unlink()
    downloads.execute("UPDATE downloads SET due_at = now()")
    downloads.see_to_its_end(job_id)
    assert downloads.outcomes_of(job_id) == {"fetched": 20}


def test_a_content_that_vanishes_is_fetched_again(downloads: Downloads, picture_host: PictureHost) -> None:
    """A file that a cleaner took between the write and the row is not vouched for: its URL is asked for once more."""
    job_id = downloads.start_list([picture_host.url("/many/1.jpg"), picture_host.url("/many/2.jpg")])
    downloads.build_service(store=_ForgetfulStore(downloads.store)).fetch_shard(job_id, Shard())
    assert downloads.outcomes_of(job_id) == {"fetched": 2}
    assert picture_host.count("/many/1.jpg") + picture_host.count("/many/2.jpg") == 3


def test_a_cancelled_job_stops(downloads: Downloads, picture_host: PictureHost) -> None:
    """Nothing more of a cancelled job is claimed; what was fetched before is known to the next one."""
    job_id = downloads.start_list([picture_host.url(f"/many/{number}.jpg") for number in range(5)])
    downloads.job_repository.cancel(job_id)
    report = downloads.fetch(job_id)
    assert not report.outcomes and not picture_host.counts


def test_stopping_gives_back_what_has_not_begun(downloads: Downloads, picture_host: PictureHost) -> None:
    """A worker that is told to stop records what runs and leaves the rest free at once, without an attempt counted."""
    job_id = downloads.start_list([picture_host.url(f"/slow/0.2/many/{number}.jpg") for number in range(100)])
    service = downloads.build_service()
    service.stop()
    report = service.fetch_shard(job_id, Shard())
    assert report.has_more and not report.outcomes
    report = downloads.fetch(job_id, slice_s=0.1)
    assert report.has_more and 0 < report.outcomes["fetched"] < 100
    states = downloads.states_of(job_id)
    assert states == {"done": report.outcomes["fetched"], "pending": 100 - report.outcomes["fetched"]}
    assert downloads.execute("SELECT max(attempts) FROM downloads WHERE state = 'pending'")[0][0] == 0


def test_a_full_disk_costs_nothing(downloads: Downloads, picture_host: PictureHost) -> None:
    """When files cannot be brought to the disk no URL is called done and none is blamed."""
    job_id = downloads.start_list([picture_host.url("/many/1.jpg"), picture_host.url("/kind/missing/x")])
    with pytest.raises(DependencyUnavailableError, match="no space"):
        downloads.build_service(store=_FullStore(downloads.store)).fetch_shard(job_id, Shard())
    assert downloads.states_of(job_id) == {"pending": 1, "dead": 1}
    downloads.execute("UPDATE downloads SET due_at = now()")
    downloads.see_to_its_end(job_id)
    assert downloads.outcomes_of(job_id) == {"fetched": 1, "http-404": 1}
    assert [line["attempts"] for line in downloads.manifest().values()] == [1, 1]


def test_a_database_that_goes_away_ends_the_call(downloads: Downloads, picture_host: PictureHost) -> None:
    """When outcomes cannot be recorded the call ends with that, and all is fetched once leases have run out."""
    job_id = downloads.start_list([picture_host.url(f"/many/{number}.jpg") for number in range(3 * BATCH)])
    service = downloads.build_service(outcomes=_AwayOutcomes(), lease_s=1.0)
    with pytest.raises(DependencyUnavailableError, match="postgres"):
        service.fetch_shard(job_id, Shard())
    assert downloads.states_of(job_id).get("done", 0) == 0
    downloads.execute("UPDATE downloads SET leased_until = now() WHERE state = 'leased'")
    downloads.see_to_its_end(job_id)
    assert downloads.outcomes_of(job_id) == {"fetched": 3 * BATCH}


class _AwayOutcomes:
    """A database that answers no more."""

    def record(self, *_: object, **__: object) -> int:
        raise DependencyUnavailableError("postgres", "gone")


class _Store:
    """A store whose end of a batch goes wrong."""

    def __init__(self, store: MediaStore) -> None:
        self._store = store

    def exists(self, sha256: str) -> bool:
        return self._store.exists(sha256)

    def settle(self, staged: Sequence[StagedMedia]) -> None:
        self._store.settle(staged)


class _ForgetfulStore(_Store):
    """Loses one content right after it was settled, once."""

    has_lost = False

    def settle(self, staged: Sequence[StagedMedia]) -> None:
        self._store.settle(staged)
        if staged and not self.has_lost:
            self.has_lost = True
            self._store.delete(staged[0].sha256)


class _FullStore(_Store):
    """Has no space left."""

    def settle(self, staged: Sequence[StagedMedia]) -> None:
        if staged:
            raise DependencyUnavailableError("media", "no space left on device")


def test_counts_add_up(build_downloads: Callable[..., Downloads], host_everywhere: int) -> None:
    """Of a long list a tenth fails in every way there is: each URL ends once, for its own reason, and none is left."""
    downloads = build_downloads(download_timeout_s=3.0, download_max_attempts=2)
    urls, expected = build_mixed_list(host_everywhere, 2_000)
    job_id = downloads.start_list(urls)
    job = downloads.see_to_its_end(job_id)
    outcomes = downloads.outcomes_of(job_id)
    assert sum(outcomes.values()) == 2_000 and outcomes["fetched"] == expected["fetched"] == 1_800
    for_good = {word: count for word, count in expected.items() if word not in TRANSIENT_REASONS}
    assert {word: count for word, count in outcomes.items() if word not in TRANSIENT_REASONS} == for_good
    # Failures that repeat open the circuit of their host, which may then be the reason.
    assert {word for word in outcomes if word in TRANSIENT_REASONS} <= {*expected, "circuit-open"}
    assert job.state is JobState.COMPLETED and job.message == "200 in the dead letters"
    assert len(downloads.job_repository.list_dead_letters(job_id, limit=1_000)) == 200
    assert len(list(downloads.store.list())) == 1_800
