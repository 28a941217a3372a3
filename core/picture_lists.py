"""Pictures that somebody lists: an address, or an object with an address and what is to be known of the picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from core.errors import InvalidInputError
from core.text import find_text_fault

URL_MAX_CHARS: Final = 4_096
ID_MAX_CHARS: Final = 200
TAGS_MAX: Final = 100
METADATA_MAX_BYTES: Final = 10_000
_LINE_MAX_BYTES: Final = 100_000
_FIELDS: Final = frozenset({"url", "id", "tags", "metadata", "title", "adult"})


@dataclass(frozen=True, slots=True)
class ListedPicture:
    """A picture to be fetched. `id` is the lister's own, `title` a slug or provider:id; both may be missing."""

    url: str
    id: str | None = None
    title: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    adult: bool = False

    def to_json(self) -> dict[str, Any]:
        """As `parse_listed` reads it; what has its default is left out."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: list(value) if name == "tags" else value for name, value in values.items() if value}


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line of a list that was passed over, and why; lines count from 1."""

    line: int
    reason: str


def read_list(lines: Iterable[bytes]) -> Iterator[tuple[int, ListedPicture] | BadLine]:
    """The pictures of a list with their line numbers: a URL or a JSON object a line; blank lines and # are skipped."""
    for number, line in enumerate(lines, start=1):
        given = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip()
        if not given or given.startswith(b"#"):
            continue
        try:
            yield number, _parse_line(given)
        except InvalidInputError as error:
            yield BadLine(number, str(error))


def parse_listed(value: Any, *, field: str = "urls") -> ListedPicture:
    """A URL, or an object {url, id, tags, metadata, title, adult}. Raises InvalidInputError that names the field."""
    if isinstance(value, str):
        return ListedPicture(check_url(value, field=field))
    if not isinstance(value, dict):
        raise InvalidInputError(field, "must be a URL or an object with a url")
    if unknown := set(value) - _FIELDS:
        raise InvalidInputError(f"{field}.{min(unknown)}", f"is not known; known are {', '.join(sorted(_FIELDS))}")
    adult = value.get("adult", False)
    if not isinstance(adult, bool):
        raise InvalidInputError(f"{field}.adult", "must be true or false")
    return ListedPicture(
        url=check_url(value.get("url"), field=f"{field}.url"),
        id=_check_text(value.get("id"), field=f"{field}.id"),
        title=_check_text(value.get("title"), field=f"{field}.title"),
        tags=_check_tags(value.get("tags", []), field=f"{field}.tags"),
        metadata=_check_metadata(value.get("metadata", {}), field=f"{field}.metadata"),
        adult=adult,
    )


def check_url(value: Any, *, field: str) -> str:
    """An http or https address of a host, as it was given. Raises InvalidInputError that names the field.

    Whether the host may be asked at all is found out when it is: a name's addresses change.
    """
    if not isinstance(value, str) or not value:
        raise InvalidInputError(field, "must be a URL")
    if len(value) > URL_MAX_CHARS:
        raise InvalidInputError(field, f"is longer than {URL_MAX_CHARS} characters")
    if fault := find_text_fault(value):
        raise InvalidInputError(field, fault)
    if any(character.isspace() for character in value):
        raise InvalidInputError(field, "must hold no white space")
    try:
        parts = urlsplit(value)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        raise InvalidInputError(field, f"is not a URL: {error}") from error
    if parts.scheme.lower() not in ("http", "https") or not host:
        raise InvalidInputError(field, "must be an http or https URL with a host")
    return value


def _parse_line(given: bytes) -> ListedPicture:
    if len(given) > _LINE_MAX_BYTES:
        raise InvalidInputError("line", f"is longer than {_LINE_MAX_BYTES} bytes")
    if not given.startswith(b"{"):
        try:
            return parse_listed(given.decode(), field="url")
        except UnicodeDecodeError as error:
            raise InvalidInputError("line", "is not UTF-8") from error
    try:
        value = orjson.loads(given)
    except orjson.JSONDecodeError as error:
        raise InvalidInputError("line", f"is not JSON: {error}") from error
    return parse_listed(value, field="line")


def _check_text(value: Any, *, field: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= ID_MAX_CHARS:
        raise InvalidInputError(field, f"must be a text of 1 to {ID_MAX_CHARS} characters")
    if fault := find_text_fault(value):
        raise InvalidInputError(field, fault)
    return value


def _check_tags(value: Any, *, field: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > TAGS_MAX:
        raise InvalidInputError(field, f"must be a list of at most {TAGS_MAX} texts")
    tags = [_check_text(tag, field=f"{field}.{number}") for number, tag in enumerate(value)]
    if None in tags:
        raise InvalidInputError(field, "must be a list of texts")
    return tuple(tag for tag in tags if tag is not None)


def _check_metadata(value: Any, *, field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInputError(field, "must be an object")
    try:
        encoded = orjson.dumps(value)
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise InvalidInputError(field, f"cannot be stored: {error}") from error
    if len(encoded) > METADATA_MAX_BYTES:
        raise InvalidInputError(field, f"is larger than {METADATA_MAX_BYTES} bytes")
    # Postgres keeps no NUL, wherever in the object it stands.
    if b"\\u0000" in encoded:
        raise InvalidInputError(field, "holds the control character U+0000")
    return value
