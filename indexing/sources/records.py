"""A raw record of any known shape -> a validated document, or the reason why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from core.document import AnimeDocument
from indexing.sources.files import RawRecord
from indexing.sources.offline_database import is_offline_database_record, translate_offline_database
from indexing.sources.tables import translate_table_row

_SHOWN_FAULTS = 3


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that was not taken in, and why."""

    line: int
    reason: str


def parse_record(record: RawRecord) -> AnimeDocument | Refusal:
    """Never raises for bad data: every record ends as a document or a refusal."""
    if record.value is None:
        return Refusal(record.line, record.fault or "empty")
    try:
        return AnimeDocument.model_validate(_translate(record.value))
    except ValidationError as error:
        return Refusal(record.line, _describe(error))
    except (TypeError, ValueError, AttributeError, KeyError, OverflowError) as error:
        # A field of the wrong type, met while translating (`sources` holding numbers, say).
        return Refusal(record.line, f"{type(error).__name__}: {error}")


def _translate(value: dict[str, Any]) -> dict[str, Any]:
    if is_offline_database_record(value):
        return translate_offline_database(value)
    if all(isinstance(cell, str) for cell in value.values()):
        return translate_table_row(value)
    return value


def _describe(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False)
    shown = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in faults[:_SHOWN_FAULTS]]
    more = f" (and {len(faults) - _SHOWN_FAULTS} more)" if len(faults) > _SHOWN_FAULTS else ""
    return "; ".join(shown) + more
