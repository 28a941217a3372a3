"""What merging has learned of its sources: how often each is right, by field, and who copies from whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final

import orjson

from core.errors import InvalidInputError
from enrichment.merging.rules import BELIEFS, get_rule, is_declared_copy

_FORM: Final = 1
_DEFAULT_FILE: Final = "default_model.json"
_COPIED: Final = 0.8
_COPIED_BY_CHANCE: Final = 0.1
# Nobody is believed or doubted beyond this.
_CERTAINTY: Final = 0.995
_DIGITS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceQuality:
    """One source in one field.

    accuracy    its word is right so often
    left_out    of lists: it lists something and leaves a true element out
    added       of lists: it has an element that is not true
    seen        on so many titles it could be compared
    confusion   of labels: {true label: {what it says then: how often}}
    label_left_out  of lists of labels: left_out of the frequent labels, for no site has all of them
    """

    accuracy: float
    left_out: float = 0.5
    added: float = 0.1
    seen: float = 0.0
    confusion: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    label_left_out: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldModel:
    """One field.

    change, change_airing  changes of a value a year, of finished titles and of others
    labels   of labels: how frequent each is
    truth    of lists: how many of the elements that anybody names are true
    sources  what is known of each
    copies   {'a|b', names in order: how many of the errors of one are the other's too}
    odds_weight  where two sources contradict each other, what the log-odds between them are worth; 1 is what they say
    in_conflict  {source: how much more its word is worth there, in log-odds}
    """

    change: float
    change_airing: float
    labels: Mapping[str, float] = field(default_factory=dict)
    truth: float = 0.7
    sources: Mapping[str, SourceQuality] = field(default_factory=dict)
    copies: Mapping[str, float] = field(default_factory=dict)
    odds_weight: float = 1.0
    in_conflict: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class MergeModel:
    """Fields by name. What was never learned has the beliefs of `rules`."""

    fields: Mapping[str, FieldModel] = field(default_factory=dict)
    titles: int = 0

    @staticmethod
    def default() -> MergeModel:
        """As learned from real snapshots (`avs eval merge --learn`); comes with the package."""
        return _load_default()

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> MergeModel:
        """Of what `to_json` gave. Raises InvalidInputError for another form."""
        try:
            if value["form"] != _FORM:
                raise InvalidInputError("model", f"form {value['form']} is not {_FORM}")
            fields = {name: _read_field(one) for name, one in value["fields"].items()}
            return MergeModel(fields, int(value["titles"]))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InvalidInputError("model", f"not a merge model: {type(error).__name__}: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """Rounded, in the order of names."""
        fields = {name: _write_field(one) for name, one in sorted(self.fields.items())}
        return {"form": _FORM, "titles": self.titles, "fields": fields}

    def get_field(self, name: str) -> FieldModel:
        """What is known of a field."""
        rule = get_rule(name)
        return self.fields.get(name) or FieldModel(change=rule.change, change_airing=rule.change_airing)

    def get_quality(self, name: str, source: str) -> SourceQuality:
        """What is known of a source in a field; of one that was never seen there, what the rules believe."""
        if known := self.get_field(name).sources.get(source):
            return known
        rule = get_rule(name)
        return SourceQuality(
            accuracy=BELIEFS.get(source, rule.accuracy), left_out=rule.absence[0], added=rule.absence[1]
        )

    def get_copied(self, name: str, source: str, other: str) -> float:
        """How much of what the two say alike is said once: 0 (independent) to 1 (copy)."""
        known = self.get_field(name).copies.get(pair_name(source, other))
        if known is not None:
            return known
        return believe_copied(source, other)


def pair_name(source: str, other: str) -> str:
    """'anilist|jikan'."""
    return "|".join(sorted((source, other)))


def believe_copied(source: str, other: str) -> float:
    """Before anything is learned."""
    return _COPIED if is_declared_copy(source, other) else _COPIED_BY_CHANCE


def clip(probability: float) -> float:
    """Away from certainty."""
    return min(max(probability, 1 - _CERTAINTY), _CERTAINTY)


@cache
def _load_default() -> MergeModel:
    return MergeModel.from_json(orjson.loads(files("enrichment.merging").joinpath(_DEFAULT_FILE).read_bytes()))


def _write_field(one: FieldModel) -> dict[str, Any]:
    return {
        "change": round(one.change, _DIGITS),
        "change_airing": round(one.change_airing, _DIGITS),
        "labels": _round(one.labels),
        "truth": round(one.truth, _DIGITS),
        "sources": {name: _write_quality(quality) for name, quality in sorted(one.sources.items())},
        "copies": _round(one.copies),
        "odds_weight": round(one.odds_weight, _DIGITS),
        "in_conflict": _round(one.in_conflict),
    }


def _write_quality(quality: SourceQuality) -> dict[str, Any]:
    return {
        "accuracy": round(quality.accuracy, _DIGITS),
        "left_out": round(quality.left_out, _DIGITS),
        "added": round(quality.added, _DIGITS),
        "seen": round(quality.seen, 1),
        "confusion": {label: _round(row) for label, row in sorted(quality.confusion.items())},
        "label_left_out": _round(quality.label_left_out),
    }


def _round(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, _DIGITS) for name, value in sorted(values.items())}


def _read_field(value: Mapping[str, Any]) -> FieldModel:
    known = dict(value)
    sources = {name: SourceQuality(**quality) for name, quality in known.pop("sources").items()}
    return FieldModel(sources=sources, **known)
