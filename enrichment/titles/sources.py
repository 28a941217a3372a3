"""What goes into one title: the words of all sources, and a hash over everything that can change the result."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Final

import orjson

from core.enrichment import (
    ID_SPACES,
    SOURCE_CATALOGUE,
    SOURCE_OVERRIDE,
    SOURCE_SYNTHESIS,
    STAGE_FIELDS,
    EnrichStage,
)
from enrichment.merging.claims import SourceClaims
from storage.database.merge_inputs import MergeInputs

# Raise it when what is made of the same inputs changes.
_RULES_VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class Synthesis:
    """A synopsis that was written from those of several sources."""

    synopsis: str
    at: datetime


def build_sources(inputs: MergeInputs, synthesis: Synthesis | None = None) -> list[SourceClaims]:
    """Every source's words: the catalogue's, each provider's by stage, a person's, and the synthesis."""
    sources = [SourceClaims(SOURCE_CATALOGUE, inputs.base_at, inputs.base)]
    sources += [SourceClaims(claim.provider, claim.fetched_at, claim.facts) for claim in inputs.claims]
    sources += [
        SourceClaims(SOURCE_OVERRIDE, override.at, {field: override.value})
        for field, override in inputs.overrides.items()
        if override.value is not None
    ]
    if synthesis is not None:
        sources.append(SourceClaims(SOURCE_SYNTHESIS, synthesis.at, {"synopsis": synthesis.synopsis}))
    return sources


def has_facts(inputs: MergeInputs) -> bool:
    """A provider says something of the title."""
    return any(claim.facts for claim in inputs.claims)


def join_facts(inputs: MergeInputs) -> dict[str, dict[str, Any]]:
    """{source: facts of all its stages}, without what persons said."""
    joined: dict[str, dict[str, Any]] = {SOURCE_CATALOGUE: dict(inputs.base)}
    for claim in inputs.claims:
        joined.setdefault(claim.provider, {}).update(claim.facts)
    return joined


def list_links(inputs: MergeInputs) -> dict[str, int | str]:
    """External ids that linking found, as a document holds them."""
    return {
        ID_SPACES.get(provider, provider): int(value) if value.isascii() and value.isdigit() else value
        for provider, value in inputs.links.items()
    }


def find_spoken_at(inputs: MergeInputs) -> dict[str, datetime]:
    """By stage, when a source last spoke. The catalogue speaks of the stages that its base has a field of."""
    spoken: dict[str, datetime] = {}
    for stage, at in _iterate_spoken(inputs):
        spoken[stage] = max(at, spoken.get(stage, at))
    return spoken


def hash_inputs(inputs: MergeInputs, *, model_version: int, synthesis: Synthesis | None, today: date) -> str:
    """32 hex digits: equal means that merging would give the same again.

    The day counts only while the title is not over, for then its status may follow from it.
    """
    value: dict[str, Any] = {
        "rules": _RULES_VERSION,
        "model": model_version,
        "day": None if _is_over(inputs) else today.isoformat(),
        "base": inputs.base,
        "base_at": inputs.base_at,
        "overrides": {field: override.to_json() for field, override in inputs.overrides.items()},
        "claims": [[one.provider, one.stage, one.facts, one.fetched_at] for one in inputs.claims],
        "links": inputs.links,
        "decided": sorted(inputs.decided),
        "relatives": {key: asdict(relative) for key, relative in inputs.relatives.items()},
        "hidden": {name: asdict(relative) for name, relative in inputs.hidden_names.items()},
        "foreign": sorted(inputs.foreign_ids),
        "synthesis": None if synthesis is None else synthesis.synopsis,
    }
    return hashlib.blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def _is_over(inputs: MergeInputs) -> bool:
    said = [inputs.base.get("status"), *(claim.facts.get("status") for claim in inputs.claims)]
    known = [status for status in said if status not in (None, "UNKNOWN")]
    return bool(known) and all(status == "FINISHED" for status in known)


def _iterate_spoken(inputs: MergeInputs) -> Iterator[tuple[str, datetime]]:
    for stage, fields in STAGE_FIELDS.items():
        if stage is EnrichStage.METADATA or any(field in inputs.base for field in fields):
            yield stage, inputs.base_at
    yield from ((claim.stage, claim.fetched_at) for claim in inputs.claims)
