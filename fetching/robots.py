"""robots.txt (RFC 9309): fetched once for an origin, kept for a bounded time and in bounded memory.

The parser keeps every rule once for each agent of its group, so a file of half a megabyte, half of it agents and half
rules, would take gigabytes. It is given our own groups only.
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from protego import Protego

from fetching.deadlines import Deadline
from fetching.errors import FetchFailedError, FetchReason, FetchRefusedError, build_error
from fetching.urls import Target

# RFC 9309 2.5 wants at least 500 KiB to be read; what follows is not looked at.
MAX_ROBOTS_BYTES = 512_000
_MOST_ORIGINS = 2_000
# Characters of all texts that are kept; parsed, one takes about fifteen bytes.
_MOST_CHARS = 8_000_000
# An origin whose robots.txt cannot be read is not asked for it before every picture.
_UNREACHABLE_S = 60.0

# These would meet the picture in the same way, and are the plainer reason.
_SAYS_NOTHING = frozenset(
    {FetchReason.CONNECT, FetchReason.DNS, FetchReason.TLS, FetchReason.CIRCUIT_OPEN, FetchReason.HOST_BUSY}
)
# All that protego takes for such a line, misspellings included.
_AGENT_LINE = re.compile(r"\s*user(?:-|\s+)?agent\s*(?::|\s)(?P<agent>[^#]*)", re.IGNORECASE)
_NOT_US = "User-agent: --"

LoadRobots = Callable[[Target, Deadline], str | None]


@dataclass(slots=True)
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    rules: Protego | None = None
    due_at: float = 0.0
    known: bool = False
    unreachable: str | None = None
    chars: int = 0


def keep_own_groups(text: str, agent: str) -> str:
    """The text, with every agent that is neither `*` nor ours replaced by one that nobody has."""
    return "\n".join(_keep_agent(line, agent.lower()) for line in text.splitlines())


def _keep_agent(line: str, agent: str) -> str:
    match = _AGENT_LINE.match(line)
    if match is None:
        return line
    named = match["agent"].strip().lower()
    # "AnimeBot" and "AnimeBot*" speak of AnimeBot, and so does "Anime" to the parser.
    is_ours = named == "*" or (named.strip("*") != "" and agent.startswith(named.strip("*")))
    return f"User-agent: {named}" if is_ours else _NOT_US


class RobotsKeeper:
    """Answers whether a path may be fetched. Thread-safe; one thread fetches, others that want the same wait for it.

    `load` brings the text, None where there is none (a 4xx, or more redirects than are followed: all is allowed), or
    raises: FetchRefusedError for what holds for the whole origin, FetchFailedError otherwise.
    """

    def __init__(
        self, load: LoadRobots, *, agent: str, life_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._load = load
        self._agent = agent
        self._life_s = life_s
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._chars = 0

    def check(self, target: Target, deadline: Deadline) -> None:
        """Raise FetchRefusedError (robots), or FetchFailedError while robots.txt cannot be read."""
        entry = self._get_entry(target.origin)
        if not entry.lock.acquire(timeout=deadline.left_s):
            raise build_error(FetchReason.TIMEOUT, f"{target.authority}: robots.txt did not come in time")
        try:
            if self._clock() >= entry.due_at:
                self._renew(entry, target, deadline)
            rules, unreachable = entry.rules, entry.unreachable
        finally:
            entry.lock.release()
        if unreachable:
            raise build_error(FetchReason.ROBOTS_UNREACHABLE, unreachable, retry_after_s=_UNREACHABLE_S)
        if rules is not None and not rules.can_fetch(target.url, self._agent):
            raise FetchRefusedError(FetchReason.ROBOTS, f"robots.txt of {target.authority} forbids {target.path}")

    def _get_entry(self, origin: str) -> _Entry:
        with self._lock:
            entry = self._entries.setdefault(origin, _Entry())
            self._entries.move_to_end(origin)
            if len(self._entries) > _MOST_ORIGINS:
                self._drop_oldest()
            return entry

    def _weigh(self, origin: str, entry: _Entry, chars: int) -> None:
        """Count an entry's text; the origins unused for longest go if all texts are too long together."""
        with self._lock:
            if self._entries.get(origin) is not entry:
                return
            self._chars += chars - entry.chars
            entry.chars = chars
            while self._chars > _MOST_CHARS and len(self._entries) > 1:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, entry = self._entries.popitem(last=False)
        self._chars -= entry.chars

    def _renew(self, entry: _Entry, target: Target, deadline: Deadline) -> None:
        try:
            text = self._load(target, deadline)
        except FetchFailedError as error:
            if error.reason in _SAYS_NOTHING:
                raise
            entry.due_at = self._clock() + _UNREACHABLE_S
            # Old rules are better than none (RFC 9309 2.4); with none, all is forbidden for now (2.3.1.4).
            entry.unreachable = None if entry.known else f"robots.txt of {target.authority}: {error}"
            return
        entry.rules = None if text is None else Protego.parse(keep_own_groups(text, self._agent))
        self._weigh(target.origin, entry, len(text or ""))
        entry.known, entry.unreachable = True, None
        entry.due_at = self._clock() + self._life_s
