"""Facts, field by field: what is valid is kept in the document's own form, what is not becomes a fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from core.document import AnimeDocument
from core.enrichment import STAGE_FIELDS, EnrichStage
from enrichment.providers.base import Fault


def build_facts(stage: EnrichStage, raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """Valid fields of a stage as JSON values, and a fault for each that is not. None and blank say nothing."""
    facts: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, value in raw.items():
        if name not in STAGE_FIELDS[stage]:
            raise KeyError(f"{name} is no field of the stage {stage}")
        if value is None or value in ("", [], {}):
            continue
        try:
            document = AnimeDocument.model_validate({"title": "x", name: value})
        except ValidationError as error:
            faults.extend(_to_fault(detail) for detail in error.errors(include_url=False, include_input=False))
            continue
        dumped = _dump(document)
        if name in dumped:
            facts[name] = dumped[name]
    return facts, faults


def _dump(document: BaseModel) -> dict[str, Any]:
    assert isinstance(document, AnimeDocument)
    return document.to_json()


def _to_fault(detail: Mapping[str, Any]) -> Fault:
    return Fault(".".join(str(part) for part in detail["loc"]), str(detail["msg"]))
