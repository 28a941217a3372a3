"""`avs index --pictures`: which job is stored, and what is followed."""

from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from cli import indexing
from indexing.jobs import KIND_INDEX
from indexing.pictures.jobs import KIND_PICTURES
from messaging.names import TASK_RUN_JOB


class _Jobs:
    """Stands for JobRepository; the job that follows is stored from the beginning."""

    def __init__(self) -> None:
        self.created: list[tuple[str, dict[str, Any]]] = []
        self.id = uuid.uuid4()
        self.following: Any = None

    def create(self, kind: str, params: dict[str, Any]) -> uuid.UUID:
        self.created.append((kind, params))
        return self.id

    def find_following(self, job_id: uuid.UUID) -> Any:
        assert job_id == self.id
        return self.following

    def get(self, job_id: uuid.UUID) -> Any:
        return SimpleNamespace(id=job_id, state="completed", message=None)

    def get_progress(self, _job: Any) -> Any:
        return SimpleNamespace(dead_letters=0)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> _Jobs:
    """The jobs of the command, without servers; `followed` lists what it waited for."""
    made = _Jobs()
    sent: list[tuple[str, dict[str, Any]]] = []
    made.sent = sent  # type: ignore[attr-defined]
    made.followed = []  # type: ignore[attr-defined]
    hints = SimpleNamespace(send=lambda task, **kwargs: sent.append((task, kwargs)))
    services = SimpleNamespace(job_repository=made, hints=hints)
    monkeypatch.setattr(indexing, "build_command_services", lambda: services)
    follow = made.followed.append  # type: ignore[attr-defined]
    monkeypatch.setattr(indexing, "follow_job", lambda _jobs, job_id, **_: follow(job_id))
    monkeypatch.setattr(indexing, "get_job_exit", lambda *_: 0)
    return made


def test_pictures_are_a_job_of_their_own(jobs: Any) -> None:
    """The titles that show the pictures are waited for, too."""
    jobs.following = SimpleNamespace(id=uuid.uuid4())
    result = CliRunner().invoke(indexing.index_command, ["--pictures", "--id", "mal:1"], standalone_mode=False)
    assert result.exception is None, result.output
    assert jobs.created == [(KIND_PICTURES, {"ids": ["mal:1"]})]
    assert jobs.sent == [(TASK_RUN_JOB, {"job_id": str(jobs.id)})]
    assert jobs.followed == [jobs.id, jobs.following.id]


def test_titles_are_indexed_without_it(jobs: Any) -> None:
    """As before; nothing follows."""
    result = CliRunner().invoke(indexing.index_command, [], standalone_mode=False)
    assert result.exception is None, result.output
    assert jobs.created == [(KIND_INDEX, {})] and jobs.followed == [jobs.id]


def test_a_job_may_be_left_to_itself(jobs: Any) -> None:
    """With --no-wait its id is printed and nobody is followed."""
    result = CliRunner().invoke(indexing.index_command, ["--pictures", "--no-wait"], standalone_mode=False)
    assert result.exception is None and jobs.followed == []
    assert str(jobs.id) in result.output
