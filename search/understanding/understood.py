"""What was read out of a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

from search.filters import Condition
from search.names.match import NameMatch
from search.plan import Boost

# What a finding does to the search: a hard condition, a hard exclusion, a gain for what fits, a title put first;
# `kept`: nothing, but its words were not read as anything else.
Effect = Literal["filter", "exclude", "boost", "pin", "kept"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of the text and what it was taken for: 'by Sunrise', studio, studios, 'sunrise', filter."""

    text: str
    kind: str
    field: str | None
    value: Any
    effect: Effect


@dataclass(frozen=True, slots=True)
class Understood:
    """What a text asks for.

    `text` is what is left to embed, never empty. `names` are titles that the text, or a quoted part of it, names, the
    best first. `likes` are titles that it wants something like. `filters` and `excluded` are hard, `boosts` soft;
    `features` are the query side of metadata_sparse.
    """

    text: str
    names: tuple[NameMatch, ...] = ()
    likes: tuple[NameMatch, ...] = ()
    filters: tuple[Condition, ...] = ()
    excluded: tuple[Condition, ...] = ()
    boosts: tuple[Boost, ...] = ()
    features: Mapping[str, float] = field(default_factory=dict)
    found: tuple[Finding, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What `query_info.understood` shows."""
        return {
            "text": self.text,
            "names": [_show_name(match) for match in self.names],
            "likes": [_show_name(match) for match in self.likes],
            "features": dict(self.features),
            "found": [asdict(one) for one in self.found],
        }


class Understands(Protocol):
    """Whatever reads structure out of a text."""

    @property
    def revision(self) -> int:
        """Another number whenever the same text may be understood in another way."""

    def understand(self, text: str, *, include_adult: bool = False) -> Understood:
        """Read a text in its normal form (`core.text.normalise_query`). Never fails; what is unclear stays text."""


def _show_name(match: NameMatch) -> dict[str, Any]:
    return {"id": match.slug, "name": match.name, "similarity": round(match.similarity, 4), "kind": match.kind}
