"""What a host's X-Robots-Tag says about keeping a picture or showing it to a model."""

from __future__ import annotations

import re
from collections.abc import Iterable

_REFUSING = frozenset({"noai", "noimageai", "noindex", "noimageindex", "none"})
_FOR_AGENT = re.compile(r"\s*([A-Za-z0-9_.\-*]+)\s*:(.*)", re.DOTALL)
# The one directive that has a colon of its own.
_WITH_VALUE = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})


def refuses_use(values: Iterable[str], *, agent: str) -> bool:
    """True if one of the header's values refuses, for everybody or for `agent` (our name in the User-Agent)."""
    return any(not _REFUSING.isdisjoint(_get_directives(value, agent.lower())) for value in values)


def _get_directives(value: str, agent: str) -> set[str]:
    match = _FOR_AGENT.fullmatch(value)
    if match and match[1].lower() not in _WITH_VALUE:
        if match[1].lower() not in {agent, "*"}:
            return set()
        value = match[2]
    return {directive.strip().lower() for directive in value.split(",")}
