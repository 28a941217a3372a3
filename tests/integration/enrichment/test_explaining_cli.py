"""`avs enrich explain` and `avs enrich override` on a real Postgres."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from cli.explaining import explain_command, override_command, quality_command
from core.document import AnimeDocument, content_hash
from core.errors import InvalidInputError, NotFoundError
from storage.database.bases import BaseRepository
from storage.database.provenance import ProvenanceRepository
from storage.database.session import Database
from storage.database.titles import StoredTitle, TitleRepository

Run = Callable[..., Result]
SLUG = "cowboy-bebop"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """One title, which sources disagree about."""
    made = Database(database_url)
    document = AnimeDocument.model_validate(
        {"title": "Cowboy Bebop", "episodes": 26, "synopsis": "[bold]Bounty hunters[/bold] " + "drift " * 40}
    ).to_json()
    reasons = {
        "sources": ["anilist"],
        "confidence": 0.93,
        "at": "2026-11-20T12:00:00+00:00",
        "method": "vote",
        "conflict": True,
        "others": [{"value": 25 - number, "sources": [f"source{number}"], "confidence": 0.01} for number in range(4)],
    }
    with made.begin() as connection:
        connection.execute(text("TRUNCATE titles, jobs CASCADE"))
        titles = TitleRepository(made)
        titles.insert(connection, [StoredTitle(SLUG, document, content_hash(document), adult=False, excluded=False)])
        titles.add_ids(connection, [("mal", "1", SLUG)])
        row: dict[str, Any] = {
            "slug": SLUG,
            "fields": {"episodes": reasons},
            "quality": 61.5,
            "quality_parts": {"completeness": 0.5},
            "model_version": 3,
            "inputs_hash": "x",
        }
        ProvenanceRepository(made).write_in(connection, [row])
    yield made
    made.close()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, redis_url: str, database_url: str, database: Database) -> Run:
    """Run a command over the test's servers, in a wide terminal."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda command, *args: CliRunner().invoke(command, args)


def test_explain_shows_each_field(run: Run) -> None:
    """Value, sources, how sure, what others say and when; markup in texts is text, and long ones are cut."""
    shown = run(explain_command, "mal:1").output
    assert "Quality 61.5 of 100 (completeness 0.50); model 3" in shown
    (line,) = [line for line in shown.splitlines() if "episodes" in line]
    for part in ("episodes *", "26", "anilist", "0.93", "25 (source0)", "2026-11-20", "vote"):
        assert part in line
    assert "and 1 more" in shown and "[bold]Bounty hunters[/bold]" in shown and "…" in shown
    assert "contradict" in shown


def test_explain_as_json_is_whole(run: Run) -> None:
    """Nothing is cut there; one field may be asked for alone."""
    body = json.loads(run(explain_command, SLUG, "--json").output)
    assert len(body["fields"]["episodes"]["others"]) == 4 and len(body["fields"]["synopsis"]["value"]) > 200
    assert list(json.loads(run(explain_command, SLUG, "--json", "--field", "title").output)["fields"]) == ["title"]


def test_what_cannot_be_explained_is_an_error(run: Run) -> None:
    """An unknown title, an unknown field, a text that is none."""
    assert isinstance(run(explain_command, "nobody").exception, NotFoundError)
    assert isinstance(run(explain_command, SLUG, "--field", "colour").exception, InvalidInputError)
    assert isinstance(run(explain_command, "a\x07b").exception, InvalidInputError)


def test_quality_lists_the_worst(run: Run, database: Database) -> None:
    """With its parts, bounded by what is asked for; where nothing was merged it says so."""
    shown = run(quality_command).output
    assert SLUG in shown and "61.5" in shown and "completeness" in shown and "0.50" in shown
    (one,) = json.loads(run(quality_command, "--json").output)
    assert (one["slug"], one["quality"]) == (SLUG, 61.5)
    assert json.loads(run(quality_command, "--json", "--most", "50").output) == []
    with database.begin() as connection:
        connection.execute(text("DELETE FROM provenance"))
    assert "No title was merged yet" in run(quality_command).output


def test_a_title_that_was_never_merged_says_so(run: Run, database: Database) -> None:
    """Everything is as imported."""
    with database.begin() as connection:
        connection.execute(text("DELETE FROM provenance"))
    assert "as imported" in run(explain_command, SLUG).output


@pytest.mark.parametrize(
    ("field", "given", "kept"),
    [
        ("episodes", "25", 25),
        ("score", "8.5", 8.5),
        ("title_english", "12", "12"),
        ("genres", '["Action", "sci-fi"]', ["action", "sci-fi"]),
        ("aired", '{"start": "1998-04-03"}', {"start": "1998-04-03"}),
        ("type", "MOVIE", "MOVIE"),
    ],
)
def test_values_are_texts_numbers_or_json(run: Run, database: Database, *, field: str, given: str, kept: Any) -> None:
    """Each in the form of its field, with who said it and why."""
    done = run(override_command, SLUG, field, given, "--note", "counted", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["changed"] is True
    override = BaseRepository(database).load_overrides(SLUG)[field]
    assert (override.value, override.note) == (kept, "counted") and override.by


def test_an_override_is_told_and_taken_back(run: Run, database: Database) -> None:
    """`explain` names who decided; --remove ends it; the same again says that nothing had to change."""
    assert "brings it into the index" in run(override_command, SLUG, "synopsis", "--empty", "--note", "wrong").output
    assert "so already" in run(override_command, SLUG, "synopsis", "--empty", "--note", "wrong").output
    assert "synopsis was decided by" in run(explain_command, SLUG).output
    assert "brings it into the index" in run(override_command, SLUG, "synopsis", "--remove").output
    assert "so already" in run(override_command, SLUG, "synopsis", "--remove").output
    assert BaseRepository(database).load_overrides(SLUG) == {}


@pytest.mark.parametrize(
    ("args", "word"),
    [
        ([SLUG, "episodes", "many"], "episodes"),
        ([SLUG, "genres", "action"], "genres"),
        ([SLUG, "genres", "[broken"], "genres"),
        ([SLUG, "colour", "red"], "colour"),
        ([SLUG, "external_ids", "{}"], "link"),
        ([SLUG, "title", "--empty"], "title"),
        ([SLUG, "year", "2000", "--note", ""], "--note"),
    ],
)
def test_bad_overrides_name_the_field(run: Run, database: Database, args: list[str], word: str) -> None:
    """And nothing is kept."""
    error = run(override_command, *args).exception
    assert isinstance(error, InvalidInputError) and word in str(error)
    assert BaseRepository(database).load_overrides(SLUG) == {}


@pytest.mark.parametrize("args", [[], ["1", "--remove"], ["--empty", "--remove"], ["1", "--empty"]])
def test_one_thing_at_a_time(run: Run, args: list[str]) -> None:
    """A value, --empty or --remove: none or two of them are wrong usage."""
    assert run(override_command, SLUG, "episodes", *args).exit_code == 2
