"""What a title's sources may not say of its relatives: the names of adult and of excluded titles. Pure.

It is taken away before anything is merged, so that it stands neither in the document nor in the reasons for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from core.document import is_adult
from storage.database.merge_inputs import MergeInputs, Relative, find_relative

_FIELD: Final = "related_anime"
# What says that a title is adult. Where a person decided about it, that the sources said so shows nothing.
_ADULT_FIELDS: Final = frozenset({"tags", "genres", "rating"})


def hide_relatives(inputs: MergeInputs) -> MergeInputs:
    """The inputs without the names of relatives that are excluded, or adult unless the title is adult itself.

    Ids and relations stay. An entry without an id is known by its name: that of the title itself, or the one
    that another source gives it beside an id.
    """
    shows_adult = _shows_adult(inputs)

    def is_hidden(relative: Relative) -> bool:
        return relative.excluded or (relative.adult and not shows_adult)

    hidden = {key: relative for key, relative in inputs.relatives.items() if is_hidden(relative)}
    names = {name for name, relative in inputs.hidden_names.items() if is_hidden(relative)}
    if not hidden and not names:
        return inputs
    names |= {relative.name.casefold() for relative in hidden.values()}
    names |= set(_iterate_names(inputs, hidden))
    return replace(
        inputs,
        base=_strip(inputs.base, inputs.relatives, hidden, names),
        claims=tuple(replace(one, facts=_strip(one.facts, inputs.relatives, hidden, names)) for one in inputs.claims),
        relatives={key: replace(one, name="") if key in hidden else one for key, one in inputs.relatives.items()},
    )


def _shows_adult(inputs: MergeInputs) -> bool:
    if _ADULT_FIELDS & set(inputs.overrides):
        return False
    return any(is_adult(facts) for facts in (inputs.base, *(one.facts for one in inputs.claims)))


def _iterate_names(inputs: MergeInputs, hidden: Mapping[str, Relative]) -> Iterator[str]:
    """What sources call hidden titles."""
    for facts in (inputs.base, *(one.facts for one in inputs.claims)):
        for entry in facts.get(_FIELD, ()):
            if entry.get("title") and find_relative(hidden, entry) is not None:
                yield entry["title"].casefold()


def _strip(
    facts: Mapping[str, Any], relatives: Mapping[str, Relative], hidden: Mapping[str, Relative], names: set[str]
) -> Mapping[str, Any]:
    """Facts without these names; an entry of which nothing is left that says which title it is goes."""
    if _FIELD not in facts:
        return facts
    kept: list[Mapping[str, Any]] = []
    for entry in facts[_FIELD]:
        known = find_relative(relatives, entry)
        by_name = known is None and str(entry.get("title", "")).casefold() in names
        if not by_name and find_relative(hidden, entry) is None:
            kept.append(entry)
        elif entry.get("external_ids"):
            kept.append({name: value for name, value in entry.items() if name != "title"})
    return {**facts, _FIELD: kept}
