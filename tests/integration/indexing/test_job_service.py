"""The life of jobs and generations: start, end, mending, and the moves of the alias."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import models

from core.errors import DependencyUnavailableError, InvalidInputError
from core.identity import point_id
from enrichment.titles.merger import TitleMerger
from indexing.generations import NoGenerationError
from messaging.names import TASK_EMBED_CHUNK, TASK_FINISH_JOB, TASK_RUN_JOB
from storage.database.claims import ClaimRepository, NewClaim
from storage.database.models import GenerationState, JobState

Documents = Callable[..., list[dict[str, Any]]]


def test_an_import_job_brings_its_documents_into_the_index(pipeline: Any, make_documents: Documents) -> None:
    """A job with documents stores, embeds and indexes them, and counts what it read."""
    job_id = pipeline.job_repository.create("import", {"documents": [*make_documents(3), {"year": 1}]})
    pipeline.jobs.run(job_id)
    pipeline.deliver()
    job = pipeline.job_repository.get(job_id)
    assert job.state is JobState.COMPLETED and job.message == "1 in the dead letters"
    assert job.import_counts == {"added": 3, "changed": 0, "unchanged": 0, "refused": 1}
    assert len(pipeline.stored_points()) == 3


def test_an_import_may_be_followed_by_enrichment(pipeline: Any, make_documents: Documents) -> None:
    """Its end stores the job that asks about its titles, once; without titles to index there is none."""
    for documents, count in ((make_documents(2), 1), (make_documents(2), 0)):
        job_id = pipeline.job_repository.create("import", {"documents": documents, "then_enrich": True})
        pipeline.jobs.run(job_id)
        pipeline.deliver()
        assert pipeline.job_repository.get(job_id).state is JobState.COMPLETED
        following = pipeline.job_repository.find_following(job_id)
        assert (following is not None) == bool(count)
        if following is not None:
            assert (following.kind, following.params["imported_by"]) == ("enrich", str(job_id))


def test_an_index_job_may_be_for_what_an_enrichment_merged(pipeline: Any, make_documents: Documents) -> None:
    """`enriched_by` names the job: its titles are indexed, and no others."""
    pipeline.import_documents(make_documents(4))
    enriched = pipeline.job_repository.create("enrich", {})
    pipeline.execute(f"INSERT INTO stage_rows (job_id, stage, slug) VALUES ('{enriched}', 'enrich', 'title-number-2')")
    pipeline.job_repository.close(enriched, JobState.COMPLETED)
    job, report = pipeline.index(enriched_by=str(enriched))
    assert job.state is JobState.COMPLETED and report.indexed == 1


def test_only_what_enrichment_changed_is_embedded_again(pipeline: Any, make_documents: Documents) -> None:
    """A provider names a producer and a score: one passage, the staff's, is encoded; the other vectors stay."""
    pipeline.import_documents(make_documents(4))
    pipeline.index()
    [before] = pipeline.store.retrieve(pipeline.alias, [point_id("title-number-2")], with_vectors=True)
    pipeline.encoder.texts.clear()
    facts = {"producers": ["Some Committee"], "score": 7.5, "scored_by": 900}
    said = NewClaim(
        slug="title-number-2", provider="jikan", stage="metadata", facts=facts, fetched_at=datetime.now(UTC)
    )  # fmt: skip
    with pipeline.database.begin() as connection:
        ClaimRepository(pipeline.database).record_in(connection, said)
    assert TitleMerger(pipeline.database).merge(["title-number-2"]).changed == ("title-number-2",)
    _, report = pipeline.index()
    [after] = pipeline.store.retrieve(pipeline.alias, [point_id("title-number-2")], with_vectors=True)
    assert (report.indexed, report.encoded) == (1, 1) and "Some Committee" in pipeline.encoder.texts[0]
    changed = {name for name in after.vector if after.vector[name] != before.vector.get(name)}
    assert "staff_vector" in changed and not changed & {"title_vector", "genre_vector", "temporal_vector"}
    assert after.payload["score"] == 7.5


def test_an_open_job_of_enrichment_is_looked_at(pipeline: Any, make_documents: Documents) -> None:
    """Its rows are no rows of embedding: the reconciler has its kind look for what got lost."""
    pipeline.import_documents(make_documents(1))
    job_id = pipeline.job_repository.create("enrich", {})
    pipeline.job_repository.start(job_id)
    pipeline.job_repository.mark_enqueued(job_id, None)
    pipeline.execute(f"INSERT INTO stage_rows (job_id, stage, slug) VALUES ('{job_id}', 'enrich', 'title-number-0')")
    pipeline.jobs.reconcile()
    assert pipeline.hints.sent == [(TASK_FINISH_JOB, {"job_id": str(job_id)})]
    pipeline.job_repository.close(job_id, JobState.CANCELLED)


def test_an_import_job_reads_files_under_its_root_only(
    build_pipeline: Callable[..., Any], make_documents: Documents, tmp_path: Path
) -> None:
    """IMPORT_ROOT bounds what a job may read; any other path, or no root, fails the job with the reason."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "titles.jsonl").write_text("\n".join(json.dumps(document) for document in make_documents(2)))
    (tmp_path / "secret.jsonl").write_text('{"title": "Secret"}')
    pipeline = build_pipeline(import_root=root)

    def run(path: str) -> Any:
        job_id = pipeline.job_repository.create("import", {"path": path})
        pipeline.jobs.run(job_id)
        pipeline.deliver()
        return pipeline.job_repository.get(job_id)

    assert run("titles.jsonl").state is JobState.COMPLETED and pipeline.titles.count() == 2
    for path in ("../secret.jsonl", str(tmp_path / "secret.jsonl")):
        job = run(path)
        assert job.state is JobState.FAILED and "IMPORT_ROOT" in job.message
    assert "absent.jsonl" in run("absent.jsonl").message
    closed = build_pipeline(share=pipeline, import_root=None)
    job_id = closed.job_repository.create("import", {"path": "titles.jsonl"})
    closed.jobs.run(job_id)
    assert "IMPORT_ROOT is not set" in closed.job_repository.get(job_id).message


def test_an_import_job_without_a_source_fails_with_the_reason(pipeline: Any) -> None:
    """Neither documents nor path: nothing can be read."""
    job_id = pipeline.job_repository.create("import", {})
    pipeline.jobs.run(job_id)
    assert pipeline.job_repository.get(job_id).state is JobState.FAILED


def test_a_job_of_named_titles_touches_no_other(pipeline: Any, make_documents: Documents) -> None:
    """Ids may be slugs or `provider:id`; an unknown one fails the job and names it."""
    pipeline.import_documents(make_documents(6))
    job, report = pipeline.index(ids=["title-number-1", "mal:4"])
    assert job.state is JobState.COMPLETED and report.indexed == 2 and len(pipeline.stored_points()) == 2
    failed, _ = pipeline.index(ids=["title-number-1", "nobody", "mal:999"])
    assert failed.state is JobState.FAILED and "nobody, mal:999" in failed.message


def test_running_a_job_twice_changes_nothing(pipeline: Any, make_documents: Documents) -> None:
    """A hint delivered twice, even after the end, neither adds rows nor opens the job again."""
    pipeline.import_documents(make_documents(5))
    job_id = pipeline.start_job()
    pipeline.jobs.run(job_id)
    assert pipeline.states(job_id)["embed"] == {"pending": 5}
    pipeline.deliver()
    ended = pipeline.job_repository.get(job_id)
    pipeline.jobs.run(job_id)
    assert pipeline.job_repository.get(job_id) == ended and pipeline.hints.sent == []


def test_a_job_does_not_end_while_a_row_is_open(pipeline: Any, make_documents: Documents) -> None:
    """`finish` may come at any time and closes nothing too early."""
    pipeline.import_documents(make_documents(5))
    job_id = pipeline.start_job()
    assert pipeline.jobs.finish(job_id) is False
    assert pipeline.job_repository.get(job_id).state is JobState.RUNNING
    pipeline.deliver()
    assert pipeline.jobs.finish(job_id) is False, "it has ended already"


def test_no_generation_means_later_not_never(build_pipeline: Callable[..., Any], make_documents: Documents) -> None:
    """Before any embedding worker has started a job waits, and the reconciler starts it when one has."""
    pipeline = build_pipeline(alias=f"titles_{uuid.uuid4().hex[:8]}")
    pipeline.import_documents(make_documents(2))
    job_id = pipeline.job_repository.create("index", {})
    with pytest.raises(NoGenerationError):
        pipeline.jobs.run(job_id)
    pipeline.execute("UPDATE jobs SET heartbeat_at = now() - interval '10 minutes'")
    pipeline.jobs.reconcile()
    assert pipeline.hints.sent == [(TASK_RUN_JOB, {"job_id": str(job_id)})]


def test_an_import_whose_command_died_is_closed(pipeline: Any) -> None:
    """A job that a command line was importing for is not restarted by workers, who have no file: it fails in words."""
    job_id = pipeline.job_repository.create("import", {"source": "cli", "file": "x.jsonl"})
    pipeline.job_repository.start(job_id)
    pipeline.jobs.reconcile()
    assert pipeline.job_repository.get(job_id).state is JobState.RUNNING
    pipeline.execute("UPDATE jobs SET heartbeat_at = now() - interval '10 minutes'")
    pipeline.jobs.reconcile()
    job = pipeline.job_repository.get(job_id)
    assert job.state is JobState.FAILED and "run it again" in job.message


def test_a_job_that_was_never_started_is_sent_again(pipeline: Any) -> None:
    """The row was written, the hint was lost: the reconciler sends it."""
    job_id = pipeline.job_repository.create("index", {})
    pipeline.jobs.reconcile()
    assert pipeline.hints.sent == [(TASK_RUN_JOB, {"job_id": str(job_id)})]


def test_chunks_have_the_size_that_settings_say(pipeline: Any, make_documents: Documents) -> None:
    """120 titles in chunks of 50 are three tasks, and together every title once."""
    pipeline.import_documents(make_documents(120))
    pipeline.start_job()
    chunks = [kwargs["slugs"] for task, kwargs in pipeline.hints.sent if task == TASK_EMBED_CHUNK]
    assert [len(chunk) for chunk in chunks] == [50, 50, 20]
    assert len({slug for chunk in chunks for slug in chunk}) == 120


def test_two_workers_at_once_embed_each_title_once(pipeline: Any, make_documents: Documents) -> None:
    """Workers that get the same chunk at the same time share it without waiting for each other."""
    pipeline.import_documents(make_documents(150))
    job_id = pipeline.start_job()
    workers = [pipeline.build_embedding(type(pipeline.encoder)(), owner=f"worker-{number}") for number in range(2)]
    slugs, collection, reports = [f"title-number-{number}" for number in range(150)], pipeline.collection, []

    def work(worker: Any) -> None:
        reports.append(worker.embed_chunk(job_id, slugs, collection))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(report.claimed for report in reports) == sum(report.indexed for report in reports) == 150
    assert pipeline.jobs.finish(job_id) and len(pipeline.stored_points()) == 150


def test_workers_that_start_together_share_one_generation(build_pipeline: Callable[..., Any]) -> None:
    """Two workers of one recipe that start at the same moment make one collection, and both go on."""
    alias = f"titles_{uuid.uuid4().hex[:8]}"
    pipeline = build_pipeline(alias=alias)
    second = build_pipeline(share=pipeline)
    errors: list[BaseException] = []

    def start(one: Any) -> None:
        try:
            one.embedding.ensure_generation()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=start, args=(one,)) for one in (pipeline, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    [generation] = pipeline.generation_repository.list_all(alias)
    assert generation.state is GenerationState.LIVE
    assert pipeline.store.get_alias_target(alias) == generation.collection


def test_a_new_encoder_goes_live_only_when_its_index_is_whole(pipeline: Any, make_documents: Documents) -> None:
    """Another recipe builds beside the live index; a job of one title does not move the alias, the last one does."""
    pipeline.import_documents(make_documents(8))
    pipeline.index()
    old = pipeline.collection
    newcomer = pipeline.build_embedding(type(pipeline.encoder)(dimension=16, template_version=2), owner="worker-2")
    newcomer.ensure_generation()
    building = pipeline.collection
    assert building != old and pipeline.store.get_alias_target(pipeline.alias) == old
    job_id = pipeline.start_job(ids=["title-number-1"])
    pipeline.deliver(newcomer)
    assert pipeline.job_repository.get(job_id).state is JobState.COMPLETED
    assert pipeline.store.get_alias_target(pipeline.alias) == old, "one title is no index"
    job_id = pipeline.start_job()
    pipeline.deliver(newcomer)
    assert pipeline.job_repository.get(job_id).state is JobState.COMPLETED
    assert pipeline.store.get_alias_target(pipeline.alias) == building and len(pipeline.stored_points()) == 8
    states = {one.collection: one.state for one in pipeline.generation_repository.list_all(pipeline.alias)}
    assert states == {old: GenerationState.RETIRED, building: GenerationState.LIVE}
    assert pipeline.store.count(old) == 8, "the old one stays for a way back"
    pipeline.store.swap_alias(pipeline.alias, old)


def test_going_live_is_finished_after_a_crash_between_its_steps(pipeline: Any) -> None:
    """Postgres says live and Qdrant has no alias: the next start puts it right."""
    collection = pipeline.collection
    client = pipeline.store._client
    delete = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=pipeline.alias))
    client.update_collection_aliases([delete])
    assert pipeline.store.get_alias_target(pipeline.alias) is None
    pipeline.embedding.ensure_generation()
    assert pipeline.store.get_alias_target(pipeline.alias) == collection


def test_a_path_that_is_refused_names_the_field(pipeline: Any) -> None:
    """The error of a bad path is one for the caller, not for the operator."""
    with pytest.raises(InvalidInputError, match="path"):
        pipeline.jobs._resolve_path("x.jsonl")


def test_a_second_run_leaves_an_import_alone_that_is_under_way(pipeline: Any, make_documents: Documents) -> None:
    """While one worker imports, another that gets the same hint does nothing, so nothing is counted twice."""
    job_id = pipeline.job_repository.create("import", {"documents": make_documents(2)})
    pipeline.job_repository.start(job_id)
    pipeline.jobs.run(job_id)
    assert pipeline.job_repository.get(job_id).import_counts == {}
    assert pipeline.titles.count() == 0


def test_an_import_that_is_done_again_counts_each_record_once(pipeline: Any, make_documents: Documents) -> None:
    """What an attempt counted before it died is forgotten when the import starts over."""
    job_id = pipeline.job_repository.create("import", {"documents": [*make_documents(2), {"year": 1}]})
    pipeline.jobs.import_records(job_id, iter(()), on_progress=lambda _: None)
    with pipeline.database.begin() as connection:
        pipeline.job_repository.add_import_counts(connection, job_id, {"added": 7, "refused": 1})
        pipeline.job_repository.add_dead_letter(connection, job_id, stage="import", reason="old", detail={})
    pipeline.job_repository.wait_again(job_id)
    pipeline.jobs.run(job_id)
    assert pipeline.job_repository.get(job_id).import_counts == {"added": 2, "changed": 0, "unchanged": 0, "refused": 1}
    assert [letter.reason != "old" for letter in pipeline.job_repository.list_dead_letters(job_id)] == [True]


def _start_other_encoder(pipeline: Any) -> Any:
    """An embedding worker of another encoder starts and makes its generation."""
    other = pipeline.build_embedding(type(pipeline.encoder)(dimension=16, template_version=2), owner="worker-2")
    other.ensure_generation()
    return other


def test_an_encoder_that_was_tried_and_taken_back_leaves_no_trace(
    build_pipeline: Callable[..., Any], make_documents: Documents
) -> None:
    """Started once with another model and then with the old one again, jobs write to the live index as before."""
    pipeline = build_pipeline(alias=f"titles_{uuid.uuid4().hex[:8]}")
    pipeline.embedding.ensure_generation()
    live = pipeline.collection
    pipeline.import_documents(make_documents(3))
    _start_other_encoder(pipeline)
    building = pipeline.collection
    assert building != live
    pipeline.embedding.ensure_generation()
    job, report = pipeline.index()
    assert (job.state, job.collection, report.indexed) == (JobState.COMPLETED, live, 3)
    _start_other_encoder(pipeline)
    assert pipeline.collection == building, "the second attempt goes on where the first one ended"


def test_a_job_of_an_encoder_that_is_gone_moves_to_the_live_index(
    build_pipeline: Callable[..., Any], make_documents: Documents
) -> None:
    """Its chunks are passed over until nobody got on with it for a lease; then all its titles go to the live one."""
    pipeline = build_pipeline(alias=f"titles_{uuid.uuid4().hex[:8]}", chunk_size=2)
    pipeline.embedding.ensure_generation()
    live = pipeline.collection
    pipeline.import_documents(make_documents(4))
    other = _start_other_encoder(pipeline)
    job_id = pipeline.start_job()
    (_, kwargs) = pipeline.hints.sent.pop(0)
    assert other.embed_chunk(job_id, kwargs["slugs"], kwargs["collection"]).indexed == 2
    pipeline.embedding.ensure_generation()
    assert pipeline.deliver().claimed == 0 and pipeline.collection != live, "somebody was at it a moment ago"
    pipeline.execute("UPDATE jobs SET heartbeat_at = now() - interval '1 hour'")
    pipeline.execute("UPDATE stage_rows SET updated_at = now() - interval '1 hour'")
    assert pipeline.jobs.reconcile() == 2
    pipeline.deliver()
    assert pipeline.jobs.reconcile() > 0
    assert pipeline.deliver().indexed == 4
    job = pipeline.job_repository.get(job_id)
    assert job.state is JobState.COMPLETED and job.collection == live and len(pipeline.stored_points()) == 4


def test_a_generation_that_is_born_during_a_job_takes_nothing_of_it(
    build_pipeline: Callable[..., Any], make_documents: Documents
) -> None:
    """What a job sends again, and its end, concern the collection that it began with."""
    pipeline = build_pipeline(alias=f"titles_{uuid.uuid4().hex[:8]}")
    pipeline.embedding.ensure_generation()
    live = pipeline.collection
    pipeline.import_documents(make_documents(3))
    job_id = pipeline.start_job()
    _start_other_encoder(pipeline)
    pipeline.hints.sent.clear()
    assert pipeline.jobs.reconcile() == 3
    assert {kwargs["collection"] for _, kwargs in pipeline.hints.sent} == {live}
    assert pipeline.deliver().indexed == 3
    assert pipeline.job_repository.get(job_id).state is JobState.COMPLETED and pipeline.ledger.count(live) == 3


def test_a_job_whose_start_met_an_absent_qdrant_is_started_again(
    pipeline: Any, make_documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows are stored, then Qdrant is away: the job waits, and the reconciler has it run to its end."""
    pipeline.import_documents(make_documents(3))

    def fail(*_: Any, **__: Any) -> None:
        raise DependencyUnavailableError("qdrant", "gone")

    job_id = pipeline.job_repository.create("index", {})
    with monkeypatch.context() as patched:
        patched.setattr(pipeline.store, "set_indexing", fail)
        with pytest.raises(DependencyUnavailableError):
            pipeline.jobs.run(job_id)
    pipeline.jobs.reconcile()
    assert pipeline.hints.sent == [(TASK_RUN_JOB, {"job_id": str(job_id)})]
    pipeline.hints.sent.clear()
    pipeline.jobs.run(job_id)
    assert pipeline.deliver().indexed == 3
    assert pipeline.job_repository.get(job_id).state is JobState.COMPLETED


def _indexing_threshold(pipeline: Any) -> int:
    """What Qdrant says of the collection: 0 while graphs are held back."""
    config = pipeline.store._client.get_collection(pipeline.collection).config
    return int(config.optimizer_config.indexing_threshold)


def test_a_cancelled_job_does_not_leave_the_index_without_graphs(pipeline: Any, make_documents: Documents) -> None:
    """Graphs are held back while the job writes; after its cancellation the reconciler lets Qdrant build them."""
    pipeline.import_documents(make_documents(3))
    job_id = pipeline.start_job()
    pipeline.jobs.reconcile()
    assert _indexing_threshold(pipeline) == 0
    pipeline.job_repository.cancel(job_id)
    pipeline.jobs.reconcile()
    assert _indexing_threshold(pipeline) == pipeline.settings.indexing_threshold_kb


def test_graphs_wait_for_the_last_of_several_jobs(pipeline: Any, make_documents: Documents) -> None:
    """A job that ends while another still writes leaves the graphs to the other one's end."""
    pipeline.import_documents(make_documents(3))
    long_job = pipeline.start_job()
    waiting, pipeline.hints.sent = pipeline.hints.sent, []
    job, _ = pipeline.index(ids=["title-number-1"])
    assert job.state is JobState.COMPLETED and _indexing_threshold(pipeline) == 0
    pipeline.hints.sent = waiting
    pipeline.deliver()
    assert pipeline.job_repository.get(long_job).state is JobState.COMPLETED
    assert _indexing_threshold(pipeline) == pipeline.settings.indexing_threshold_kb


def test_turning_sparse_vectors_on_builds_a_collection_that_has_them(
    build_pipeline: Callable[..., Any], make_documents: Documents
) -> None:
    """Another layout is another generation: no title fails, and the alias moves when all are there."""
    pipeline = build_pipeline(alias=f"titles_{uuid.uuid4().hex[:8]}", enable_sparse_vectors=False)
    pipeline.embedding.ensure_generation()
    pipeline.import_documents(make_documents(3))
    pipeline.index()
    without = pipeline.store.get_alias_target(pipeline.alias)
    changed = build_pipeline(share=pipeline, enable_sparse_vectors=True)
    changed.embedding.ensure_generation()
    job, report = changed.index()
    assert (job.state, job.message, report.indexed, report.failed) == (JobState.COMPLETED, None, 3, 0)
    assert changed.store.get_alias_target(changed.alias) == job.collection != without
    [record] = changed.store.retrieve(changed.alias, [point_id("title-number-0")], with_vectors=True)
    assert {"lexical_sparse", "metadata_sparse"} <= set(record.vector)


def test_a_generation_from_before_layouts_were_recorded_is_used(
    build_pipeline: Callable[..., Any], make_documents: Documents
) -> None:
    """An index of an older version is not built anew; from the first start on its layout is known."""
    pipeline = build_pipeline(alias=f"titles_{uuid.uuid4().hex[:8]}")
    pipeline.embedding.ensure_generation()
    collection = pipeline.collection
    pipeline.execute("UPDATE generations SET layout = ''")
    pipeline.embedding.ensure_generation()
    [generation] = pipeline.generation_repository.list_all(pipeline.alias)
    assert generation.collection == collection and len(generation.layout) == 12


def test_a_fault_of_ours_ends_the_job_with_its_reason(pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody foresaw is told and not met again every two minutes."""
    job_id = pipeline.job_repository.create("import", {"documents": [{"title": "X"}]})

    def fail(*_: Any, **__: Any) -> None:
        raise TypeError("no such thing")

    monkeypatch.setattr(pipeline.importer, "run", fail)
    with pytest.raises(TypeError):
        pipeline.jobs.run(job_id)
    job = pipeline.job_repository.get(job_id)
    assert job.state is JobState.FAILED and job.message == "unexpected TypeError: no such thing"
    pipeline.jobs.reconcile()
    assert pipeline.hints.sent == []


def test_titles_that_another_job_writes_meanwhile_are_not_taken_for_lost(
    pipeline: Any, make_documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two counts of an ending job another one finishes titles: none of them is written twice."""
    pipeline.import_documents(make_documents(4))
    first = pipeline.start_job(ids=["title-number-1"])
    pipeline.deliver()
    pipeline.execute("UPDATE jobs SET state = 'running' WHERE id = :id", id=first)
    count = pipeline.store.count

    def count_then_write(*arguments: Any) -> int:
        found = count(*arguments)
        with monkeypatch.context() as patched:
            patched.setattr(pipeline.store, "count", count)
            pipeline.index(ids=["title-number-2", "title-number-3"])
        return int(found)

    monkeypatch.setattr(pipeline.store, "count", count_then_write)
    assert pipeline.jobs.finish(first)
    assert pipeline.states(first)["embed"] == {"done": 1}


def test_adult_titles_count_at_the_gate(build_pipeline: Callable[..., Any], make_documents: Documents) -> None:
    """An index that lacks as many titles as there are adult ones is not whole, and does not go live."""
    pipeline = build_pipeline(alias=f"titles_{uuid.uuid4().hex[:8]}")
    pipeline.embedding.ensure_generation()
    live = pipeline.collection
    documents = make_documents(4)
    pipeline.import_documents([*documents[:2], *({**document, "rating": "Rx"} for document in documents[2:])])
    other = _start_other_encoder(pipeline)
    job_id = pipeline.start_job(ids=["title-number-2", "title-number-3"])
    pipeline.deliver(other)
    assert pipeline.job_repository.get(job_id).state is JobState.COMPLETED
    assert pipeline.store.get_alias_target(pipeline.alias) == live
