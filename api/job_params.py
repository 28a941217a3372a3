"""What a job may be asked to do: the checks between a request body and a row in Postgres."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from api.schemas.jobs import JobBody
from core.errors import InvalidInputError
from core.picture_lists import parse_listed
from core.providers import PROVIDER_LIMITS
from core.text import find_text_fault

_DEPTH_MAX = 32
# What each kind takes beside `kind`.
_FIELDS = {
    "index": ("ids",),
    "pictures": ("ids",),
    "download": ("ids", "urls", "refresh", "then_index"),
    "import": ("documents", "path", "then_enrich"),
    "enrich": ("ids", "providers", "stages", "stale", "refresh", "merge_only", "then_index"),
}
_OF_ASKING = ("providers", "stages", "stale", "refresh")


def build_params(
    body: JobBody, *, import_root: Path | None, why_not: Callable[[str], str | None] = lambda _: None
) -> dict[str, Any]:
    """The params of the job's row. Raises InvalidInputError that names the field.

    `why_not` tells why a provider of enrichment may not be asked, None if it may.
    """
    _refuse_others(body)
    if body.kind in ("index", "pictures"):
        return _build_ids(body)
    if body.kind == "download":
        return _build_download(body)
    if body.kind == "enrich":
        return _build_enrich(body, why_not)
    return _build_import(body, import_root=import_root)


def _build_ids(body: JobBody) -> dict[str, Any]:
    ids = list(dict.fromkeys(body.ids)) if body.ids else None
    check_texts(ids, "ids")
    return {} if ids is None else {"ids": ids}


def _build_download(body: JobBody) -> dict[str, Any]:
    if body.ids is not None and body.urls is not None:
        raise InvalidInputError("urls", "a download takes either ids or urls")
    params = _build_ids(body)
    if body.urls is not None:
        check_texts(body.urls, "urls")
        params["urls"] = [parse_listed(one, field=f"urls.{number}").to_json() for number, one in enumerate(body.urls)]
    flags = {"refresh": body.refresh, "then_index": body.then_index}
    return {**params, **{name: True for name, flag in flags.items() if flag}}


def _build_import(body: JobBody, *, import_root: Path | None) -> dict[str, Any]:
    if (body.documents is None) == (body.path is None):
        raise InvalidInputError("documents", "an import takes either documents or a path")
    then = {"then_enrich": True} if body.then_enrich else {}
    if body.path is not None:
        return {"path": _check_path(body.path, import_root), **then}
    check_texts(body.documents, "documents")
    return {"documents": body.documents, **then}


def _build_enrich(body: JobBody, why_not: Callable[[str], str | None]) -> dict[str, Any]:
    params = _build_ids(body)
    if body.merge_only:
        _refuse_asking(body)
        params["merge_only"] = True
    else:
        _check_providers(body.providers, why_not)
        if body.stale and body.refresh:
            raise InvalidInputError("stale", "has no meaning beside refresh, which asks again for everything")
        lists = {"providers": body.providers, "stages": body.stages}
        params.update({name: list(dict.fromkeys(value)) for name, value in lists.items() if value is not None})
        flags = {"stale": body.stale, "refresh": body.refresh}
        params.update({name: True for name, flag in flags.items() if flag})
    # An index job follows unless it is refused.
    return params if body.then_index is not False else {**params, "then_index": False}


def _refuse_asking(body: JobBody) -> None:
    for name in _OF_ASKING:
        if getattr(body, name):
            raise InvalidInputError(name, "has no meaning beside merge_only, which asks nobody")


def _check_providers(named: Sequence[str] | None, why_not: Callable[[str], str | None]) -> None:
    if named is None:
        if all(why_not(name) is not None for name in PROVIDER_LIMITS):
            raise InvalidInputError("kind", f"no provider is configured ({why_not('anilist')}, for example)")
        return
    for place, name in enumerate(named):
        if (reason := why_not(name)) is not None:
            raise InvalidInputError(f"providers.{place}", f"{name} is not configured: {reason}")


def _refuse_others(body: JobBody) -> None:
    for name in type(body).model_fields:
        if name not in ("kind", *_FIELDS[body.kind]) and getattr(body, name) is not None:
            raise InvalidInputError(name, f"has no meaning for a job of kind {body.kind}")


def _check_path(given: str, import_root: Path | None) -> str:
    if import_root is None:
        raise InvalidInputError("path", "reading files is turned off: IMPORT_ROOT is not set")
    if fault := find_text_fault(given):
        raise InvalidInputError("path", fault)
    root = import_root.resolve()
    path = (root / given).resolve()
    if not path.is_relative_to(root):
        raise InvalidInputError("path", "must lie under IMPORT_ROOT")
    if not path.is_file():
        raise InvalidInputError("path", "is not a file under IMPORT_ROOT")
    return str(path.relative_to(root))


def check_texts(value: Any, where: str) -> None:
    """Postgres keeps neither NUL nor lone surrogates, so one of them would fail the whole row."""
    for place, text, depth in _walk(value, where):
        if depth > _DEPTH_MAX:
            raise InvalidInputError(place, f"is nested deeper than {_DEPTH_MAX} levels")
        if fault := find_text_fault(text):
            raise InvalidInputError(place, fault)


def _walk(value: Any, where: str) -> Iterator[tuple[str, str, int]]:
    """(dotted path, text, depth) of every text and every name; a place that is too deep is not entered."""
    waiting: list[tuple[str, Any, int]] = [(where, value, 0)]
    while waiting:
        place, item, depth = waiting.pop()
        if isinstance(item, str):
            yield place, item, depth
        elif depth > _DEPTH_MAX:
            yield place, "", depth
        elif isinstance(item, dict):
            for name, inner in item.items():
                yield place, name, depth
                waiting.append((f"{place}.{name}"[:200], inner, depth + 1))
        elif isinstance(item, list):
            waiting.extend((f"{place}.{index}", inner, depth + 1) for index, inner in enumerate(item))
