"""Looking a title up by its name."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import NotFoundError
from core.settings import Settings
from search.service import SearchService


class NoTitles:
    """Knows nothing, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def resolve_slug(self, identifier: str) -> str | None:
        """None."""
        self.asked.append(identifier)
        return None


def test_a_name_is_looked_up_in_the_form_in_which_it_is_stored() -> None:
    """However its accents were typed, an id is one text."""
    titles: Any = NoTitles()
    unused: Any = object()
    service = SearchService(
        Settings(_env_file=None), live=unused, cache=unused, titles=titles, embedding=unused, retrieval=unused
    )
    for identifier in ("anime-planet:caf\u00e9", "anime-planet:cafe\u0301"):
        with pytest.raises(NotFoundError):
            service.get_by_id(identifier)
    assert titles.asked == ["anime-planet:caf\u00e9"] * 2
