"""Reading JSON whose form is somebody else's: wrong types become faults with their path, never exceptions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from enrichment.providers.base import Answer, Fault, ShapeChangedError


def load_json(provider: str, answer: Answer) -> Any:
    """The body as JSON values. Raises ShapeChangedError for what is none: wrong encodings, nesting without end."""
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        raise ShapeChangedError(provider, "$", f"is no JSON: {error}") from error


@dataclass(frozen=True, slots=True)
class JsonReader:
    """One value of an answer, and where it stood. All readers of one answer share `faults`.

    A member that is null, or is not there, reads as nothing; one of another type than the known one is a fault of the
    answer's shape, and reads as nothing, too.
    """

    value: Any
    path: str = "$"
    faults: list[Fault] = field(default_factory=list)

    def get(self, *names: str) -> JsonReader:
        """The member below these names."""
        reader = self
        for name in names:
            known = reader._as_type(dict, "an object") or {}
            reader = JsonReader(known.get(name), f"{reader.path}.{name}", self.faults)
        return reader

    def need(self, name: str) -> JsonReader:
        """The member of this name; a fault of the shape if the object does not even name it."""
        known = self._as_type(dict, "an object")
        if known is not None and name not in known:
            self.note(f"{self.path}.{name}", "is not there")
        return self.get(name)

    def items(self) -> list[JsonReader]:
        """The members of a list; none for null."""
        known = self._as_type(list, "a list") or []
        return [JsonReader(item, f"{self.path}[{index}]", self.faults) for index, item in enumerate(known)]

    def members(self) -> Iterator[tuple[str, JsonReader]]:
        """Names and values of an object; none for null."""
        for name in self._as_type(dict, "an object") or {}:
            yield name, self.get(name)

    def text(self) -> str | None:
        """A text that says something. Numbers read as their digits: ids come in both forms."""
        if isinstance(self.value, int | float) and not isinstance(self.value, bool):
            return str(self.value)
        known = self._as_type(str, "a text")
        return known.strip() or None if known is not None else None

    def number(self) -> float | None:
        """A number, also one written as a text."""
        if isinstance(self.value, int | float) and not isinstance(self.value, bool):
            return self.value
        text = self._as_type(str, "a number")
        if text is None or not text.strip():
            return None
        try:
            return float(text)
        except ValueError:
            self.note(self.path, "is no number")
            return None

    def integer(self) -> int | None:
        """A whole number; a fault where it has a fraction or no end."""
        number = self.number()
        if number is None or isinstance(number, int):
            return number
        if not number.is_integer():
            self.note(self.path, "is no whole number")
            return None
        return int(number)

    def flag(self) -> bool:
        """True only for true."""
        return self._as_type(bool, "true or false") or False

    def note(self, path: str, problem: str) -> None:
        """One fault of the shape, told once."""
        fault = Fault(path, problem, "shape")
        if fault not in self.faults:
            self.faults.append(fault)

    def _as_type(self, known: type, name: str) -> Any:
        if self.value is None or isinstance(self.value, known):
            return self.value
        self.note(self.path, f"is not {name}")
        return None
