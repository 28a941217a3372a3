"""Names that follow the database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from core.errors import DependencyUnavailableError
from search.names import keeper as module
from search.names.keeper import NameIndexKeeper, NamesNotReadyError
from storage.database.names import TitleNames

BuildTitle = Callable[..., TitleNames]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Stored:
    """What a database would say. `recent`: titles stored lately, which are among the changed ones."""

    def __init__(self, *titles: TitleNames) -> None:
        self.titles = {title.slug: title for title in titles}
        self.recent: set[str] = set()
        self.is_away = False
        self.readings = 0

    def fetch_all(self) -> Iterator[list[TitleNames]]:
        self.readings += 1
        yield list(self.titles.values())

    def fetch_changed(self, since: datetime, *, limit: int) -> list[TitleNames]:
        assert since == NOON
        return [self.titles[slug] for slug in sorted(self.recent)][:limit]

    def get_moment(self, *, overlap_s: float) -> datetime:
        if self.is_away:
            raise DependencyUnavailableError("postgres", "gone")
        return NOON

    def store(self, title: TitleNames) -> None:
        self.titles[title.slug] = title
        self.recent.add(title.slug)


@pytest.fixture
def stored(title: BuildTitle) -> Stored:
    """Two titles."""
    return Stored(title("naruto", "Naruto", studios=("Pierrot",)), title("bleach", "Bleach", studios=("PIERROT",)))


@pytest.fixture
def seconds() -> list[float]:
    """The clock of the keeper, to be moved by hand."""
    return [0.0]


@pytest.fixture
def keeper(stored: Stored, seconds: list[float]) -> Iterator[NameIndexKeeper]:
    """A keeper that has read once; further readings by hand."""
    built = NameIndexKeeper(stored, refresh_s=3_600, clock=lambda: seconds[0])
    assert built.wait(10)
    yield built
    built.close()


def find(keeper: NameIndexKeeper, text: str) -> list[str]:
    """The slugs that a text names."""
    return [match.slug for match in keeper.require().index.match(text)]


def test_nothing_is_known_before_the_first_use(stored: Stored) -> None:
    """Building a keeper reads nothing and starts nothing; whoever cannot do without names is told to come again."""
    release = threading.Event()

    def wait() -> Iterator[list[TitleNames]]:
        release.wait(10)
        yield []

    stored.fetch_all = wait  # type: ignore[method-assign]
    built = NameIndexKeeper(stored)
    assert built.get() is None
    with pytest.raises(NamesNotReadyError):
        built.require()
    release.set()
    assert built.wait(10)
    built.close()


def test_names_and_studios_are_known(keeper: NameIndexKeeper) -> None:
    """Studios are counted by their spelling in lower case."""
    assert find(keeper, "naruto") == ["naruto"]
    assert keeper.require().studios == {"pierrot": 2}


def test_changes_are_patched_in(keeper: NameIndexKeeper, stored: Stored, title: BuildTitle) -> None:
    """New, renamed, excluded and readmitted titles are seen at the next look, without reading everything again."""
    stored.store(title("naruto", "Boruto", version=2))
    stored.store(title("new", "Brand New", studios=("Bones",)))
    stored.store(title("bleach", "Bleach", excluded=True))
    keeper.refresh()
    assert find(keeper, "naruto") == find(keeper, "bleach") == []
    assert find(keeper, "boruto") == ["naruto"]
    assert find(keeper, "brand new") == ["new"]
    assert keeper.require().studios["bones"] == 1
    stored.store(title("bleach", "Bleach"))
    keeper.refresh()
    assert find(keeper, "bleach") == ["bleach"]
    assert stored.readings == 1


def test_a_title_that_became_adult_is_hidden(keeper: NameIndexKeeper, stored: Stored, title: BuildTitle) -> None:
    """Even when nothing else of it changed."""
    stored.store(title("bleach", "Bleach", adult=True))
    keeper.refresh()
    assert find(keeper, "bleach") == []


def test_nothing_new_builds_nothing(keeper: NameIndexKeeper, stored: Stored, title: BuildTitle) -> None:
    """Titles that were stored shortly before are looked at again each time, and recognised."""
    stored.store(title("new", "Brand New"))
    keeper.refresh()
    before = keeper.get()
    keeper.refresh()
    assert keeper.get() is before


def test_the_revision_is_another_whenever_the_names_are(
    keeper: NameIndexKeeper, stored: Stored, title: BuildTitle
) -> None:
    """It rises with a change, and stays where nothing is new; before the first reading it is 0."""
    assert NameIndexKeeper(stored).revision == 0
    before = keeper.revision
    assert before > 0
    stored.store(title("new", "Brand New"))
    keeper.refresh()
    assert keeper.revision > before
    risen = keeper.revision
    keeper.refresh()
    assert keeper.revision == risen


def test_what_was_stored_before_the_reading_is_no_news(stored: Stored, seconds: list[float]) -> None:
    """An import that has just ended is not patched in a second time."""
    stored.recent = set(stored.titles)
    built = NameIndexKeeper(stored, refresh_s=3_600, clock=lambda: seconds[0])
    built.wait(10)
    before = built.get()
    built.refresh()
    assert built.get() is before
    built.close()


def test_many_changes_are_read_anew_but_not_all_the_time(
    keeper: NameIndexKeeper, stored: Stored, seconds: list[float], title: BuildTitle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import of thousands costs one reading a minute."""
    monkeypatch.setattr(module, "_PATCH_MAX", 3)
    for number in range(5):
        stored.store(title(f"t{number}", f"Title Number {number}"))
    keeper.refresh()
    assert (find(keeper, "title number 4"), stored.readings) == ([], 1)
    seconds[0] = 61.0
    keeper.refresh()
    assert (find(keeper, "title number 4"), stored.readings) == (["t4"], 2)


def test_the_last_names_stand_while_postgres_is_away(keeper: NameIndexKeeper, stored: Stored) -> None:
    """The next look fails aloud; searches go on with what is known."""
    stored.is_away = True
    with pytest.raises(DependencyUnavailableError):
        keeper.refresh()
    assert find(keeper, "naruto") == ["naruto"]


def test_a_failed_first_reading_is_repeated(stored: Stored) -> None:
    """The thread survives a server that is away, and errors that nobody expected."""
    failures = iter([DependencyUnavailableError("postgres", "gone"), RuntimeError("odd")])
    read = stored.get_moment

    def fail_twice(*, overlap_s: float) -> datetime:
        if (failure := next(failures, None)) is not None:
            raise failure
        return read(overlap_s=overlap_s)

    stored.get_moment = fail_twice  # type: ignore[method-assign]
    built = NameIndexKeeper(stored, refresh_s=0.01)
    assert built.wait(10)
    built.close()


def test_a_closed_keeper_starts_no_thread(stored: Stored) -> None:
    """A process that ends does not begin to read."""
    built = NameIndexKeeper(stored)
    built.close()
    assert built.get() is None
    assert not built.wait(0.05)
    assert stored.readings == 0
