"""Checks on parsed JSON. Every message names the place and the reason."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any, TypeVar
from uuid import UUID

from embedded.qdrant.errors import BadRequestError, NotServedError

Json = dict[str, Any]
Id = int | UUID | str
NOTHING: frozenset[str] = frozenset()
_Choice = TypeVar("_Choice")
_MAX_ID = 2**64


def as_object(value: Any, allowed: AbstractSet[str], *, what: str, unserved: AbstractSet[str] = NOTHING) -> Json:
    """Return `value` as an object with no field outside `allowed`; a field of `unserved` is a 501."""
    if not isinstance(value, dict):
        raise BadRequestError(f"{what}: expected an object, got {type(value).__name__}")
    if value.keys() <= allowed:
        return value
    for key in value.keys() - allowed:
        if key not in unserved:
            raise BadRequestError(f"{what}: unknown field `{key}`")
        if value[key] is not None:
            raise NotServedError(f"`{key}` in {what}")
    return value


def as_named(value: Any, *, what: str) -> Json:
    """Return an object whose keys are free; null is an empty one."""
    if value is None or isinstance(value, dict):
        return value or {}
    raise BadRequestError(f"{what}: expected an object, got {type(value).__name__}")


def need(body: Json, key: str, *, what: str) -> Any:
    """Return the value of a field that must be there."""
    value = body.get(key)
    if value is None:
        raise BadRequestError(f"{what}: missing field `{key}`")
    return value


def as_list(value: Any, *, what: str) -> list[Any]:
    """Return `value`, which must be a list."""
    if not isinstance(value, list):
        raise BadRequestError(f"{what}: expected a list, got {type(value).__name__}")
    return value


def as_strings(value: Any, *, what: str) -> list[str]:
    """Return `value`, which must be a list of strings."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadRequestError(f"{what}: expected a list of strings")
    return value


def as_string(value: Any, *, what: str) -> str:
    """Return `value`, which must be a string."""
    if not isinstance(value, str):
        raise BadRequestError(f"{what}: expected a string, got {type(value).__name__}")
    return value


def as_bool(value: Any, *, what: str) -> bool:
    """Return `value`, which must be true or false."""
    if not isinstance(value, bool):
        raise BadRequestError(f"{what}: expected true or false")
    return value


def as_int(value: Any, *, what: str, default: int | None = None, least: int = 0) -> int:
    """Return `value` as a whole number of at least `least`; absent means `default`."""
    if value is None and default is not None:
        return default
    if type(value) is not int or not least <= value < _MAX_ID:
        raise BadRequestError(f"{what}: expected a whole number of at least {least}, got {value!r}")
    return value


def as_number(value: Any, *, what: str) -> float:
    """Return `value`, which must be a number."""
    if type(value) is not float and type(value) is not int:
        raise BadRequestError(f"{what}: expected a number, got {value!r}")
    return value


def as_id(value: Any) -> Id:
    """Return a point id: an unsigned 64-bit number, or a string the engine reads as a UUID."""
    if isinstance(value, str) or (type(value) is int and 0 <= value < _MAX_ID):
        return value
    raise BadRequestError(f"point id: expected an unsigned number or a UUID, got {value!r}")


def as_ids(value: Any, *, what: str) -> list[Id]:
    """Return a list of point ids."""
    return [as_id(item) for item in as_list(value, what=what)]


def choose(value: Any, choices: dict[str, _Choice], *, what: str) -> _Choice:
    """Return the engine's member for a protocol word."""
    if isinstance(value, str) and value in choices:
        return choices[value]
    raise BadRequestError(f"{what}: expected one of {', '.join(choices)}, got {value!r}")


def only_key(body: Any, choices: AbstractSet[str], *, what: str) -> str:
    """Return the single field of `body` that is not null; it must be one of `choices`."""
    keys = [key for key, value in as_object(body, choices, what=what).items() if value is not None]
    if len(keys) != 1:
        raise BadRequestError(f"{what}: expected exactly one of {', '.join(sorted(choices))}, got {keys}")
    return keys[0]
