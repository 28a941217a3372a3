"""Where titles are at providers, as a person says it: names of providers and ids of the right form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from core.enrichment import ID_SPACES
from core.errors import InvalidInputError

LINK_PROVIDERS: Final = tuple(ID_SPACES)
EXTERNAL_ID_CHARS: Final = 200
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,11}"), "must be a number above 0"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]*"), "must be the name in the page's address: a-z, 0-9 and -"
_FORMS: Final[Mapping[str, tuple[re.Pattern[str], str]]] = {"anime-planet": _NAME, "animeschedule": _NAME}


def check_provider(name: str, *, field: str = "provider") -> str:
    """The name of a provider. Raises InvalidInputError."""
    if name not in ID_SPACES:
        raise InvalidInputError(field, f"{name!r} is none of {', '.join(LINK_PROVIDERS)}")
    return name


def check_external_id(provider: str, text: str, *, field: str = "external_id") -> str:
    """An id in the form that the provider gives them. Raises InvalidInputError."""
    form, reason = _FORMS.get(provider, _NUMBER)
    if len(text) > EXTERNAL_ID_CHARS or not form.fullmatch(text):
        raise InvalidInputError(field, f"{reason} (of {provider})")
    return text
