"""The bulk path on real Postgres and Qdrant: every title in the index once, whatever happens on the way."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import stamina

from core.document import AnimeDocument, content_hash
from core.errors import DependencyUnavailableError
from core.identity import point_id
from embedded.services import EmbeddedServices
from messaging.names import TASK_EMBED_CHUNK
from storage.database.models import JobState

Documents = Callable[..., list[dict[str, Any]]]
Points = Callable[..., set[str]]


def test_every_title_is_in_the_index_once(pipeline: Any, make_documents: Documents, expected_points: Points) -> None:
    """A first run writes all titles, each with a point, a ledger row and rows that are done; the job is complete."""
    pipeline.import_documents(make_documents(120))
    job, report = pipeline.index()
    assert (report.claimed, report.indexed, report.failed, report.released) == (120, 120, 0, 0)
    assert pipeline.stored_points() == expected_points(120)
    assert pipeline.ledger.count(pipeline.collection) == 120
    assert job.state is JobState.COMPLETED and job.message is None
    assert pipeline.states(job.id) == {
        "enrich": {"skipped": 120},
        "download": {"skipped": 120},
        "embed": {"done": 120},
        "index": {"done": 120},
    }


def test_a_point_carries_what_was_made(pipeline: Any, make_documents: Documents) -> None:
    """Payload and vectors in Qdrant are those of the document and its passages; nothing is there without content."""
    pipeline.import_documents(make_documents(3))
    pipeline.index()
    [record] = pipeline.store.retrieve(pipeline.alias, [point_id("title-number-1")], with_vectors=True)
    assert record.payload["title"] == "Title number 1" and record.payload["keys"]["studios"] == ["studio 1"]
    assert set(record.vector) == {
        "title_vector",
        "genre_vector",
        "staff_vector",
        "temporal_vector",
        "lexical_sparse",
        "metadata_sparse",
    }
    expected = pipeline.encoder.encode_queries(["Genres: action, drama."]).dense[0]
    assert np.allclose(record.vector["genre_vector"], expected, atol=1e-5)


def test_equal_passages_are_encoded_once(pipeline: Any, make_documents: Documents) -> None:
    """Titles that share a genre list or a studio share the vector; the model sees each text once, over all chunks."""
    pipeline.import_documents(make_documents(120))
    _, report = pipeline.index()
    assert report.passages == 4 * 120
    assert report.encoded == len(pipeline.encoder.texts) == len(set(pipeline.encoder.texts)) == 120 + 2 + 3 + 20


def test_a_second_run_does_nothing(pipeline: Any, make_documents: Documents) -> None:
    """With nothing changed the job completes at once: no row, no hint, no call of the encoder."""
    pipeline.import_documents(make_documents(60))
    pipeline.index()
    pipeline.encoder.texts.clear()
    assert pipeline.import_documents(make_documents(60)).unchanged == 60
    job_id = pipeline.start_job()
    assert pipeline.hints.sent == [] and pipeline.encoder.texts == []
    assert pipeline.job_repository.get(job_id).state is JobState.COMPLETED
    assert pipeline.states(job_id) == {}


def test_only_changed_vectors_of_changed_titles_are_made(pipeline: Any, make_documents: Documents) -> None:
    """Ten new synopses cost ten passages; their other vectors stay, and so do all other titles."""
    documents = make_documents(60)
    pipeline.import_documents(documents)
    pipeline.index()
    before = pipeline.store.retrieve(pipeline.alias, [point_id("title-number-3")], with_vectors=True)[0]
    pipeline.encoder.texts.clear()
    for document in documents[:10]:
        document["synopsis"] = f"Another story of {document['title']}."
    assert pipeline.import_documents(documents).changed == 10
    job, report = pipeline.index()
    assert (report.claimed, report.passages, report.encoded) == (10, 10, 10)
    assert all(text.startswith("Another story") for text in pipeline.encoder.texts)
    after = pipeline.store.retrieve(pipeline.alias, [point_id("title-number-3")], with_vectors=True)[0]
    assert after.payload["synopsis"] == "Another story of Title number 3."
    assert after.vector["genre_vector"] == before.vector["genre_vector"]
    assert after.vector["title_vector"] != before.vector["title_vector"]
    assert job.state is JobState.COMPLETED and len(pipeline.stored_points()) == 60


def test_a_change_of_payload_alone_encodes_nothing(pipeline: Any, make_documents: Documents) -> None:
    """A new number of votes is written to the payload without any vector."""
    [document] = make_documents(1)
    pipeline.import_documents([document])
    pipeline.index()
    pipeline.encoder.texts.clear()
    pipeline.import_documents([{**document, "scored_by": 12}])
    _, report = pipeline.index()
    assert (report.indexed, report.passages) == (1, 0) and pipeline.encoder.texts == []
    assert pipeline.store.retrieve(pipeline.alias, [point_id("title-number-0")])[0].payload["scored_by"] == 12


def test_a_vector_that_lost_its_content_is_removed(pipeline: Any, make_documents: Documents) -> None:
    """What a title no longer has cannot be found any more."""
    [document] = make_documents(1)
    pipeline.import_documents([document])
    pipeline.index()
    pipeline.execute("UPDATE titles SET document = document - 'genres' - 'year', content_hash = :hash", hash="0" * 32)
    pipeline.index()
    [record] = pipeline.store.retrieve(pipeline.alias, [point_id("title-number-0")], with_vectors=True)
    assert set(record.vector) == {"title_vector", "staff_vector", "lexical_sparse", "metadata_sparse"}
    assert "genres" not in record.payload


def test_a_title_without_any_word_is_indexed(pipeline: Any) -> None:
    """A title of one symbol has no term to look for, and harms nobody."""
    pipeline.import_documents(
        [{"title": "△", "external_ids": {"mal": 1}}, {"title": "One", "external_ids": {"mal": 2}}]
    )
    job, report = pipeline.index()
    assert report.indexed == 2 and job.message is None and len(pipeline.stored_points()) == 2
    pipeline.import_documents([{"title": "○", "external_ids": {"mal": 2}}])
    pipeline.index()
    [record] = pipeline.store.retrieve(pipeline.alias, [point_id("one")], with_vectors=True)
    assert set(record.vector) == {"title_vector"}, "words that are gone cannot be found any more"


def test_episodes_are_averaged(pipeline: Any) -> None:
    """Many episodes give one unit vector in the middle of their chunks."""
    episodes = [{"number": number, "title": f"Part {number}"} for number in range(1, 30)]
    pipeline.import_documents([{"title": "Long", "episode_list": episodes, "external_ids": {"mal": 1}}])
    pipeline.index()
    [record] = pipeline.store.retrieve(pipeline.alias, [point_id("long")], with_vectors=True)
    chunks = [text for text in pipeline.encoder.texts if text.startswith("Episode")]
    mean = pipeline.encoder.encode_queries(chunks).dense.mean(axis=0)
    assert len(chunks) == 3
    assert np.allclose(record.vector["episode_vector"], mean / np.linalg.norm(mean), atol=1e-5)


def test_a_poisonous_title_ends_in_the_dead_letters_alone(
    build_pipeline: Callable[..., Any], make_documents: Documents
) -> None:
    """A title that cannot be encoded is tried max_attempts times, then set aside; all others pass at once."""
    pipeline = build_pipeline(chunk_size=50, max_attempts=3)
    pipeline.import_documents(make_documents(60))
    pipeline.encoder.poison = "hero7 "
    job_id = pipeline.start_job()
    reports = [pipeline.deliver()]
    assert (reports[0].indexed, reports[0].failed) == (59, 1)
    while pipeline.jobs.reconcile():
        reports.append(pipeline.deliver())
    assert [report.failed for report in reports] == [1, 1, 1]
    pipeline.jobs.finish(job_id)
    job = pipeline.job_repository.get(job_id)
    assert job.state is JobState.COMPLETED and job.message == "1 in the dead letters"
    [letter] = pipeline.job_repository.list_dead_letters(job_id)
    assert (letter.slug, letter.stage, letter.attempts) == ("title-number-7", "embed", 3)
    assert letter.reason == "ValueError: cannot encode 'hero7 '"
    assert pipeline.states(job_id)["index"] == {"done": 59, "dead": 1}
    assert len(pipeline.stored_points()) == 59


def test_a_dead_title_is_written_when_the_job_is_tried_again(pipeline: Any, make_documents: Documents) -> None:
    """Once the fault is mended, a retry of the job empties the dead letters."""
    pipeline.import_documents(make_documents(5))
    pipeline.encoder.poison = "hero2 "
    job_id = pipeline.start_job()
    pipeline.deliver()
    while pipeline.jobs.reconcile():
        pipeline.deliver()
    pipeline.jobs.finish(job_id)
    pipeline.encoder.poison = None
    assert pipeline.job_repository.retry(job_id) == 2
    pipeline.jobs.reconcile()
    pipeline.deliver()
    assert pipeline.job_repository.get(job_id).state is JobState.COMPLETED
    assert pipeline.job_repository.list_dead_letters(job_id) == [] and len(pipeline.stored_points()) == 5


def test_titles_wait_while_qdrant_is_away(
    pipeline: Any,
    make_documents: Documents,
    expected_points: Points,
    fresh_services: EmbeddedServices,
) -> None:
    """With Qdrant killed during a chunk its titles are given back without blame, and written when it returns."""
    pipeline.import_documents(make_documents(60))
    job_id = pipeline.start_job()
    pipeline.encoder.before_encoding = lambda: fresh_services.kill("qdrant")
    tasks, pipeline.hints.sent = pipeline.hints.sent, []
    with stamina.set_testing(True, attempts=1):
        for _, kwargs in tasks:
            report = pipeline.embedding.embed_chunk(job_id, kwargs["slugs"], kwargs["collection"])
            assert report.released == report.claimed > 0 and report.failed == 0
    assert pipeline.states(job_id)["embed"] == {"pending": 60}
    assert {row.attempts for row in pipeline.stages.list_claimable(job_id)} == {0}
    pipeline.encoder.before_encoding = lambda: None
    fresh_services.start("qdrant")
    assert pipeline.jobs.reconcile() == 60
    pipeline.deliver()
    assert pipeline.job_repository.get(job_id).state is JobState.COMPLETED
    assert pipeline.stored_points() == expected_points(60)


def test_a_document_that_changes_while_it_is_embedded_is_done_again(pipeline: Any, make_documents: Documents) -> None:
    """The older version is never recorded: the title is given back, and what is in the index at last is the new one."""
    [document] = make_documents(1)
    pipeline.import_documents([document])

    def change() -> None:
        pipeline.encoder.before_encoding = lambda: None
        pipeline.import_documents([{**document, "synopsis": "A newer story."}])

    pipeline.encoder.before_encoding = change
    job_id = pipeline.start_job()
    report = pipeline.deliver()
    assert (report.indexed, report.released) == (0, 1)
    assert pipeline.ledger.count(pipeline.collection) == 0
    pipeline.jobs.reconcile()
    pipeline.deliver()
    assert pipeline.job_repository.get(job_id).state is JobState.COMPLETED
    [record] = pipeline.store.retrieve(pipeline.alias, [point_id("title-number-0")])
    assert record.payload["synopsis"] == "A newer story."


class _KilledError(BaseException):
    """Stands for the end of the process: nothing in the service may catch it."""


def test_dying_between_qdrant_and_postgres_does_no_harm(
    pipeline: Any, make_documents: Documents, expected_points: Points, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Points without ledger rows are written again to the same ids once the dead worker's leases have ended."""
    pipeline.import_documents(make_documents(40))
    job_id = pipeline.start_job()
    record = pipeline.ledger.record

    def die(*_: Any) -> list[str]:
        monkeypatch.setattr(pipeline.ledger, "record", record)
        raise _KilledError

    monkeypatch.setattr(pipeline.ledger, "record", die)
    with pytest.raises(_KilledError):
        pipeline.deliver()
    assert len(pipeline.stored_points()) == 40 and pipeline.ledger.count(pipeline.collection) == 0
    assert pipeline.states(job_id)["embed"] == {"leased": 40}
    pipeline.hints.sent.clear()
    assert pipeline.jobs.reconcile() == 0, "a leased title is somebody's: nothing is sent again before its time"
    pipeline.execute("UPDATE stage_rows SET leased_until = now() - interval '1 second' WHERE state = 'leased'")
    assert pipeline.jobs.reconcile() == 40
    pipeline.deliver()
    assert pipeline.job_repository.get(job_id).state is JobState.COMPLETED
    assert pipeline.stored_points() == expected_points(40)


def test_dying_in_a_partial_update_leaves_no_vector_of_a_version_that_is_gone(
    pipeline: Any, make_documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changed, its worker dead before the ledger, changed back: the index holds the title's first text again."""
    [document] = make_documents(1)
    pipeline.import_documents([document])
    pipeline.index()
    [before] = pipeline.store.retrieve(pipeline.alias, [point_id("title-number-0")], with_vectors=True)
    pipeline.import_documents([{**document, "synopsis": "A mistake.", "awards": ["Best mistake"], "scored_by": 1}])
    job_id = pipeline.start_job()

    def die(*_: Any) -> list[str]:
        raise _KilledError

    with monkeypatch.context() as patched:
        patched.setattr(pipeline.ledger, "record", die)
        with pytest.raises(_KilledError):
            pipeline.deliver()
    pipeline.job_repository.cancel(job_id)
    pipeline.execute(
        "UPDATE titles SET document = CAST(:document AS jsonb), content_hash = :hash",
        document=json.dumps(before_document := AnimeDocument.model_validate(document).to_json()),
        hash=content_hash(before_document),
    )
    job, _ = pipeline.index()
    [after] = pipeline.store.retrieve(pipeline.alias, [point_id("title-number-0")], with_vectors=True)
    assert job.state is JobState.COMPLETED and job.message is None
    assert after.payload == before.payload and set(after.vector) == set(before.vector)
    assert after.vector["title_vector"] == before.vector["title_vector"]


def test_a_failing_commit_is_tried_title_by_title(
    pipeline: Any, make_documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error after the write to Qdrant sends the slice through one by one; the outcome is the same."""
    pipeline.import_documents(make_documents(10))
    record, calls = pipeline.ledger.record, []

    def fail_once(*arguments: Any) -> list[str]:
        calls.append(arguments)
        if len(calls) == 1:
            raise RuntimeError("no")
        return list(record(*arguments))

    monkeypatch.setattr(pipeline.ledger, "record", fail_once)
    job, report = pipeline.index()
    assert (report.indexed, report.failed, len(calls)) == (10, 0, 11)
    assert job.state is JobState.COMPLETED and len(pipeline.stored_points()) == 10


def test_an_excluded_title_leaves_the_index_and_does_not_come_back(pipeline: Any, make_documents: Documents) -> None:
    """Marked as excluded in Postgres, a title loses its point, and neither a new import nor a new job restores it."""
    documents = make_documents(5)
    pipeline.import_documents(documents)
    pipeline.index()
    pipeline.execute("UPDATE titles SET excluded = true WHERE slug = 'title-number-2'")
    job, report = pipeline.index()
    assert (report.claimed, report.indexed) == (1, 1) and job.state is JobState.COMPLETED
    assert point_id("title-number-2") not in pipeline.stored_points() and len(pipeline.stored_points()) == 4
    pipeline.import_documents([{**document, "synopsis": "New."} for document in documents])
    _, report = pipeline.index()
    assert report.claimed == 4 and len(pipeline.stored_points()) == 4
    pipeline.execute("UPDATE titles SET excluded = false")
    pipeline.index()
    assert len(pipeline.stored_points()) == 5


def test_points_that_qdrant_lost_are_found_at_the_end(
    pipeline: Any, make_documents: Documents, expected_points: Points
) -> None:
    """A job does not end while the index lacks a point that the ledger lists: it is written again in full."""
    pipeline.import_documents(make_documents(30))
    pipeline.index()
    pipeline.store.delete(pipeline.collection, [point_id(f"title-number-{number}") for number in range(4)])
    job_id = pipeline.start_job()
    assert pipeline.job_repository.get(job_id).state is JobState.RUNNING
    assert [len(kwargs["slugs"]) for task, kwargs in pipeline.hints.sent if task == TASK_EMBED_CHUNK] == [4]
    pipeline.deliver()
    assert pipeline.job_repository.get(job_id).state is JobState.COMPLETED
    assert pipeline.stored_points() == expected_points(30)


def test_an_update_of_a_lost_point_writes_it_in_full(pipeline: Any, make_documents: Documents) -> None:
    """A changed title whose point is gone is not updated in parts but written anew, with all its vectors."""
    documents = make_documents(3)
    pipeline.import_documents(documents)
    pipeline.index()
    pipeline.store.delete(pipeline.collection, [point_id("title-number-1")])
    documents[1]["synopsis"] = "Other."
    pipeline.import_documents(documents)
    job_id = pipeline.start_job()
    pipeline.deliver()
    for _ in range(3):
        pipeline.jobs.reconcile()
        pipeline.deliver()
    assert pipeline.job_repository.get(job_id).state is JobState.COMPLETED
    [record] = pipeline.store.retrieve(pipeline.alias, [point_id("title-number-1")], with_vectors=True)
    assert {"title_vector", "genre_vector", "staff_vector"} <= set(record.vector)


def test_a_lost_collection_is_filled_again(pipeline: Any, make_documents: Documents) -> None:
    """Qdrant came back empty: the next job makes the collection, and every title is written into it."""
    pipeline.import_documents(make_documents(20))
    pipeline.index()
    pipeline.store._client.delete_collection(pipeline.collection)
    job_id = pipeline.start_job()
    pipeline.deliver()
    assert pipeline.job_repository.get(job_id).state is JobState.COMPLETED
    assert len(pipeline.stored_points()) == 20


def test_a_collection_lost_in_the_middle_of_a_job_is_filled(pipeline: Any, make_documents: Documents) -> None:
    """Qdrant comes back empty while chunks wait: what was written before is found missing and written again."""
    pipeline.import_documents(make_documents(120))
    job_id = pipeline.start_job()
    (_, kwargs) = pipeline.hints.sent.pop(0)
    assert pipeline.embedding.embed_chunk(job_id, kwargs["slugs"], kwargs["collection"]).indexed == 50
    pipeline.store._client.delete_collection(pipeline.collection)
    for _ in range(4):
        pipeline.deliver()
        pipeline.jobs.reconcile()
    assert pipeline.job_repository.get(job_id).state is JobState.COMPLETED
    assert len(pipeline.stored_points()) == 120


def test_lost_hints_are_sent_again(pipeline: Any, make_documents: Documents) -> None:
    """Redis came back empty: the reconciler sends every title once more, and no title while hints still wait."""
    pipeline.import_documents(make_documents(120))
    job_id = pipeline.start_job()
    assert pipeline.jobs.reconcile() == 0
    pipeline.hints.sent.clear()
    assert pipeline.jobs.reconcile() == 120
    pipeline.deliver()
    assert pipeline.job_repository.get(job_id).state is JobState.COMPLETED


def test_a_job_whose_last_hint_was_lost_is_ended(pipeline: Any, make_documents: Documents) -> None:
    """All titles done, nobody told: the reconciler has the job finished."""
    pipeline.import_documents(make_documents(5))
    job_id = pipeline.start_job()
    (_, kwargs) = pipeline.hints.sent.pop()
    pipeline.embedding.embed_chunk(job_id, kwargs["slugs"], kwargs["collection"])
    assert pipeline.job_repository.get(job_id).state is JobState.RUNNING
    pipeline.jobs.reconcile()
    pipeline.deliver()
    assert pipeline.job_repository.get(job_id).state is JobState.COMPLETED


def test_a_chunk_delivered_twice_is_worked_on_once(pipeline: Any, make_documents: Documents) -> None:
    """The second delivery finds nothing to claim."""
    pipeline.import_documents(make_documents(5))
    job_id = pipeline.start_job()
    (_, kwargs) = pipeline.hints.sent.pop()
    first = pipeline.embedding.embed_chunk(job_id, kwargs["slugs"], kwargs["collection"])
    second = pipeline.embedding.embed_chunk(job_id, kwargs["slugs"], kwargs["collection"])
    assert (first.claimed, second.claimed) == (5, 0)


def test_a_title_whose_worker_always_vanishes_is_given_up(
    build_pipeline: Callable[..., Any], make_documents: Documents
) -> None:
    """A title that kills its worker leaves no error behind; after twice max_attempts it is set aside."""
    pipeline = build_pipeline(max_attempts=2)
    pipeline.import_documents(make_documents(1))
    job_id = pipeline.start_job()
    pipeline.execute("UPDATE stage_rows SET attempts = 4 WHERE stage = 'embed'")
    report = pipeline.deliver()
    assert (report.claimed, report.failed, report.indexed) == (1, 1, 0)
    [letter] = pipeline.job_repository.list_dead_letters(job_id)
    assert "its worker vanished 4 times" in letter.reason


def test_a_worker_of_another_recipe_leaves_the_chunk_alone(pipeline: Any, make_documents: Documents) -> None:
    """Vectors of another encoder never get into the collection: the titles wait for a worker of its recipes."""
    pipeline.import_documents(make_documents(5))
    job_id = pipeline.start_job()
    (_, kwargs) = pipeline.hints.sent.pop()
    stranger = pipeline.build_embedding(type(pipeline.encoder)(template_version=99), owner="stranger")
    report = stranger.embed_chunk(job_id, kwargs["slugs"], kwargs["collection"])
    assert report.claimed == 0
    assert pipeline.states(job_id)["embed"] == {"pending": 5}
    assert pipeline.embedding.embed_chunk(job_id, kwargs["slugs"], kwargs["collection"]).indexed == 5


def test_cancelling_stops_the_work(pipeline: Any, make_documents: Documents) -> None:
    """Chunks of a cancelled job that are still in the queue do nothing."""
    pipeline.import_documents(make_documents(5))
    job_id = pipeline.start_job()
    pipeline.job_repository.cancel(job_id)
    assert pipeline.deliver().claimed == 0
    assert pipeline.job_repository.get(job_id).state is JobState.CANCELLED
    assert pipeline.jobs.reconcile() == 0


def test_a_failure_of_postgres_is_no_fault_of_the_titles(
    pipeline: Any, make_documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When Postgres is away while a slice is prepared, its titles are released without blame."""
    pipeline.import_documents(make_documents(5))
    job_id = pipeline.start_job()
    load = pipeline.ledger.load

    def fail_once(*_: Any) -> Any:
        monkeypatch.setattr(pipeline.ledger, "load", load)
        raise DependencyUnavailableError("postgres", "gone")

    monkeypatch.setattr(pipeline.ledger, "load", fail_once)
    report = pipeline.deliver()
    assert (report.released, report.failed) == (5, 0)
    assert {row.attempts for row in pipeline.stages.list_claimable(job_id)} == {0}


def test_rows_that_this_worker_left_behind_run_out(pipeline: Any, make_documents: Documents) -> None:
    """Work on one chunk does not prolong the leases of another that the same worker has lost sight of."""
    pipeline.import_documents(make_documents(10))
    job_id = pipeline.start_job()
    slugs = [f"title-number-{number}" for number in range(10)]
    pipeline.stages.claim(job_id, slugs[:5], owner="worker-1", lease_s=300)
    before = pipeline.execute("SELECT slug, leased_until FROM stage_rows WHERE state = 'leased' ORDER BY slug")
    assert pipeline.embedding.embed_chunk(job_id, slugs[5:], pipeline.collection).indexed == 5
    after = pipeline.execute("SELECT slug, leased_until FROM stage_rows WHERE state = 'leased' ORDER BY slug")
    assert len(after) == 5 and after == before


def test_rows_are_given_back_once_postgres_returns(
    pipeline: Any, make_documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postgres away while a chunk is encoded: its titles are released when it is back, not when their lease ends."""
    pipeline.import_documents(make_documents(20))
    job_id = pipeline.start_job()
    answers = iter([False, False, True])
    begin = pipeline.database.begin

    def begin_later() -> Any:
        if not next(answers, True):
            raise DependencyUnavailableError("postgres", "the database system is starting up")
        return begin()

    pipeline.encoder.before_encoding = lambda: monkeypatch.setattr(pipeline.database, "begin", begin_later)
    report = pipeline.deliver()
    assert (report.claimed, report.released) == (20, 20)
    assert {row.attempts for row in pipeline.stages.list_claimable(job_id)} == {0}
    assert pipeline.states(job_id)["embed"] == {"pending": 20}


def test_a_long_step_keeps_its_titles(pipeline: Any, make_documents: Documents) -> None:
    """While one call of the encoder lasts longer than a lease, the leases are prolonged and nobody takes the titles."""
    pipeline.import_documents(make_documents(5))
    job_id = pipeline.start_job()
    worker = pipeline.build_embedding(pipeline.encoder)
    worker._settings = pipeline.settings.model_copy(update={"lease_s": 5})
    renewed, stolen = threading.Event(), []
    renew = pipeline.stages.renew

    def watch(*arguments: Any, **named: Any) -> int:
        count = renew(*arguments, **named)
        renewed.set()
        return int(count)

    def wait() -> None:
        pipeline.encoder.before_encoding = lambda: None
        pipeline.execute("UPDATE stage_rows SET leased_until = now() - interval '1 second' WHERE state = 'leased'")
        renewed.clear()
        assert renewed.wait(60)
        stolen.extend(pipeline.stages.list_claimable(job_id))

    pipeline.stages.renew = watch
    pipeline.encoder.before_encoding = wait
    assert pipeline.deliver(worker).indexed == 5
    assert stolen == []


def test_titles_whose_lease_is_lost_are_not_written(pipeline: Any, make_documents: Documents) -> None:
    """A worker that was thought dead, and whose titles others have by now, stops before it writes."""
    pipeline.import_documents(make_documents(5))
    job_id = pipeline.start_job()
    (_, kwargs) = pipeline.hints.sent.pop()

    def lose() -> None:
        pipeline.execute("UPDATE stage_rows SET lease_owner = 'worker-2' WHERE state = 'leased'")

    pipeline.encoder.before_encoding = lose
    report = pipeline.embedding.embed_chunk(job_id, kwargs["slugs"], kwargs["collection"])
    assert (report.claimed, report.indexed, report.failed, report.released) == (5, 0, 0, 0)
    assert pipeline.ledger.count(pipeline.collection) == 0 and pipeline.store.count(pipeline.collection) == 0


def test_a_title_follows_the_names_of_those_it_links_to(pipeline: Any) -> None:
    """Linked by an id alone: imported later, or renamed, the other title's name comes into the related vector."""
    links = [{"relation": "sequel", "external_ids": {"mal": 2, "anidb": "x"}}]
    pipeline.import_documents([{"title": "First", "external_ids": {"mal": 1}, "related_anime": links}])
    pipeline.index()

    def related_texts() -> list[str]:
        pipeline.encoder.texts.clear()
        job, _ = pipeline.index()
        assert job.state is JobState.COMPLETED
        return [text for text in pipeline.encoder.texts if "equel" in text]

    pipeline.import_documents([{"title": "Second", "external_ids": {"mal": 2}}])
    assert len(found := related_texts()) == 1 and "Second" in found[0]
    pipeline.import_documents([{"title": "Second Season", "external_ids": {"mal": 2}}])
    assert len(found := related_texts()) == 1 and "Second Season" in found[0]
    pipeline.import_documents([{"title": "Second Season", "year": 2001, "external_ids": {"mal": 2}}])
    assert related_texts() == []
