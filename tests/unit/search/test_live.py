"""What is remembered of the live generation, and when it is read again."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import search.contents
from core.errors import DependencyUnavailableError
from core.recipe import EmbeddingRecipe, RecipeSet
from search.contents import Contents, HiddenReader
from search.live import LiveIndexReader, NothingIndexedError
from storage.database.generations import Generation
from storage.database.models import GenerationState
from storage.database.visibility import HiddenPoints

_RECIPE = EmbeddingRecipe("fake", "1", 4, 1)
RECIPES = RecipeSet(_RECIPE, _RECIPE, _RECIPE)


class Repositories:
    """Generations and jobs in memory, which can be away."""

    def __init__(self) -> None:
        self.collection: str | None = "titles_1"
        self.writes = "0 None"
        self.is_writing = False
        self.visibility = "0 0"
        self.hidden = HiddenPoints()
        self.away = False
        self.reads = 0

    def get_live(self, alias: str) -> Generation | None:
        self.reads += 1
        if self.away:
            raise DependencyUnavailableError("postgres", "away")
        return Generation(self.collection, alias, GenerationState.LIVE, RECIPES) if self.collection else None

    def describe_writes(self, *, settle_s: float) -> tuple[str, bool]:
        return self.writes, self.is_writing

    def describe(self) -> str:
        return self.visibility

    def load_hidden_titles(self, collection: str) -> HiddenPoints:
        return self.hidden


@pytest.fixture
def repositories() -> Repositories:
    """Postgres, as far as the reader sees it."""
    return Repositories()


@pytest.fixture
def reader(repositories: Repositories) -> LiveIndexReader:
    """A reader that has read nothing yet."""
    fake: Any = repositories
    return LiveIndexReader(fake, fake, fake, alias="anime", lease_s=60)


def expire(reader: LiveIndexReader) -> None:
    """Let two seconds pass."""
    reader.forget()


def test_postgres_is_not_asked_by_every_search(reader: LiveIndexReader, repositories: Repositories) -> None:
    """Within two seconds what is known is good enough, and peeking never asks at all."""
    assert reader.peek() is None
    assert {reader.get().collection for _ in range(100)} == {"titles_1"}
    assert reader.peek() == reader.get()
    assert repositories.reads == 1


def test_while_postgres_is_away_the_last_known_stands(reader: LiveIndexReader, repositories: Repositories) -> None:
    """A search that could be answered is answered; with nothing known the error names Postgres."""
    reader.get()
    repositories.away = True
    expire(reader)
    assert reader.get().collection == "titles_1"
    fake: Any = repositories
    with pytest.raises(DependencyUnavailableError):
        LiveIndexReader(fake, fake, fake, alias="anime", lease_s=60).get()


def test_an_outage_is_found_out_once(reader: LiveIndexReader, repositories: Repositories) -> None:
    """With nothing known and Postgres away, only the first of many searches waits for it."""
    repositories.away = True
    for _ in range(10):
        with pytest.raises(DependencyUnavailableError):
            reader.get()
    assert repositories.reads == 1


def test_before_the_first_generation(reader: LiveIndexReader, repositories: Repositories) -> None:
    """Nothing live is an error that says so, and ends when something is."""
    repositories.collection = None
    with pytest.raises(NothingIndexedError):
        reader.get()
    repositories.collection = "titles_1"
    expire(reader)
    assert reader.get().collection == "titles_1"


def test_the_state_changes_when_the_content_may_have(
    reader: LiveIndexReader, repositories: Repositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new generation, a job that ended and every half minute of a running one make other cache keys."""
    states = [reader.get().state]
    for writes in ("1 None", "1 2026-11-21"):
        repositories.writes = writes
        expire(reader)
        states.append(reader.get().state)
    expire(reader)
    assert reader.get().state == states[-1]
    repositories.collection = "titles_2"
    expire(reader)
    states.append(reader.get().state)
    repositories.is_writing = True
    for moment in (1_000.0, 1_030.0):
        monkeypatch.setattr(search.contents.time, "time", lambda moment=moment: moment)
        expire(reader)
        states.append(reader.get().state)
    assert len(set(states)) == len(states)


def test_a_hidden_title_or_another_generation_is_another_scope(
    reader: LiveIndexReader, repositories: Repositories
) -> None:
    """What a job writes leaves the scope as it is; each change of who may see what, and of what is hidden, ends it."""
    scopes = [reader.get().scope]
    repositories.writes = "1 2026-11-21"
    expire(reader)
    assert reader.get().scope == scopes[0]
    repositories.visibility = "1 0"
    expire(reader)
    scopes.append(reader.get().scope)
    for hidden in (HiddenPoints(excluded=("a",)), HiddenPoints(adult=("a",)), HiddenPoints(("a",), ("b",))):
        repositories.hidden, repositories.visibility = hidden, f"{len(scopes)} {hidden}"
        expire(reader)
        assert reader.get().hidden == hidden
        scopes.append(reader.get().scope)
    repositories.collection = "titles_2"
    expire(reader)
    scopes.append(reader.get().scope)
    assert len(set(scopes)) == len(scopes)
    assert reader.get().state.startswith(reader.get().scope)


def test_what_is_hidden_is_read_after_the_name_of_the_state(repositories: Repositories) -> None:
    """A change between both reads belongs to the next state: no state says more than what was left out."""
    read: list[str] = []
    fake: Any = repositories

    def describe() -> str:
        read.append("visibility")
        return "1 0"

    def load(collection: str) -> HiddenPoints:
        read.append(collection)
        return HiddenPoints()

    fake.describe, fake.load_hidden_titles = describe, load
    LiveIndexReader(fake, fake, fake, alias="anime", lease_s=60).get()
    assert read == ["visibility", "titles_1"]


def test_hidden_points_are_read_when_they_may_be_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a change of who may see what, in another collection, and half a minute later while there are any."""
    read: list[str] = []
    answer = HiddenPoints(adult=("a",))

    def load(collection: str) -> HiddenPoints:
        read.append(collection)
        return answer

    reader, now = HiddenReader(load), 1_000.0
    monkeypatch.setattr("search.contents.time.monotonic", lambda: now)

    def count(collection: str = "titles_1", visibility: str = "1 0") -> int:
        read.clear()
        for _ in range(3):
            assert reader.read(collection, Contents(visibility, "writes")) == answer
        return len(read)

    assert [count(), count(), count(visibility="2 0"), count("titles_2", "2 0"), count("titles_2", "2 0")] == [
        1, 0, 1, 1, 0
    ]  # fmt: skip
    now, answer = now + 31, HiddenPoints()
    assert count("titles_2", "2 0") == 1
    now += 3_600
    assert count("titles_2", "2 0") == 0, "what is not hidden is not hidden by itself"
    assert count("titles_2", "3 0") == 1


def test_what_could_not_be_read_is_read_again() -> None:
    """Postgres goes away between the name of the state and what is hidden: the next one asks again."""
    answers: list[HiddenPoints | Exception] = [DependencyUnavailableError("postgres", "away"), HiddenPoints(("a",))]

    def load(collection: str) -> HiddenPoints:
        if isinstance(answer := answers.pop(0), Exception):
            raise answer
        return answer

    reader = HiddenReader(load)
    with pytest.raises(DependencyUnavailableError):
        reader.read("titles_1", Contents("1 0", "writes"))
    assert reader.read("titles_1", Contents("1 0", "writes")) == HiddenPoints(("a",))


def test_nobody_sees_a_gap_while_it_is_read_again(reader: LiveIndexReader, repositories: Repositories) -> None:
    """While one thread asks Postgres, the others go on with what is known."""
    known = reader.get()
    expire(reader)
    reading, go_on = threading.Event(), threading.Event()

    def read_slowly(**_: float) -> tuple[str, bool]:
        reading.set()
        assert go_on.wait(10)
        return "2 None", False

    fake: Any = repositories
    fake.describe_writes = read_slowly
    thread = threading.Thread(target=reader.get)
    thread.start()
    assert reading.wait(10)
    assert reader.get() is known
    go_on.set()
    thread.join()
    assert reader.get().state != known.state
