"""A provider's own record of an id."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from core.enrichment import EnrichStage
from enrichment.linking.records import RecordReader
from enrichment.providers.base import Answer, Parsed, ProviderInfo, Request, ShapeChangedError

FACTS = {
    "title": "Kumo",
    "title_japanese": "雲",
    "type": "TV",
    "aired": {"start": "2012-04-01"},
    "episodes": 12,
    "external_ids": {"mal": 7, "anidb": 9},
}


class FakeProvider:
    """Says what it is told to."""

    def __init__(self, facts: Mapping[str, Any] | None) -> None:
        self._facts = facts

    @property
    def info(self) -> ProviderInfo:
        return ProviderInfo(
            name="anidb", id_space="anidb", stages=frozenset(EnrichStage), limits=(), can_search=False, licence="",
            terms_url="",
        )  # fmt: skip

    def plan(self, stage: EnrichStage, external_id: str) -> tuple[Request, ...]:
        return (Request(key=f"{stage}/{external_id}", path="/"),)

    def parse(self, stage: EnrichStage, external_id: str, answers: Mapping[str, Answer]) -> Parsed:
        assert set(answers) == {f"metadata/{external_id}"}
        if self._facts is None:
            raise ShapeChangedError("anidb", "/", "is a page")
        return Parsed(self._facts)

    def plan_search(self, title: str) -> None:
        return None

    def parse_search(self, answer: Answer) -> tuple[()]:
        return ()


class FakeAsker:
    """Answers with this status."""

    def __init__(self, status: int = 200) -> None:
        self._status = status

    def ask(self, request: Request, *, most_age_s: float) -> Answer:
        assert most_age_s == 60.0
        return Answer(key=request.key, status=self._status, body=b"", media_type=None, fetched_at=datetime.now(UTC))


def build_reader(facts: Mapping[str, Any] | None, *, status: int = 200) -> RecordReader:
    """A reader of these facts."""
    return RecordReader(FakeProvider(facts), FakeAsker(status), most_age_s=60.0)


def test_a_record_is_a_candidate() -> None:
    """Titles, type, year and episodes of the metadata, and the ids that it names elsewhere."""
    record = build_reader(FACTS)("9")
    assert record is not None
    assert (record.external_id, record.titles, record.type, record.year, record.episodes) == (
        "9", ("Kumo", "雲"), "TV", 2012, 12,
    )  # fmt: skip
    assert record.external_ids == {"mal": "7"}


@pytest.mark.parametrize(("facts", "status"), [(FACTS, 404), ({}, 200)])
def test_what_is_not_there_is_none(facts: Mapping[str, Any], status: int) -> None:
    """An id that the provider does not have, and an answer without facts."""
    assert build_reader(facts, status=status)("9") is None


def test_what_cannot_be_read_is_said() -> None:
    """An answer of another form is an error, not an absence."""
    with pytest.raises(ShapeChangedError):
        build_reader(None)("9")
