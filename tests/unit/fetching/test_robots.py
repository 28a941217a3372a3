"""robots.txt, without a network."""

from __future__ import annotations

import threading

import pytest
from protego import Protego

from fetching.deadlines import Deadline
from fetching.errors import FetchError, FetchFailedError, FetchReason, FetchRefusedError
from fetching.robots import RobotsKeeper, keep_own_groups
from fetching.urls import Target, parse_url

PICTURE = parse_url("https://example.org/covers/a.jpg")


class Site:
    """A robots.txt that a test changes; counts how often it is asked for."""

    def __init__(self, text: str | FetchError | None) -> None:
        self.text = text
        self.asked: list[str] = []
        self.now = 0.0

    def load(self, target: Target, deadline: Deadline) -> str | None:
        self.asked.append(target.origin)
        if isinstance(self.text, FetchError):
            raise self.text
        return self.text

    def build(self) -> RobotsKeeper:
        """A keeper that believes it for 100 seconds."""
        return RobotsKeeper(self.load, agent="AnimeBot", life_s=100.0, clock=lambda: self.now)


def check(keeper: RobotsKeeper, target: Target = PICTURE) -> FetchReason | None:
    """The reason of the refusal, if it is refused."""
    try:
        keeper.check(target, Deadline(5.0))
    except FetchError as error:
        return error.reason
    return None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, None),
        ("", None),
        ("\x00\xff binary nonsense: \n:::\n" * 50, None),
        ("User-agent: *\nDisallow: /covers/", FetchReason.ROBOTS),
        ("User-agent: *\nDisallow: /\nAllow: /covers/", None),
        ("User-agent: *\nDisallow: /*.jpg$", FetchReason.ROBOTS),
        ("User-agent: animebot\nDisallow: /\n\nUser-agent: *\nAllow: /", FetchReason.ROBOTS),
        ("User-agent: animebot\nAllow: /\n\nUser-agent: *\nDisallow: /", None),
        ("User-agent: otherbot\nDisallow: /", None),
        ("User-agent: otherbot\nUser-agent: *\nDisallow: /", FetchReason.ROBOTS),
    ],
)
def test_rules(text: str | None, reason: FetchReason | None) -> None:
    """Rules for us go before those for everybody, rules for others do not count, no file allows everything."""
    assert check(Site(text).build()) is reason


def test_dot_segments_do_not_get_round_it() -> None:
    """A path is judged as the server will read it."""
    keeper = Site("User-agent: *\nDisallow: /covers/").build()
    assert check(keeper, parse_url("https://example.org/x/%2e%2e/covers/a.jpg")) is FetchReason.ROBOTS
    assert check(keeper, parse_url("https://example.org//other.example/covers/a.jpg")) is None


def test_asked_once_for_an_origin() -> None:
    """One request answers for all pictures of an origin until its time is over; another port is another origin."""
    site = Site("")
    keeper = site.build()
    for _ in range(3):
        check(keeper)
    site.now = 99.0
    check(keeper)
    assert site.asked == ["https://example.org:443"]
    site.now = 100.0
    site.text = "User-agent: *\nDisallow: /"
    assert check(keeper) is FetchReason.ROBOTS
    check(keeper, parse_url("https://example.org:8443/"))
    assert site.asked == ["https://example.org:443"] * 2 + ["https://example.org:8443"]


def test_unreachable() -> None:
    """While robots.txt cannot be read everything is refused for now, and it is not asked for before each picture."""
    site = Site(FetchFailedError(FetchReason.HTTP_5XX, "down"))
    keeper = site.build()
    assert [check(keeper), check(keeper)] == [FetchReason.ROBOTS_UNREACHABLE] * 2
    assert len(site.asked) == 1
    site.text, site.now = "", 61.0
    assert check(keeper) is None


def test_old_rules_while_unreachable() -> None:
    """Rules that were read once hold while their renewal fails."""
    site = Site("User-agent: *\nDisallow: /covers/")
    keeper = site.build()
    check(keeper)
    site.now, site.text = 200.0, FetchFailedError(FetchReason.HTTP_5XX, "down")
    assert check(keeper) is FetchReason.ROBOTS
    assert check(keeper, parse_url("https://example.org/free.jpg")) is None


@pytest.mark.parametrize(
    "error",
    [
        FetchFailedError(FetchReason.CONNECT, "refused"),
        FetchFailedError(FetchReason.CIRCUIT_OPEN, "wait"),
        FetchRefusedError(FetchReason.FORBIDDEN_ADDRESS, "private"),
    ],
)
def test_plainer_reasons(error: FetchError) -> None:
    """What would meet the picture itself in the same way is told as it is, and nothing is kept of it."""
    site = Site(error)
    keeper = site.build()
    assert [check(keeper), check(keeper)] == [error.reason] * 2
    assert len(site.asked) == 2


def test_threads_wait_for_the_one_that_asks() -> None:
    """Many threads that want the same robots.txt make one request."""
    site = Site("")
    keeper = site.build()
    threads = [threading.Thread(target=check, args=(keeper,)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(site.asked) == 1


def test_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long files of many origins push out the ones unused for longest."""
    monkeypatch.setattr("fetching.robots._MOST_CHARS", 1_000)
    site = Site("#" * 400)
    keeper = site.build()
    for name in ("a", "b", "c", "c", "b", "a"):
        check(keeper, parse_url(f"https://{name}.example/"))
    assert [origin[8] for origin in site.asked] == ["a", "b", "c", "a"]


@pytest.mark.parametrize("line", ["User-agent: {}", "user agent:{}", "USERAGENT {}", "User-Agent\t: {} # us", "{}"])
def test_groups_of_others_are_dropped(line: str) -> None:
    """Agents that are not ours are replaced in every form that the parser takes, and ours are kept."""
    own = keep_own_groups(f"{line.format('AnimeBot')}\nDisallow: /a\n{line.format('Evil')}\nDisallow: /b", "AnimeBot")
    assert "animebot" in own.lower()
    assert ("Evil" in own) == (line == "{}")


def test_many_agents_and_many_rules() -> None:
    """Half a megabyte of agents and rules leaves the parser a handful of rule sets, not their product."""
    text = "".join(f"User-agent: bot{number}\n" for number in range(15_000))
    text += "".join(f"Disallow: /{number}\n" for number in range(15_000)) + "User-agent: *\nDisallow: /covers\n"
    rules = Protego.parse(keep_own_groups(text, "AnimeBot"))
    assert len(rules._user_agents) == 2
    assert not rules.can_fetch(PICTURE.url, "AnimeBot")
