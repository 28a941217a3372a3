"""What is believed of a model's answer: its form, and that its words come from the texts that it was given. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from core.text import clean_text
from enrichment.cleaning import clean_html

_MIN_CHARS: Final = 80
_MAX_CHARS: Final = 2_500
_WORD: Final = re.compile(r"[^\W\d_]{5,}")
_NUMBER: Final = re.compile(r"\d+")
# A name: begins with a capital in the middle of a sentence.
_NAME: Final = re.compile(r"(?<=[\w,;'’\"”)] )[A-Z][\w'’-]{2,}")
_ADDRESS: Final = re.compile(r"https?:|www\.|[\w.]+@[\w.]+", re.IGNORECASE)
# Words of one stem begin alike; a model may put the facts into words of its own, but not most of them.
_STEM_CHARS: Final = 5
_MIN_KNOWN: Final = 0.6


ModelT = TypeVar("ModelT", bound=BaseModel)


class BadAnswerError(ValueError):
    """The answer is of no use; the message says why, without the model's own words."""


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    synopsis: str = Field(min_length=_MIN_CHARS, max_length=_MAX_CHARS)


class _Message(BaseModel):
    content: str


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)


def read_answer(body: bytes, texts: Mapping[str, str]) -> str:
    """The synopsis of a chat completion about these texts. Raises BadAnswerError."""
    choice = _parse(_Completion, body, "completion").choices[0]
    if choice.finish_reason not in (None, "stop"):
        raise BadAnswerError("the answer was cut off or refused")
    answer = _parse(_Answer, choice.message.content.encode("utf-8", "replace"), "answer")
    try:
        synopsis = clean_text(clean_html(answer.synopsis))
    except ValueError as error:
        raise BadAnswerError("the synopsis is no text that can be stored") from error
    _check(synopsis, list(texts.values()))
    return synopsis


def _parse(kind: type[ModelT], body: bytes, name: str) -> ModelT:
    try:
        return kind.model_validate(from_json(body))
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors(include_url=False, include_input=False)[0]["loc"])
        raise BadAnswerError(f"the {name} has not the form that was asked for: {place or 'not an object'}") from error
    except ValueError as error:
        raise BadAnswerError(f"the {name} is not JSON") from error


def _check(synopsis: str, texts: Iterable[str]) -> None:
    source = " ".join(texts)
    if len(synopsis) < _MIN_CHARS:
        raise BadAnswerError("the synopsis is too short")
    if _ADDRESS.search(synopsis):
        raise BadAnswerError("the synopsis has an address in it")
    if unknown := set(_NUMBER.findall(synopsis)) - set(_NUMBER.findall(source)):
        raise BadAnswerError(f"{len(unknown)} numbers stand in none of the texts")
    folded = source.casefold()
    if unknown := {name for name in _NAME.findall(synopsis) if name.casefold().rstrip("'’s") not in folded}:
        raise BadAnswerError(f"{len(unknown)} names stand in none of the texts")
    words = [word.casefold() for word in _WORD.findall(synopsis)]
    stems = {word.casefold()[:_STEM_CHARS] for word in _WORD.findall(source)}
    known = sum(word[:_STEM_CHARS] in stems for word in words)
    if not words or known / len(words) < _MIN_KNOWN:
        raise BadAnswerError("most of its words stand in none of the texts")
