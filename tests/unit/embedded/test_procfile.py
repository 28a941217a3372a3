"""Reading Procfiles, and the one of the project."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from embedded.procfile import RELEASE, build_command, load_procfile, parse_procfile

ROOT = Path(__file__).resolve().parents[3]


def test_comments_and_blank_lines_are_skipped_and_order_is_kept() -> None:
    """Only 'name: command' lines count, in the order of the file."""
    assert list(parse_procfile("# c\n\nb: run b\na: run a: c\n")) == ["b", "a"]
    assert parse_procfile("a: run a: c")["a"] == "run a: c"


@pytest.mark.parametrize("text", ["no colon", "a:", "a: x\na: y", "a b: x"])
def test_a_bad_line_is_named(text: str) -> None:
    """A line that is no process, or a name used twice, is an error with its line number."""
    with pytest.raises(ConfigurationError, match=r"line [12]"):
        parse_procfile(text)


def test_a_missing_procfile_is_a_configuration_error(tmp_path: Path) -> None:
    """The message says which file was looked for."""
    with pytest.raises(ConfigurationError, match="Procfile"):
        load_procfile(tmp_path / "Procfile")


def test_variables_are_filled_in_after_splitting() -> None:
    """A value with spaces or quotes stays one word, and % and $$ pass through."""
    words = build_command("celery -n w@%h '--x=$A' ${A}/b $$A", env={"A": "a b'c"})
    assert words == ("celery", "-n", "w@%h", "--x=a b'c", "a b'c/b", "$A")


@pytest.mark.parametrize("line", ["run $MISSING", "run 'open", "run $"])
def test_what_cannot_be_expanded_is_refused(line: str) -> None:
    """An unset variable, an open quote and a lone dollar are configuration errors, not empty words."""
    with pytest.raises(ConfigurationError):
        build_command(line, env={})


def test_the_projects_procfile_has_every_process() -> None:
    """The processes of the design are there, and each line can be expanded with what the supervisor sets."""
    lines = load_procfile(ROOT / "Procfile")
    assert list(lines) == [RELEASE, "web", "worker-query", "worker-embed", "worker-network", "beat", "flower"]
    env = {"AVS_HOME": "/home", "FLOWER_PORT": "1"}
    assert all(build_command(line, env=env) for line in lines.values())


def test_model_workers_have_a_queue_of_their_own_and_do_not_fork() -> None:
    """Nothing else runs on `query`, and every model worker uses the solo pool."""
    lines = load_procfile(ROOT / "Procfile")
    assert "-Q query " in lines["worker-query"]
    assert "-Q embed " in lines["worker-embed"]
    assert all("--pool solo" in lines[name] for name in ("worker-query", "worker-embed"))


@pytest.mark.parametrize(("env", "word"), [({}, "5555"), ({"FLOWER_PORT": ""}, "5555"), ({"FLOWER_PORT": "7"}, "7")])
def test_a_default_stands_in_for_what_is_not_set(env: dict[str, str], word: str) -> None:
    """`${NAME:-default}` means what it means to a shell: unset and empty are the same."""
    assert build_command("flower --port=${FLOWER_PORT:-5555}", env=env) == ("flower", f"--port={word}")


@pytest.mark.parametrize("env", [{}, {"AVS_HOME": "/some place", "FLOWER_PORT": "7"}])
def test_each_line_is_complete_where_nothing_is_exported_and_reads_the_same_to_a_shell(env: dict[str, str]) -> None:
    """A platform runs the lines through a shell, perhaps without our variables; both get the same words."""
    for line in load_procfile(ROOT / "Procfile").values():
        quoted = line.replace("${AVS_HOME:-.}/beat-schedule", '"${AVS_HOME:-.}/beat-schedule"')
        shell = subprocess.run(
            ["sh", "-c", f"printf '%s\\n' {quoted}"], env=env, capture_output=True, text=True, check=True
        )
        assert tuple(shell.stdout.splitlines()) == build_command(line, env=env)
