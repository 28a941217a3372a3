"""Lists of addresses as the world has them: most are good, and the rest fails in every way there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import cycle

from tests.picture_host.kinds import KINDS

# Ways to fail, each with its reason: no picture comes, or none that is kept.
FAILING = {name: reason for name, kind in KINDS.items() if (reason := kind.fetch or kind.picture) is not None}
_BROKEN_SHARE = 10


def build_mixed_list(port: int, count: int) -> tuple[list[str], Counter[str]]:
    """`count` addresses of a picture host at 0.0.0.0, of which a tenth fails; and what must come of them, by outcome.

    Each way to fail has an address of its own, a host of its own to the fetcher, so that no circuit opens for others.
    """
    ways = cycle(_list_ways(port))
    urls: list[str] = []
    expected: Counter[str] = Counter()
    for number in range(count):
        if number % _BROKEN_SHARE:
            urls.append(f"http://127.0.0.1:{port}/many/{number}.jpg")
            expected["fetched"] += 1
        else:
            address, reason = next(ways)
            urls.append(f"{address}{number}")
            expected[reason] += 1
    return urls, expected


def _list_ways(port: int) -> Iterator[tuple[str, str]]:
    for place, (name, reason) in enumerate(FAILING.items(), start=1):
        yield f"http://127.0.1.{place}:{port}/kind/{name}/", reason
    # What a URL alone can be wrong by, and a host that nobody answers at.
    yield "http://169.254.169.254/latest/", "forbidden-address"
    yield f"http://127.0.2.1:{port}/forbidden/", "robots"
    yield f"http://127.0.2.2:{port}/redirect/9/many/", "too-many-redirects"
    yield "http://127.0.2.3:9/", "connect"
