"""Putting many requests to the real search service, a group at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import orjson
import stamina

from core.errors import TransientError
from search.answer import SearchAnswer
from search.questions import Request

# Requests in one call: enough to embed and search together, few enough for a server's ordinary time limit.
_TOGETHER = 32
# Requests at once, where each is asked for by itself.
_AT_ONCE = 6
# A server that is busy for a moment is no reason to lose the figures of minutes.
_ATTEMPTS = 5
# Told how many more requests are answered.
Progress = Callable[[int], None]


class Searcher(Protocol):
    """What is evaluated: the service that the API calls."""

    def search_batch(self, requests: Sequence[Request]) -> list[SearchAnswer]:
        """Raises the errors of `core.errors`."""


class SingleSearcher(Protocol):
    """The same service, one request at a time; safe between threads."""

    def search(self, request: Request) -> SearchAnswer:
        """Raises the errors of `core.errors`."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """The answer to one request: slugs and their scores, best first."""

    slugs: tuple[str, ...]
    scores: tuple[float, ...]


def ask_all(searcher: Searcher, requests: Sequence[Request], *, progress: Progress) -> list[Ranked]:
    """The answers in the order of the requests; a group that fails for the moment is asked again."""
    ask = stamina.retry(on=TransientError, attempts=_ATTEMPTS, timeout=None)(searcher.search_batch)
    answers: list[Ranked] = []
    for start in range(0, len(requests), _TOGETHER):
        group = requests[start : start + _TOGETHER]
        answers += map(_read, ask(group))
        progress(len(group))
    return answers


def ask_each(searcher: SingleSearcher, requests: Sequence[Request], *, progress: Progress) -> list[Ranked]:
    """The answers in the order of the requests, a few asked for at once: what no batch takes, such as pictures."""
    ask = stamina.retry(on=TransientError, attempts=_ATTEMPTS, timeout=None)(searcher.search)

    def answer(request: Request) -> Ranked:
        found = _read(ask(request))
        progress(1)
        return found

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(answer, requests))


def ask_by_method(
    searcher: Searcher, requests: Mapping[str, Sequence[Request]], *, progress: Progress
) -> dict[str, list[Ranked]]:
    """The answers of each method, whose requests are about the same things in the same order.

    All methods of one thing are asked together: what the service has to look up for it is looked up once.
    """
    mixed = [request for group in zip(*requests.values(), strict=True) for request in group]
    answers = ask_all(searcher, mixed, progress=progress)
    return {method: answers[place :: len(requests)] for place, method in enumerate(requests)}


def _read(answer: SearchAnswer) -> Ranked:
    results = orjson.loads(answer.to_bytes())["results"]
    return Ranked(tuple(result["id"] for result in results), tuple(float(result["score"]) for result in results))
