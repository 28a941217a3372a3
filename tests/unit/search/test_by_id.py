"""Looking a title up by its name."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import NotFoundError
from search.referring import TitleFinder


class NoTitles:
    """Knows nothing, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def resolve_slugs(self, identifiers: list[str]) -> dict[str, str]:
        """None of them."""
        self.asked += identifiers
        return {}

    def load(self, _slugs: list[str]) -> dict[str, Any]:
        """Nothing."""
        return {}


def test_a_name_is_looked_up_in_the_form_in_which_it_is_stored() -> None:
    """However its accents were typed, an id is one text."""
    titles: Any = NoTitles()
    unused: Any = object()
    finder = TitleFinder(titles, unused)
    for identifier in ("anime-planet:caf\u00e9", "anime-planet:cafe\u0301"):
        with pytest.raises(NotFoundError):
            finder.find(identifier, include_adult=False)
    assert titles.asked == ["anime-planet:caf\u00e9"] * 2
