"""When the cache is warmed, and what makes it stop."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import search.warming
from core.errors import InvalidInputError, OverloadedError
from core.recipe import EmbeddingRecipe, RecipeSet
from search.asked import Request
from search.chores import Chore, Chores
from search.live import LiveIndex, NothingIndexedError
from search.warming import Warmer, WarmingNeeds
from storage.database.query_log import LoggedQuery

_RECIPE = EmbeddingRecipe("fake", "1", 4, 1)
_RECIPES = RecipeSet(_RECIPE, _RECIPE, _RECIPE)


class World:
    """Everything around the warmer, moved by hand; it is also the clock of the module."""

    def __init__(self) -> None:
        self.live: LiveIndex | None = LiveIndex("titles_1", _RECIPES, "titles_1:x:1")
        # What the index becomes with the next search.
        self.next_live: LiveIndex | None = None
        self.queries = [LoggedQuery(str(n), {"kind": "search", "query": f"q{n}"}, 9 - n) for n in range(3)]
        self.asked: list[str] = []
        self.busy = 0
        self.pauses: list[float] = []
        self.claims: set[str] = set()
        self.is_well = True
        self.now = 0.0
        self.error: Exception | None = None

    def monotonic(self) -> float:
        return self.now

    def claim(self, key: str, *, ttl_s: float) -> bool:
        is_first = key not in self.claims
        self.claims.add(key)
        return is_first

    def get_live(self) -> LiveIndex:
        if self.live is None:
            raise NothingIndexedError("nothing")
        return self.live

    def ask(self, request: Request) -> None:
        if self.error is not None:
            raise self.error
        self.asked.append(str(getattr(request, "query", "")))
        self.live = self.next_live or self.live

    def is_idle(self) -> bool:
        self.busy -= 1
        return self.busy < 0

    def pause(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        return False

    def build(self) -> Warmer:
        needs = WarmingNeeds(self.get_live, lambda: self.queries, self.ask, self.is_idle, self.pause)
        cache: Any = self
        return Warmer(cache, needs, every_s=600)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A live index, three searches that are asked a lot, and nobody waiting."""
    made = World()
    monkeypatch.setattr(search.warming, "time", made)
    return made


def test_an_index_that_stands_still_is_warmed_once(world: World) -> None:
    """Not while its state may still be that of a running job, then in the order of demand, then every `every_s`."""
    warmer = world.build()
    for world.now in (0.0, 30.0):
        warmer.run()
    assert world.asked == []
    for world.now in (36.0, 41.0, 600.0):
        warmer.run()
    assert world.asked == ["q0", "q1", "q2"]
    world.claims.clear()
    world.now = 640.0
    warmer.run()
    assert len(world.asked) == 6


def test_a_new_collection_is_warmed_at_once(world: World) -> None:
    """After an alias swap nobody waits for the index to stand still."""
    warmer = world.build()
    warmer.run()
    world.live = LiveIndex("titles_2", _RECIPES, "titles_2:x:1")
    world.now = 5.0
    warmer.run()
    assert world.asked == ["q0", "q1", "q2"]


def test_an_index_that_is_written_to_is_left_alone(world: World) -> None:
    """States that change every half minute are never warmed: their answers would not live."""
    warmer = world.build()
    for step in range(20):
        world.now = 30.0 * step
        world.live = LiveIndex("titles_1", _RECIPES, f"titles_1:x:{step}")
        warmer.run()
    assert world.asked == []


def test_one_process_warms(world: World) -> None:
    """Of two processes that see the same index one asks the searches."""
    warmers = [world.build(), world.build()]
    for world.now in (0.0, 40.0):
        for warmer in warmers:
            warmer.run()
    assert world.asked == ["q0", "q1", "q2"]


def test_it_waits_while_others_wait(world: World) -> None:
    """Whoever asks for himself goes first: it looks again at intervals."""
    warmer = world.build()
    warmer.run()
    world.now, world.busy = 40.0, 5
    warmer.run()
    assert world.asked == ["q0", "q1", "q2"]
    assert world.pauses[:6] == [0.1, 0.5, 0.5, 0.5, 0.5, 0.5]


def test_it_stops_when_the_index_changes(world: World) -> None:
    """Answers of a state that is over help nobody."""
    warmer = world.build()
    warmer.run()
    world.now, world.next_live = 40.0, LiveIndex("titles_1", _RECIPES, "titles_1:x:2")
    warmer.run()
    assert world.asked == ["q0"]


def test_searches_that_have_no_answer_any_more_are_passed_over(world: World) -> None:
    """A wrong request, or one in the words of another release, does not keep the others; overload ends it."""
    warmer = world.build()
    world.queries.insert(0, LoggedQuery("x", {"kind": "dream"}, 100))
    warmer.run()
    world.now = 40.0
    warmer.run()
    assert world.asked == ["q0", "q1", "q2"]
    world.claims.clear()
    world.now, world.error = 700.0, InvalidInputError("filters", "unknown")
    warmer.run()
    world.claims.clear()
    world.now, world.error = 1_400.0, OverloadedError("full")
    with pytest.raises(OverloadedError):
        warmer.run()


def test_nothing_to_warm_is_no_failure(world: World) -> None:
    """Before the first index, and while Redis is away, it does nothing and claims nothing."""
    warmer = world.build()
    world.live = None
    warmer.run()
    world.live = LiveIndex("titles_1", _RECIPES, "titles_1:x:1")
    warmer.run()
    world.is_well, world.now = False, 40.0
    warmer.run()
    assert world.asked == [] and not world.claims
    world.is_well = True
    warmer.run()
    assert world.asked == ["q0", "q1", "q2"]


def test_chores_go_on_after_a_failure_and_end_in_order() -> None:
    """A chore that fails is run again, the others are not kept, and what is due at the end runs once more."""
    runs: list[str] = []
    enough, stopping = threading.Event(), threading.Event()

    def fail() -> None:
        runs.append("fail")
        if runs.count("fail") >= 3 and "work" in runs:
            enough.set()
        raise ValueError("a fault")

    chores = Chores(
        [
            Chore("fail", 0.001, fail),
            Chore("work", 0.001, lambda: runs.append("work")),
            Chore("last", 3_600, lambda: runs.append("last"), at_end=True),
        ],
        stopping=stopping,
    )
    chores.start()
    chores.start()
    assert enough.wait(10)
    chores.close()
    assert stopping.is_set()
    assert runs[-1] == "last" and runs.count("last") == 1


def test_chores_that_were_never_started_end_without_running() -> None:
    """A process that only built its services, such as a test, runs nothing and cannot start late."""
    runs: list[int] = []
    chores = Chores([Chore("work", 0.001, lambda: runs.append(1), at_end=True)])
    chores.close()
    chores.start()
    assert runs == []
