"""What a person says of a title: one field's value, checked like a document's before it is kept."""

from __future__ import annotations

from typing import Any, Final

from pydantic import ValidationError

from core.document import AnimeDocument
from core.errors import InvalidInputError

# An id says which title this is, and is changed by linking; the rest is a fact about it.
_BY_LINKING: Final = "external_ids"
OVERRIDABLE_FIELDS: Final = tuple(name for name in AnimeDocument.model_fields if name != _BY_LINKING)
NOTE_MAX_CHARS: Final = 500


def check_field(field: str) -> str:
    """The field, if a person may decide it. Raises InvalidInputError."""
    if field == _BY_LINKING:
        raise InvalidInputError("field", f"{field} says which title this is: link it instead")
    if field not in OVERRIDABLE_FIELDS:
        raise InvalidInputError("field", f"{field[:80]!r} is no field of a title")
    return field


def check_value(field: str, value: Any) -> Any:
    """The value in the document's own form; None: the field shall be empty.

    Raises InvalidInputError that names the field, and the place within it, for anything else.
    """
    check_field(field)
    if value is None:
        if field == "title":
            raise InvalidInputError("value", "title: a title has a name")
        return None
    try:
        document = AnimeDocument.model_validate({"title": "x", field: value})
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part)[:80] for part in fault["loc"]) or field
        raise InvalidInputError("value", f"{place}: {fault['msg'].removeprefix('Value error, ')}") from None
    dumped = document.to_json()
    if field not in dumped:
        raise InvalidInputError("value", f"{field}: is blank; null makes the field empty")
    return dumped[field]
