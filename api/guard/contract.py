"""What the guard adds to the OpenAPI document: how to send a key, which role a route needs, and how it may refuse."""

from __future__ import annotations

import copy
import re
from typing import Any

from api.guard.access import get_least_role

_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, `avs_...`"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key, `avs_...`"},
}
_METHODS = ("get", "post", "put", "patch", "delete")
_REFUSALS = {
    "401": "A valid key is needed",
    "403": "The key's role does not allow this",
    "429": "The limit or the month's quota is used up",
    "503": "A server that is needed does not answer",
}
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_PARAMETER = re.compile(r"\{([^}]+)\}")


def describe_guard(document: dict[str, Any], *, is_open: bool) -> dict[str, Any]:
    """A copy of the document with keys, least roles and refusals in it; `is_open`: no key is needed."""
    described = copy.deepcopy(document)
    described.setdefault("components", {})["securitySchemes"] = copy.deepcopy(_SCHEMES)
    for path, item in described["paths"].items():
        for method in _METHODS:
            if method in item:
                _describe_operation(
                    item[method], method=method.upper(), rule=_PARAMETER.sub(r"<\1>", path), is_open=is_open
                )
    return described


def _describe_operation(operation: dict[str, Any], *, method: str, rule: str, is_open: bool) -> None:
    least = get_least_role(method, rule)
    if least is None:
        return
    # A service that is open to its own machine takes requests without a key, too.
    operation["security"] = [{"bearer": []}, {"header": []}, *([{}] if is_open else [])]
    operation["x-least-role"] = least.value
    for status, text in _REFUSALS.items():
        operation["responses"].setdefault(status, {"description": text, "content": _PROBLEM})
