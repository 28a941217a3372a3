"""Why titles say what they say, and what persons said of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from client.values.base import Value


class Weighed(Value):
    """A value, or an element of a list, with those who say so and how probable it is."""

    value: Any = None
    sources: tuple[str, ...] = ()
    confidence: float | None = None


class FieldReasons(Value):
    """One field: its value, whose word that is, how sure the service is, and what was said instead.

    `confidence` is None where nobody knows; `note` says what was left out, and why.
    """

    value: Any = None
    sources: tuple[str, ...] = ()
    confidence: float | None = None
    at: datetime | None = None
    method: str
    conflict: bool = False
    others: tuple[Weighed, ...] = ()
    elements: tuple[Weighed, ...] = ()
    note: str | None = None


class Provenance(Value):
    """A title's fields with their reasons. `quality` is 0 to 100, its parts 0 to 1; None until it was merged once."""

    id: str
    quality: float | None = None
    quality_parts: dict[str, float] = Field(default_factory=dict)
    model_version: int | None = None
    merged_at: datetime | None = None
    fields: dict[str, FieldReasons] = Field(default_factory=dict)


class Override(Value):
    """What a person said of a field; `value` None: it shall be empty."""

    value: Any = None
    by: str
    at: datetime
    note: str | None = None


class OverrideList(Value):
    """All of one title, by field."""

    id: str
    overrides: dict[str, Override] = Field(default_factory=dict)


class OverrideChange(Value):
    """`job_id`: the job that brings it into document and index; None if it was so already."""

    id: str
    field: str
    changed: bool
    job_id: str | None = None
