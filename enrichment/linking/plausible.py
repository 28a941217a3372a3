"""Candidates as searches give them, checked: an entry that is none must not stop the others, nor become a link."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from core.enrichment import ID_SPACES
from core.errors import InvalidInputError
from core.links import check_external_id
from core.text import clean_text
from enrichment.checks import FIRST_YEAR
from enrichment.providers.base import Candidate

_TITLE_CHARS: Final = 500
_TITLES: Final = 200
_LAST_YEAR: Final = 2200
_MOST_EPISODES: Final = 20_000
_PROVIDERS: Final[Mapping[str, str]] = {space: provider for provider, space in ID_SPACES.items()}


def check_candidates(provider: str, found: Iterable[Candidate]) -> list[Candidate]:
    """Those that have an id in the provider's form and a title; numbers that cannot be are not known."""
    checked = (_check(provider, candidate) for candidate in found)
    return [candidate for candidate in checked if candidate is not None]


def _check(provider: str, candidate: Candidate) -> Candidate | None:
    titles = tuple(dict.fromkeys(filter(None, map(_clean, candidate.titles[:_TITLES]))))
    if not titles or not _is_id(provider, candidate.external_id):
        return None
    named = {
        space: external_id
        for space, external_id in candidate.external_ids.items()
        if space not in _PROVIDERS or _is_id(_PROVIDERS[space], external_id)
    }
    return replace(
        candidate,
        titles=titles,
        year=_within(candidate.year, FIRST_YEAR, _LAST_YEAR),
        episodes=_within(candidate.episodes, 1, _MOST_EPISODES),
        external_ids=named,
    )


def _clean(title: str) -> str | None:
    """None for what is no text, or a text where a title should be."""
    try:
        cleaned = clean_text(title)
    except ValueError:
        return None
    return cleaned if len(cleaned) <= _TITLE_CHARS else None


def _is_id(provider: str, external_id: str) -> bool:
    try:
        check_external_id(provider, external_id)
    except InvalidInputError:
        return False
    return True


def _within(value: int | None, low: int, high: int) -> int | None:
    return value if value is not None and low <= value <= high else None
