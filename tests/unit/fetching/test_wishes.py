"""X-Robots-Tag."""

from __future__ import annotations

import pytest

from fetching.wishes import refuses_use


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        ([], False),
        ([""], False),
        (["all"], False),
        (["nofollow, noarchive"], False),
        (["noai"], True),
        (["NoImageAI"], True),
        (["noimageindex"], True),
        (["nofollow ,NOINDEX"], True),
        (["none"], True),
        (["nofollow", "noindex"], True),
        (["otherbot: noindex"], False),
        (["otherbot: noindex", "noai"], True),
        (["AnimeBot: noindex, nofollow"], True),
        (["animebot:noai"], True),
        (["*: noai"], True),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST"], False),
        (["max-image-preview: large, noindex"], True),
        (["noindexing"], False),
    ],
)
def test_wishes(values: list[str], refused: bool) -> None:
    """A value refuses if it says so to everybody or to us, in any case and among others; words to other bots do not."""
    assert refuses_use(values, agent="AnimeBot") is refused
