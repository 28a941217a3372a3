"""One title's document and the reasons for it, from what its sources say. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from pydantic import ValidationError

from core.document import AnimeDocument, content_hash, is_adult
from core.enrichment import ID_SPACES, SOURCE_CATALOGUE, SOURCE_OVERRIDE
from enrichment.merging import MergedTitle
from enrichment.quality import Quality, rate_title
from enrichment.titles.computing import Computed, Given, compute_fields
from enrichment.titles.sources import find_spoken_at, has_facts, join_facts, list_links
from storage.database.merge_inputs import MergeInputs
from storage.database.titles import StoredTitle

# Provenance is for reading: what is longer is cut.
_SHOWN_CHARS: Final = 300
_SHOWN_ITEMS: Final = 30
_IDS: Final = "external_ids"


@dataclass(frozen=True, slots=True)
class BuiltTitle:
    """What merging makes of a title.

    title       as it is to be stored
    fields      {field: reasons}, for provenance
    new_ids     (provider, external id) that its base does not have
    """

    title: StoredTitle
    fields: Mapping[str, dict[str, Any]]
    quality: Quality
    new_ids: frozenset[tuple[str, str]]


@dataclass(slots=True)
class _Draft:
    """A document in the making; each field with its reasons."""

    document: dict[str, Any]
    fields: dict[str, dict[str, Any]]

    def put(self, field: str, value: Any, reasons: dict[str, Any]) -> None:
        self.document[field] = value
        self.fields[field] = {**reasons, **{k: v for k, v in self.fields.get(field, {}).items() if k == "note"}}

    def note(self, field: str, text: str) -> None:
        """Something that was left out."""
        entry = self.fields.setdefault(field, {})
        entry["note"] = "; ".join(filter(None, (entry.get("note"), text)))


def build_title(inputs: MergeInputs, merged: MergedTitle, *, now: datetime) -> BuiltTitle:
    """The document that follows from the inputs and from what was merged of them."""
    draft = _draw_fields(inputs, merged)
    _put_ids(draft, inputs)
    _put_overrides(draft, inputs)
    for field, computed in _compute(draft, inputs, today=now.date()).items():
        draft.put(field, computed.value, _explain_computed(computed, draft.fields.get(field), at=now))
    document = _validate(draft, inputs)
    fields = {name: _shorten(draft.fields[name]) for name in sorted(draft.fields)}
    new_ids = frozenset(list_ids(document) - list_ids(inputs.base))
    if new_ids:
        fields[_IDS]["added"] = sorted(":".join(key) for key in new_ids)
    quality = rate_title(
        document,
        confidences={name: draft.fields[name].get("confidence") for name in document if name in draft.fields},
        spoken_at=find_spoken_at(inputs),
        now=now,
    )
    title = StoredTitle(inputs.slug, document, content_hash(document), is_adult(document), excluded=False)
    return BuiltTitle(title, fields, quality, new_ids)


def _draw_fields(inputs: MergeInputs, merged: MergedTitle) -> _Draft:
    """What was merged; where nothing came of it, what the base has. The main title is the base's."""
    draft = _Draft({}, {})
    for name in AnimeDocument.model_fields:
        one = merged.fields.get(name)
        if name != "title" and one is not None and one.value is not None:
            draft.put(name, one.value, one.to_json())
        elif name in inputs.base:
            draft.put(name, inputs.base[name], _explain_kept(inputs.base_at))
            if name == "title" and one is not None:
                draft.fields[name]["others"] = _list_other_titles(inputs, one.to_json())
    return draft


def _list_other_titles(inputs: MergeInputs, reasons: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What other sources call it, for the reader: the main title itself never changes by merging."""
    named = {"value": None, "sources": reasons["sources"], "confidence": reasons["confidence"]}
    facts = join_facts(inputs)
    first = next((facts[source]["title"] for source in reasons["sources"] if "title" in facts.get(source, {})), None)
    found = [{**named, "value": first}] if first not in (None, inputs.base["title"]) else []
    return [*found, *(one for one in reasons["others"] if one["value"] != inputs.base["title"])]


def _put_ids(draft: _Draft, inputs: MergeInputs) -> None:
    """Ids say which title this is: merging and linking add to the base's, and take none from another title.

    Where a person says where the title is, neither the base nor another source is asked.
    """
    decided = {ID_SPACES.get(provider, provider) for provider in inputs.decided}
    own = {key: value for key, value in inputs.base.get(_IDS, {}).items() if key not in decided}
    merged = {key: value for key, value in draft.document.get(_IDS, {}).items() if key not in decided}
    wanted = {**merged, **list_links(inputs), **own}
    foreign = [key for key, value in wanted.items() if key not in own and f"{key}:{value}" in inputs.foreign_ids]
    ids = {key: value for key, value in wanted.items() if key not in foreign}
    reasons = draft.fields.get(_IDS, _explain_kept(inputs.base_at))
    if ids:
        draft.put(_IDS, ids, reasons)
    else:
        draft.document.pop(_IDS, None)
    for key in foreign:
        draft.note(_IDS, f"{key}:{wanted[key]} is the id of another title and was left out")


def _put_overrides(draft: _Draft, inputs: MergeInputs) -> None:
    for field, override in inputs.overrides.items():
        if override.value is None:
            draft.document.pop(field, None)
        else:
            draft.document[field] = override.value
        others = draft.fields.get(field, {}).get("others", [])
        draft.fields[field] = {
            "sources": [SOURCE_OVERRIDE],
            "confidence": 1.0,
            "at": override.at.isoformat(),
            "method": "override",
            "conflict": False,
            "others": [one for one in others if SOURCE_OVERRIDE not in one.get("sources", ())],
        }


def _compute(draft: _Draft, inputs: MergeInputs, *, today: date) -> dict[str, Computed]:
    return compute_fields(
        Given(
            document=draft.document,
            facts=join_facts(inputs),
            slug=inputs.slug,
            relatives=inputs.relatives,
            overridden=frozenset(inputs.overrides),
            today=today,
            untouched=frozenset() if has_facts(inputs) else frozenset(inputs.base),
        )
    )


def _validate(draft: _Draft, inputs: MergeInputs) -> dict[str, Any]:
    """The document in its own form. A field that is not valid falls back to the base's value, and is noted."""
    while True:
        try:
            return AnimeDocument.model_validate(draft.document).to_json()
        except ValidationError as error:
            for field, problem in _list_faults(error):
                if field in inputs.base and draft.document.get(field) != inputs.base[field]:
                    draft.put(field, inputs.base[field], _explain_kept(inputs.base_at))
                elif draft.document.pop(field, None) is None or field == "title":
                    raise
                draft.note(field, f"what was merged is not valid and was left out: {problem}")


def _list_faults(error: ValidationError) -> list[tuple[str, str]]:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return sorted({str(fault["loc"][0]): fault["msg"] for fault in faults if fault["loc"]}.items())


def _explain_kept(at: datetime) -> dict[str, Any]:
    return {
        "sources": [SOURCE_CATALOGUE],
        "confidence": None,
        "at": at.isoformat(),
        "method": "kept",
        "conflict": False,
        "others": [],
    }


def _explain_computed(computed: Computed, before: Mapping[str, Any] | None, *, at: datetime) -> dict[str, Any]:
    known = before or {}
    return {
        "sources": list(computed.sources) or known.get("sources", []),
        "confidence": known.get("confidence"),
        "at": known.get("at", at.isoformat()),
        "method": f"computed: {computed.rule}",
        "conflict": known.get("conflict", False),
        "others": known.get("others", []),
    }


def list_ids(document: Mapping[str, Any]) -> set[tuple[str, str]]:
    """(provider, external id) of a document."""
    return {(provider, str(value)) for provider, value in document.get(_IDS, {}).items()}


def _shorten(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _SHOWN_CHARS else f"{value[:_SHOWN_CHARS]}…"
    if isinstance(value, Mapping):
        return {name: _shorten(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shorten(item) for item in value[:_SHOWN_ITEMS]]
    return value
