"""JSON:API documents: resources, and what else came with them (https://jsonapi.org/format/)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from enrichment.providers.base import Answer, Fault, ShapeChangedError
from enrichment.providers.json_reader import JsonReader, load_json


@dataclass(frozen=True, slots=True)
class Resources:
    """One document: its resources, and the ones included, by (type, id)."""

    root: JsonReader
    primary: tuple[JsonReader, ...]
    included: dict[tuple[str, str], JsonReader]
    has_more: bool

    @property
    def faults(self) -> list[Fault]:
        """What the readers of this document met so far."""
        return self.root.faults

    def of_type(self, name: str) -> list[JsonReader]:
        """Included resources of this type, in the document's order."""
        return [reader for (kind, _), reader in self.included.items() if kind == name]

    def follow(self, resource: JsonReader, relationship: str) -> JsonReader | None:
        """The resource that this relationship to one names, if it came along."""
        target = resource.get("relationships", relationship, "data")
        return self.included.get((target.get("type").text() or "", target.get("id").text() or ""))

    def follow_all(self, resource: JsonReader, relationship: str) -> list[JsonReader]:
        """The resources that this relationship to many names, those that came along."""
        targets = resource.get("relationships", relationship, "data").items()
        keys = ((target.get("type").text() or "", target.get("id").text() or "") for target in targets)
        return [self.included[key] for key in keys if key in self.included]


def load_resources(provider: str, answer: Answer) -> Resources:
    """A document with `data`: one resource, a list of them, or null. Raises ShapeChangedError for anything else."""
    value = load_json(provider, answer)
    if not isinstance(value, dict) or "data" not in value:
        raise ShapeChangedError(provider, "$.data", _describe_errors(value))
    root = JsonReader(value)
    data = root.get("data")
    if isinstance(data.value, list):
        primary = data.items()
    elif isinstance(data.value, dict):
        primary = [data]
    elif data.value is None:
        primary = []
    else:
        raise ShapeChangedError(provider, "$.data", "is neither a resource nor a list")
    included = {
        (kind, key): reader
        for reader in root.get("included").items()
        if (kind := reader.get("type").text()) and (key := reader.get("id").text())
    }
    return Resources(root, tuple(primary), included, root.get("links", "next").text() is not None)


def _describe_errors(value: Any) -> str:
    """The first error of an errors document in its own words, shortened."""
    reader = JsonReader(value if isinstance(value, dict) else {})
    for error in reader.get("errors").items()[:1]:
        return f"is not there; the answer says: {(error.get('detail').text() or error.get('title').text() or '')[:200]}"
    return "is not there"
