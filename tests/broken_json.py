"""Answers that are nearly right: one value of a good one turned into something else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def break_one(whole: Any) -> st.SearchStrategy[Any]:
    """The value with any one of its members, or the whole, replaced by any JSON."""
    paths = _list_paths(whole)
    return st.builds(lambda path, other: _replace(whole, path, other), st.sampled_from(paths), ANY_JSON)


def _list_paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, Mapping):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(found for name, item in inner for found in _list_paths(item, (*path, name)))]


def _replace(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    if not path:
        return other
    name, *rest = path
    if isinstance(value, list):
        return [_replace(item, tuple(rest), other) if index == name else item for index, item in enumerate(value)]
    return {key: _replace(item, tuple(rest), other) if key == name else item for key, item in value.items()}
