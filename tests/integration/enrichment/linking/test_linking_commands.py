"""`avs enrich review`, `link` and `map` on a real Postgres."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from cli.linking import link_command, map_command, review_command
from core.errors import ConflictError, InvalidInputError, NotFoundError
from enrichment.linking.tables import UnknownTableError
from storage.database.enrichment_models import LinkState
from storage.database.id_mappings import IdMappingRepository
from storage.database.links import LinkRepository, StoredLink
from storage.database.session import Database
from tests.integration.enrichment.linking.conftest import AddTitle

Run = Callable[..., Result]
ARM = [{"mal_id": 1, "anilist_id": 2, "annict_id": 3}]
FRIBB = [{"mal_id": 1, "anidb_id": 23}]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, redis_url: str, database_url: str, database: Database) -> Run:
    """Run a command over the test's servers, in a wide terminal."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "220")
    return lambda command, *args: CliRunner().invoke(command, [str(one) for one in args])


@pytest.fixture
def doubtful(links: LinkRepository, add_title: AddTitle) -> StoredLink:
    """One title that may be at Kitsu, with markup in what the provider says."""
    add_title("kumo", title="Kumo [b]no Uta[/b]", type="TV", year=2012)
    candidate = {
        "external_id": "9", "titles": ["Kumo [i]Uta[/i]"], "year": 2013, "probability": 0.812, "why": ["a year apart"],
    }  # fmt: skip
    return links.store(
        StoredLink(
            slug="kumo",
            provider="kitsu",
            state=LinkState.DOUBTFUL,
            external_id=None,
            method="titles",
            probability=0.812,
            candidates=[candidate],
        )
    )


def test_review_shows_title_candidates_and_why(run: Run, doubtful: StoredLink) -> None:
    """A row for each candidate, with probability and reasons; markup in titles is text."""
    shown = run(review_command).output
    for part in (
        "Kumo [b]no Uta[/b]",
        "kitsu",
        "9 Kumo [i]Uta[/i] (2013)",
        "0.812",
        "a year apart",
        "kitsu: 1 doubtful",
    ):
        assert part in shown
    body = json.loads(run(review_command, "--provider", "kitsu", "--json").output)
    assert (body["links"][0]["id"], body["links"][0]["candidates"][0]["external_id"]) == ("kumo", "9")
    assert json.loads(run(review_command, "--state", "refused", "--json").output)["links"] == []


def test_review_of_nothing(run: Run) -> None:
    """Where nothing was looked for, that is said."""
    assert "No title was looked for" in run(review_command).output


def test_link_decides(run: Run, links: LinkRepository, doubtful: StoredLink) -> None:
    """A link, the same again, a refusal and taking it back are each told."""
    assert "kumo at kitsu: 9; job" in run(link_command, "kumo", "kitsu", "9").output
    assert "nothing changed" in run(link_command, "kitsu:9", "kitsu", "9").output
    body = json.loads(run(link_command, "kumo", "kitsu", "--refuse", "--json").output)
    assert (body["state"], body["external_id"], body["job_id"] is not None) == ("refused", None, True)
    assert "kumo at kitsu: open again; job" in run(link_command, "kumo", "kitsu", "--withdraw").output
    assert links.get("kumo", "kitsu") is None


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (("kumo", "kitsu", "x"), InvalidInputError),
        (("kumo", "kitsu", "0"), InvalidInputError),
        (("nobody", "kitsu", "1"), NotFoundError),
        (("no\x00body", "kitsu", "1"), NotFoundError),
        (("kumo", "kitsu", "5"), ConflictError),
    ],
)
def test_link_refuses(
    run: Run, doubtful: StoredLink, add_title: AddTitle, args: tuple[str, ...], error: type[Exception]
) -> None:
    """Ids of the wrong form, unknown titles, and an id that another title has."""
    add_title("kaze", external_ids={"kitsu": 5})
    assert isinstance(run(link_command, *args).exception, error)


@pytest.mark.parametrize("args", [("kumo", "kitsu"), ("kumo", "kitsu", "1", "--refuse"), ("kumo", "imdb", "1")])
def test_link_needs_one_decision(run: Run, args: tuple[str, ...]) -> None:
    """An id, a refusal or its end: one of them, at a provider that we know."""
    assert run(link_command, *args).exit_code == 2


def test_map_reads_tables(run: Run, database: Database, tmp_path: Path) -> None:
    """Each is known by its content and takes the place of its former self."""
    for name, rows in (("a.json", ARM), ("b.json", FRIBB)):
        (tmp_path / name).write_bytes(orjson.dumps(rows))
    shown = run(map_command, tmp_path / "a.json", tmp_path / "b.json").output
    assert "a.json: arm, 1 of 1 rows" in shown
    assert "stored: arm 1, fribb 1" in shown
    body = json.loads(run(map_command, "--json", tmp_path).output)
    assert [one["source"] for one in body["read"]] == ["arm", "fribb"]
    assert "stored: arm 1, fribb 1" in run(map_command).output


def test_map_passes_over_what_is_no_table_in_a_folder(run: Run, tmp_path: Path) -> None:
    """Tables lie among other files: those are named, and do no harm; a folder without any is a failure."""
    (tmp_path / "readme.txt").write_text("hello")
    assert run(map_command, tmp_path).return_value is None
    result = run(map_command, tmp_path)
    assert "readme.txt: passed over" in result.output
    (tmp_path / "a.json").write_bytes(orjson.dumps(ARM))
    assert "stored: arm 1" in run(map_command, tmp_path).output


def test_map_refuses_a_damaged_table_by_name(run: Run, database: Database, tmp_path: Path) -> None:
    """One bad file among good ones changes nothing at all, and so do two of one source."""
    (tmp_path / "a.json").write_bytes(orjson.dumps(ARM))
    (tmp_path / "bad.json").write_bytes(orjson.dumps(FRIBB)[:-3])
    (tmp_path / "other.json").write_bytes(orjson.dumps(ARM))
    for second in ("bad.json", "other.json"):
        error = run(map_command, tmp_path / "a.json", tmp_path / second).exception
        assert isinstance(error, UnknownTableError)
        assert second in str(error)
    assert IdMappingRepository(database).count_by_source() == {}
