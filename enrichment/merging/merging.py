"""A title from what its sources say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from core.enrichment import SOURCE_OVERRIDE
from enrichment.merging import lists, single
from enrichment.merging.claims import MergedField, MergedTitle, Said, SourceClaims, Weighed, collect
from enrichment.merging.model import MergeModel
from enrichment.merging.rules import Kind, get_rule
from enrichment.merging.single import Context

_FINISHED: Final = "FINISHED"
_IMPLIED: Final = ("season", "year")
# How each kind is merged; what is not here is one value.
_NAMED: Final[Mapping[Kind, Callable[[str, Sequence[Said], Context], MergedField]]] = {
    Kind.TEXT: single.merge_text,
    Kind.MAPPING: single.merge_mapping,
    Kind.LIST: lists.merge_list,
}
_WHOLE: Final[Mapping[Kind, Callable[[Sequence[Said], Context], MergedField]]] = {
    Kind.AIRED: single.merge_aired,
    Kind.EPISODES: lists.merge_episodes,
    Kind.CHARACTERS: lists.merge_characters,
    Kind.STAFF: lists.merge_staff,
    Kind.RELATED: lists.merge_related,
}


def merge_title(
    claims: Sequence[SourceClaims], model: MergeModel, *, current: Mapping[str, Any] | None = None
) -> MergedTitle:
    """Every field that a source says something about. Pure: the same claims in any order give the same title.

    No clock is read: how old a word is counts from the newest one of the title. `current`: the document as it is now,
    which decides between sources that are as good as each other (pictures, figures), so that it changes for a reason.
    """
    said = collect([one for one in claims if one.source != SOURCE_OVERRIDE])
    context = _build_context(said, model, current or {})
    merged: dict[str, MergedField] = {}
    statistics = {name: words for name, words in said.items() if get_rule(name).kind is Kind.STATISTIC}
    for name, words in said.items():
        if name not in statistics:
            merged[name] = _merge_field(name, words, said, context)
    merged |= single.merge_statistics(statistics, context)
    overridden = _override(merged, [one for one in claims if one.source == SOURCE_OVERRIDE])
    return MergedTitle(dict(sorted(overridden.items())))


def _build_context(said: Mapping[str, Sequence[Said]], model: MergeModel, current: Mapping[str, Any]) -> Context:
    """Whether the title is finished, of which how fast its facts grow old depends."""
    words = said.get("status", ())
    # As long as one of them does not say so, the status itself may just have changed.
    open_still = Context(model, airing=any(one.value != _FINISHED for one in words), current=current)
    if not open_still.airing:
        return open_still
    return replace(open_still, airing=single.merge_values("status", words, open_still).value != _FINISHED)


def _merge_field(name: str, words: Sequence[Said], said: Mapping[str, Sequence[Said]], context: Context) -> MergedField:
    kind = get_rule(name).kind
    if whole := _WHOLE.get(kind):
        return whole(words, context)
    if named := _NAMED.get(kind):
        return named(name, words, context)
    return _merge_value(name, words, said, context)


def _merge_value(name: str, words: Sequence[Said], said: Mapping[str, Sequence[Said]], context: Context) -> MergedField:
    if name == "status":
        context = replace(context, airing=any(one.value != _FINISHED for one in words))
    implied = single.imply(name, said) if name in _IMPLIED else ()
    return single.merge_values(name, words, context, implied=implied)


def _override(merged: Mapping[str, MergedField], overrides: Sequence[SourceClaims]) -> dict[str, MergedField]:
    """What a person said wins as it is, also that a field is empty (null); what else was said is told beside it."""
    changed = dict(merged)
    for one in sorted(overrides, key=lambda claims: claims.fetched_at):
        for name, value in one.facts.items():
            before = merged.get(name)
            others = (
                () if before is None else (Weighed(before.value, before.sources, before.confidence), *before.others)
            )
            changed[name] = MergedField(
                value=value,
                sources=(SOURCE_OVERRIDE,),
                confidence=1.0,
                at=one.fetched_at,
                method="override",
                conflict=before is not None and before.value != value,
                others=tuple(other for other in others if other.value != value),
            )
    return changed
