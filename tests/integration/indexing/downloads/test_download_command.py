"""`avs download --here`: lists, titles, shards, manifests, interrupts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.downloading import download_command
from cli.exits import Exit
from embedded.services import EmbeddedServices
from storage.database.models import JobState
from tests.integration.indexing.downloads.conftest import Downloads
from tests.integration.indexing.downloads.test_download_jobs import build_title
from tests.picture_host import PictureHost

ROOT = Path(__file__).parents[4]


@pytest.fixture
def env(
    services: EmbeddedServices, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The environment of commands, of this process too."""
    given = {
        **services.env,
        "DATABASE_URL": database_url,
        "AVS_HOME": str(tmp_path),
        "MEDIA_PATH": str(tmp_path / "media"),
        "DOWNLOAD_ALLOWED_NETWORKS": "127.0.0.0/8",
        "DOWNLOAD_CONCURRENCY": "8",
        "DOWNLOAD_MAX_ATTEMPTS": "1",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, **given}


@pytest.fixture
def run(env: dict[str, str], downloads: Downloads) -> Callable[..., Result]:
    """Run `avs download` in this process; `downloads` has emptied the tables."""

    def invoke(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(download_command, arguments, input=stdin, standalone_mode=False)

    return invoke


def test_a_list_with_bad_lines(run: Callable[..., Result], downloads: Downloads, picture_host: PictureHost) -> None:
    """Good lines are fetched, bad ones told by number, and the exit code says that something was left."""
    downloads.add_titles([build_title("1", picture_host)])
    lines = [
        picture_host.url("/many/5.jpg"),
        "nonsense",
        json.dumps({"url": picture_host.url("/many/6.jpg"), "id": "six", "tags": ["a"], "title": "1"}),
        json.dumps({"url": picture_host.url("/many/7.jpg"), "title": "nobody"}),
    ]
    result = run("--here", "--urls", "-", "--json", stdin="\n".join(lines))
    assert result.exception is None, result.output
    shown = json.loads(result.stdout.splitlines()[-1])
    assert result.return_value == Exit.DEAD_LETTERS
    assert shown["downloads"]["outcomes"] == {"fetched": 2} and shown["bad_lines"] == 2
    assert [line["line"] for line in shown["first_bad_lines"]] == [2, 4]
    assert "title: 'nobody' is not known" in shown["first_bad_lines"][1]["reason"]
    named = downloads.execute("SELECT name, slug FROM pictures WHERE kind = 'free' AND name IS NOT NULL")
    assert [tuple(row) for row in named] == [("six", "1")]


def test_titles_and_their_manifest(
    run: Callable[..., Result], downloads: Downloads, picture_host: PictureHost, tmp_path: Path
) -> None:
    """All titles are the default, --id narrows them down, and a manifest has a line for each URL."""
    downloads.add_titles([build_title("1", picture_host), build_title("2", picture_host)])
    manifest = tmp_path / "manifest.jsonl"
    assert run("--here", "--id", "2", "--manifest", str(manifest)).return_value == Exit.OK
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert {line["url"] for line in lines} == {picture_host.url(f"/many/2{number}.jpg") for number in (1, 2, 3)}
    assert all(line["titles"] == ["2"] and line["state"] == "done" and line["sha256"] for line in lines)
    assert run("--here", "--titles").return_value == Exit.OK
    result = run("manifest", "-")
    assert len(result.stdout.splitlines()) == 6
    assert picture_host.count("/many/21.jpg") == 1


def test_dead_letters_are_told(run: Callable[..., Result], downloads: Downloads, picture_host: PictureHost) -> None:
    """A URL that was given up shows in the exit code and in the counts."""
    result = run("--here", "--urls", "-", stdin=picture_host.url("/kind/missing/1"))
    assert result.return_value == Exit.DEAD_LETTERS and "completed: 1 http-404" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--titles", "--id", "x"), "exclude each other"),
        (("--here", "--no-wait"), "contradicts"),
        (("--here", "--shard", "3/2"), "shard"),
        (("--here", "--urls", "-"), "no line could be taken"),
        (("--id", "nobody", "--here"), "unknown: nobody"),
    ],
)
def test_what_cannot_be_asked_for(run: Callable[..., Result], arguments: tuple[str, ...], words: str) -> None:
    """Contradictions, parts that are none, empty lists and unknown titles end the command with their reason."""
    result = run(*arguments, stdin="")
    assert words in str(result.exception) or words in result.output


def test_without_here_the_workers_do_it(run: Callable[..., Result], downloads: Downloads) -> None:
    """A job is stored for the workers; nothing is fetched in this process."""
    result = run("--no-wait", "--refresh", "--then-index", "--shard", "1/2")
    job = downloads.job_repository.list_recent()[0]
    assert result.return_value == Exit.OK and str(job.id) in result.output
    assert job.state is JobState.PENDING
    assert job.params == {"then_index": True, "shard": "1/2", "refresh": True}


def test_an_open_job_is_carried_on(run: Callable[..., Result], downloads: Downloads, picture_host: PictureHost) -> None:
    """What a killed command of the same words has left open is finished by the next one, and no second job is made."""
    downloads.add_titles([build_title("1", picture_host)])
    left = downloads.start(source="here")
    assert run("--here").return_value == Exit.OK
    assert [job.id for job in downloads.job_repository.list_recent()] == [left]
    assert downloads.job_repository.get(left).state is JobState.COMPLETED


def test_an_interrupt_loses_nothing(env: dict[str, str], downloads: Downloads, picture_host: PictureHost) -> None:
    """Ctrl-C records what came and frees the rest at once; the next command fetches only what is missing."""
    urls = [picture_host.url(f"/slow/0.05/many/{number}.jpg") for number in range(300)]
    folder = downloads.settings.get_media_path().parent
    (folder / "urls.txt").write_text("\n".join(urls))
    command = [sys.executable, "-m", "cli.main", "download", "--here", "--urls", str(folder / "urls.txt"), "--json"]
    # As on a terminal: a suite that runs in the background of a shell hands on that Ctrl-C is ignored.
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=listen
    ) as process:
        _wait_until(lambda: downloads.execute("SELECT count(*) FROM downloads WHERE state = 'done'")[0][0] >= 20)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode != 0
    states = dict(tuple(row) for row in downloads.execute("SELECT state, count(*) FROM downloads GROUP BY state"))
    assert set(states) == {"done", "pending"} and sum(states.values()) == 300
    assert [job.state for job in downloads.job_repository.list_recent()] == [JobState.CANCELLED]
    done = subprocess.run(command, cwd=ROOT, env=env, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    outcomes: dict[str, Any] = json.loads(done.stdout)["downloads"]["outcomes"]
    assert outcomes == {"known": states["done"], "fetched": states["pending"]}
    assert max(count for path, count in picture_host.counts.items() if path.startswith("/slow")) == 1


def _wait_until(holds: Callable[[], bool], *, limit_s: float = 60.0) -> None:
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
