"""Every recorded answer through its provider's parser: what was understood, what was refused, and what it says.

A parser never crashes, an answer about a title gives facts, an answer about anything else gives none, and the facts of
well-known titles are those that everybody can look up.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final

import orjson

from core.enrichment import EnrichStage
from core.errors import ServiceError
from enrichment.providers.base import Answer, Parsed, Provider
from evaluation.enrichment.recordings import FETCHED_AT, Recording

_ABSENT_STATUS: Final = 404
_MAX_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class KnownFact:
    """A fact that can be looked up anywhere: by provider, id, and dotted path into the document."""

    title: str
    provider: str
    external_id: str
    path: str
    value: Any


@dataclass
class ProviderReport:
    """Counts of one provider.

    files     recorded files; a file may hold many titles
    titles    answers about a title, of which
    parsed    gave facts, or said on purpose that there is nothing
    refused   answers that are no title's (errors, other endpoints), turned down or found empty
    facts     fields with a value, by stage
    faults    values not taken, by kind
    """

    files: set[str] = field(default_factory=set)
    titles: int = 0
    parsed: int = 0
    refused: int = 0
    facts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """Counts only."""
        return {
            "files": len(self.files),
            "titles": self.titles,
            "parsed": self.parsed,
            "refused": self.refused,
            "facts": {stage.value: self.facts[stage.value] for stage in EnrichStage},
            "faults": dict(sorted(self.faults.items())),
        }


@dataclass
class ParsingReport:
    """By provider; what went wrong; and how the well-known facts came out."""

    providers: dict[str, ProviderReport] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    checked: int = 0
    checked_titles: int = 0

    @property
    def is_good(self) -> bool:
        """Nothing crashed, nothing was misread."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Everything but the facts themselves."""
        return {
            "providers": {name: report.to_json() for name, report in self.providers.items()},
            "known_facts": {"checked": self.checked, "titles": self.checked_titles},
            "problems": self.problems[:_MAX_SHOWN],
            "problem_count": len(self.problems),
        }


def load_known_facts() -> list[KnownFact]:
    """The committed table: facts of well-known titles, looked up elsewhere than in the recordings."""
    text = files("evaluation.enrichment").joinpath("known_facts.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    return [
        KnownFact(row["title"], row["provider"], row["external_id"], row["path"], orjson.loads(row["value"]))
        for row in rows
    ]


def evaluate_parsing(
    recordings: Iterable[Recording], providers: Mapping[str, Provider], known: Sequence[KnownFact]
) -> ParsingReport:
    """Parses all recordings, then compares what they say of the well-known titles."""
    report = ParsingReport()
    facts: defaultdict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for recording in recordings:
        counts = report.providers.setdefault(recording.provider, ProviderReport())
        counts.files.add(recording.file)
        try:
            found = _parse(providers[recording.provider], recording, counts)
        except Exception as error:
            # Whatever a parser raises, an assertion too, is what is looked for here.
            report.problems.append(f"{recording.file}: {type(error).__name__}: {error}")
            continue
        _judge(recording, found, counts, report)
        if found and recording.external_id:
            facts[recording.provider, recording.external_id].append(found)
    _compare(known, facts, report)
    return report


def _parse(provider: Provider, recording: Recording, counts: ProviderReport) -> dict[str, Any] | None:
    """All facts of a recording; None if it was refused."""
    facts: dict[str, Any] = {}
    for stage in recording.stages or (EnrichStage.METADATA,):
        if stage not in provider.info.stages:
            continue
        try:
            parsed = parse_recording(provider, recording, stage)
        except ServiceError:
            return None
        facts |= parsed.facts
        counts.facts[stage.value] += len(parsed.facts)
        counts.faults.update(fault.kind for fault in parsed.faults)
    return facts


def parse_recording(provider: Provider, recording: Recording, stage: EnrichStage) -> Parsed:
    """One stage of a recording; further pages and other answers of the stage count as absent."""
    # What is no title's answer is read as if it were: its parser has to notice.
    external_id = recording.external_id or _guess_id(recording)
    asked = provider.plan(stage, external_id)
    answers = {request.key: _absent(request.key) for request in asked}
    if recording.parts:
        for request in asked:
            for part, body in recording.parts.items():
                if request.key == part or request.key.split("/", 2)[-1].split("/")[0] == part:
                    answers[request.key] = recording.to_answer(request.key, body)
    else:
        answers[asked[0].key] = recording.to_answer(asked[0].key)
    parsed = provider.parse(stage, external_id, answers)
    while parsed.more:
        answers |= {request.key: _absent(request.key) for request in parsed.more}
        parsed = provider.parse(stage, external_id, answers)
    return parsed


def _guess_id(recording: Recording) -> str:
    """The id by which an answer about something else comes nearest to being taken for a title."""
    try:
        value = orjson.loads(recording.body)
    except orjson.JSONDecodeError:
        return "1"
    data = value.get("data") if isinstance(value, dict) else None
    return str(data.get("mal_id", "1")) if isinstance(data, dict) else "1"


def _absent(key: str) -> Answer:
    return Answer(key=key, status=_ABSENT_STATUS, body=b"", media_type=None, fetched_at=FETCHED_AT)


def _judge(
    recording: Recording, found: Mapping[str, Any] | None, counts: ProviderReport, report: ParsingReport
) -> None:
    """Counts a recording, and notes what should not have come out."""
    if recording.external_id is None:
        counts.refused += 1
        if found:
            report.problems.append(f"{recording.file}: no title's answer, and facts were taken from it")
        return
    counts.titles += 1
    if found is None:
        report.problems.append(f"{recording.file}: refused, and it is an answer about {recording.external_id}")
    else:
        counts.parsed += 1


def _compare(
    known: Sequence[KnownFact],
    facts: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]],
    report: ParsingReport,
) -> None:
    for fact in known:
        report.checked += 1
        said = [_find(found, fact.path.split(".")) for found in facts.get((fact.provider, fact.external_id), ())]
        said = [values for values in said if values]
        if not said:
            report.problems.append(f"{fact.title}: {fact.provider} says nothing about {fact.path}")
        wrong = [values for values in said if fact.value not in values]
        shown = dict.fromkeys(
            f"{fact.title}: {fact.provider} {fact.path} is {values}, not {fact.value!r}" for values in wrong
        )
        report.problems.extend(shown)
    report.checked_titles = len({fact.title for fact in known})


def _find(value: Any, path: Sequence[str]) -> list[Any]:
    """What stands at the end of a path; through a list of objects it leads to each of them."""
    if not path:
        return [] if value is None else [value]
    if isinstance(value, list):
        return [found for item in value for found in _find(item, path)]
    return _find(value.get(path[0]), path[1:]) if isinstance(value, Mapping) else []
