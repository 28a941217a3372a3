"""The worker's app: tasks by name and queue, light to import, models only where they are needed."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections import Counter
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery

from core.errors import ConfigurationError, DeadlineExceededError
from core.settings import Settings
from enrichment.lanes import LaneReport
from enrichment.merges import MergeCounts
from indexing.embedding import ChunkReport
from indexing.pictures.embedding import PictureReport
from messaging import names
from messaging.app import create_celery
from messaging.hints import HintSender
from tasks.enrichment import ask_provider, merge_titles, start_schedule
from tasks.jobs import embed_chunk, finish_job, prune_jobs, reconcile, run_job
from tasks.pictures import embed_pictures
from tasks.queries import encode_queries
from tasks.query_log import prune_query_log
from worker.app import build_app
from worker.lifecycle import prepare_or_exit, prepare_queue

_ROOT = Path(__file__).parents[3]
_SETTINGS = Settings(_env_file=None)


class _RecordedJobs:
    """Stands for JobService."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, uuid.UUID | None]] = []

    def run(self, job_id: uuid.UUID) -> None:
        self.calls.append(("run", job_id))

    def finish(self, job_id: uuid.UUID) -> bool:
        self.calls.append(("finish", job_id))
        return True

    def reconcile(self) -> int:
        self.calls.append(("reconcile", None))
        return 7


class _RecordedEmbedding:
    """Stands for EmbeddingService."""

    def __init__(self) -> None:
        self.chunks: list[tuple[uuid.UUID, list[str], str]] = []

    def embed_chunk(self, job_id: uuid.UUID, slugs: list[str], collection: str) -> ChunkReport:
        self.chunks.append((job_id, slugs, collection))
        return ChunkReport(claimed=len(slugs), indexed=len(slugs))


class _RecordedPictures:
    """Stands for PictureEmbeddingService."""

    def __init__(self) -> None:
        self.chunks: list[tuple[uuid.UUID, list[uuid.UUID], str]] = []

    def embed_chunk(self, job_id: uuid.UUID, ids: list[uuid.UUID], collection: str) -> PictureReport:
        self.chunks.append((job_id, ids, collection))
        return PictureReport(claimed=len(ids), written=len(ids))


class _RecordedHints:
    """Stands for HintSender."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def send(self, task: str, **kwargs: Any) -> bool:
        self.sent.append((task, kwargs))
        return True


class _RecordedQueryLog:
    """Stands for QueryLogRepository."""

    def prune(self) -> int:
        return 5


class _RecordedJobPruner:
    """Stands for JobPruner."""

    def prune(self) -> int:
        return 4


class _Services:
    """What tasks see of a worker."""

    def __init__(self) -> None:
        self.jobs = _RecordedJobs()
        self.embedding = _RecordedEmbedding()
        self.picture_embedding: _RecordedPictures | None = None
        self.hints = _RecordedHints()
        self.query_log = _RecordedQueryLog()
        self.job_pruner = _RecordedJobPruner()
        self.enrichment: SimpleNamespace | None = None


@pytest.fixture
def services() -> _Services:
    """Recorded services behind an app of the test's own, which is the current one."""
    app = create_celery(_SETTINGS)
    app.services = _Services()
    app.set_current()
    return app.services


@pytest.fixture(scope="module")
def worker_app() -> Celery:
    """The app as workers build it, with all its tasks imported."""
    app = build_app(_SETTINGS)
    app.loader.import_default_modules()
    app.finalize()
    return app


def test_every_task_has_a_name_and_a_queue(worker_app: Celery) -> None:
    """The tasks that workers know are those that others send, and each goes to one of our four queues."""
    ours = {name for name in worker_app.tasks if not name.startswith("celery.")}
    assert ours == set(names.ROUTES)
    queues = {names.QUEUE_QUERY, names.QUEUE_EMBED, names.QUEUE_NETWORK, names.QUEUE_DEFAULT}
    assert set(names.ROUTES.values()) <= queues
    for name, queue in names.ROUTES.items():
        assert worker_app.amqp.router.route({}, name)["queue"].name == queue


def test_the_query_queue_is_for_queries_alone() -> None:
    """Nothing else may stand before a person's search."""
    queries = {task for task, queue in names.ROUTES.items() if queue == names.QUEUE_QUERY}
    assert queries == {names.TASK_ENCODE_QUERIES, names.TASK_ENCODE_PICTURES}


def test_the_app_follows_the_design(worker_app: Celery) -> None:
    """JSON only, one message at a time, early acknowledgement, endless reconnects, a reconciler on the clock."""
    conf = worker_app.conf
    assert conf.accept_content == ["json"] and conf.task_serializer == "json"
    assert conf.worker_prefetch_multiplier == 1 and conf.task_acks_late is False
    assert conf.broker_connection_max_retries is None and conf.task_publish_retry is False
    entry = conf.beat_schedule["reconcile"]
    assert entry["task"] == names.TASK_RECONCILE and entry["schedule"] == _SETTINGS.reconcile_every_s
    chores = {entry["task"] for entry in conf.beat_schedule.values()}
    assert {names.TASK_PRUNE_QUERY_LOG, names.TASK_PRUNE_JOBS} <= chores


def test_importing_the_worker_loads_no_model() -> None:
    """Beat, Flower and the default worker import the app in a fresh process without torch."""
    code = (
        "import sys, worker, tasks.jobs, tasks.queries; worker.app.services.hints;"
        "print([name for name in ('torch', 'sentence_transformers', 'FlagEmbedding') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_job_tasks_make_one_call(services: _Services) -> None:
    """Ids in, one call of the service, its answer out."""
    job_id = uuid.uuid4()
    run_job(str(job_id))
    assert finish_job(str(job_id)) is True and reconcile() == 7
    assert services.jobs.calls == [("run", job_id), ("finish", job_id), ("reconcile", None)]
    assert prune_query_log() == 5 and prune_jobs() == 4


def test_a_chunk_is_followed_by_a_hint_to_finish(services: _Services) -> None:
    """The report comes back as plain numbers, and the job is asked whether that was the last chunk."""
    job_id = uuid.uuid4()
    report = embed_chunk(str(job_id), ["a", "b"], "c_1")
    assert services.embedding.chunks == [(job_id, ["a", "b"], "c_1")]
    assert report["claimed"] == 2 and report["indexed"] == 2
    assert services.hints.sent == [(names.TASK_FINISH_JOB, {"job_id": str(job_id)})]


def test_a_chunk_of_pictures_is_followed_by_a_hint_to_finish(services: _Services) -> None:
    """Ids come as texts and go on as ids; a worker without a picture encoder leaves the chunk to others."""
    job_id, picture = uuid.uuid4(), uuid.uuid4()
    assert embed_pictures(str(job_id), [str(picture)], "p_1") == {}
    assert services.hints.sent == []
    services.picture_embedding = _RecordedPictures()
    report = embed_pictures(str(job_id), [str(picture)], "p_1")
    assert services.picture_embedding.chunks == [(job_id, [picture], "p_1")]
    assert report["claimed"] == 1
    assert services.hints.sent == [(names.TASK_FINISH_JOB, {"job_id": str(job_id)})]


def test_a_lane_goes_on_while_there_is_more(services: _Services) -> None:
    """Its time is over and it is not done: another task of its kind follows, and none otherwise."""
    reports = [LaneReport(Counter(done=3), has_more=True), LaneReport(Counter(done=1))]
    asked: list[str] = []
    services.enrichment = SimpleNamespace(
        lanes=SimpleNamespace(run=lambda provider: (asked.append(provider), reports[len(asked) - 1])[1])
    )
    assert ask_provider("kitsu") == {"done": 3}
    assert services.hints.sent == [(names.TASK_ENRICH_LANE, {"provider": "kitsu"})]
    assert ask_provider("kitsu") == {"done": 1} and len(services.hints.sent) == 1


def test_tasks_of_enrichment_make_one_call(services: _Services) -> None:
    """Slugs in and counts out; the name of a schedule in and the id of its job out."""
    job_id, merged = uuid.uuid4(), []
    services.enrichment = SimpleNamespace(
        merges=SimpleNamespace(merge=lambda slugs, early: merged.append((slugs, early)) or MergeCounts(changed=1)),
        schedules=SimpleNamespace(start=lambda name: job_id if name == "airing" else None),
    )
    assert merge_titles(["a", "b"]) == {"changed": 1, "unchanged": 0, "failed": 0}
    assert merge_titles(["c"], early=True)["changed"] == 1 and merged == [(["a", "b"], False), (["c"], True)]
    assert start_schedule("airing") == str(job_id) and start_schedule("new") is None


def test_the_embedding_worker_makes_its_collections_before_the_first_task() -> None:
    """That of pictures before that of titles, which are made from them; without a picture encoder that of titles."""
    for has_pictures in (True, False):
        made: list[str] = []
        pictures = SimpleNamespace(ensure_generation=partial(made.append, "pictures"))
        titles = SimpleNamespace(ensure_generation=partial(made.append, "titles"))
        ready = SimpleNamespace(picture_embedding=pictures if has_pictures else None, embedding=titles)
        prepare_queue(ready, names.QUEUE_EMBED)
        assert made == (["pictures", "titles"] if has_pictures else ["titles"])


def test_a_query_that_nobody_waits_for_is_not_encoded(services: _Services) -> None:
    """Past its deadline the task ends before it touches the encoder."""
    with pytest.raises(DeadlineExceededError):
        encode_queries(["late"], deadline=1.0)


def test_only_model_queues_load_a_model() -> None:
    """Workers of other queues start without asking for an encoder; a missing model ends its worker with the reason."""

    class Broken:
        @property
        def query_encoding(self) -> Any:
            raise ConfigurationError("TEXT_EMBEDDING_MODEL: no such model")

    prepare_queue(object(), names.QUEUE_DEFAULT)
    prepare_queue(object(), names.QUEUE_NETWORK)
    with pytest.raises(ConfigurationError, match="TEXT_EMBEDDING_MODEL"):
        prepare_queue(Broken(), names.QUEUE_QUERY)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("TEXT_EMBEDDING_MODEL: no such model"), 3),
        (DeadlineExceededError("later"), 1),
        (RuntimeError("unforeseen"), 1),
    ],
)
def test_a_worker_that_cannot_prepare_ends(error: Exception, code: int) -> None:
    """With 3 when a setting is wrong, so that nobody starts it again; with 1 when another start may fare better."""

    class Broken:
        @property
        def query_encoding(self) -> Any:
            raise error

    with pytest.raises(SystemExit) as ended:
        prepare_or_exit(Broken(), [names.QUEUE_DEFAULT, names.QUEUE_QUERY])
    assert ended.value.code == code


def test_a_hint_that_cannot_be_sent_is_no_error() -> None:
    """With no broker at all the sender says so and goes on: the row in Postgres is what counts."""
    settings = _SETTINGS.model_copy(update={"redis_url": type(_SETTINGS.redis_url)("redis://127.0.0.1:1/0")})
    sender = HintSender(create_celery(settings))
    assert sender.send(names.TASK_RUN_JOB, job_id="x") is False
    assert sender.queue_length(names.QUEUE_EMBED) == 0
