"""JSON in both directions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from datetime import date
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from client.problems import UnexpectedAnswerError

ValueT = TypeVar("ValueT", bound=BaseModel)


def parse_value(body: bytes, kind: type[ValueT], *, name: str) -> ValueT:
    """The value that a body stands for. Raises UnexpectedAnswerError, which names the request by `name`."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        path = ".".join(map(str, fault["loc"])) or "body"
        raise UnexpectedAnswerError(f"{name}: the answer is not understood: {path}: {fault['msg']}") from None


def build_body(body: Mapping[str, Any]) -> bytes:
    """A request's body. Raises ValueError for a number that is not finite, TypeError for what is no JSON."""
    return json.dumps(dict(body), default=_to_plain, allow_nan=False, separators=(",", ":")).encode()


def build_params(params: Mapping[str, Any]) -> dict[str, str]:
    """An address line's values: what is None is left out, a list is joined by commas."""
    return {name: _to_text(value) for name, value in params.items() if value is not None}


def _to_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(str, value))
    return str(value)


def _to_plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (Set, Sequence)) and not isinstance(value, (bytes, bytearray, memoryview)):
        return list(value)
    raise TypeError(f"{type(value).__name__} is no JSON")
