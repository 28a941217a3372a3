"""Titles while typing: answered from memory."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from api.conditional import answer_conditionally
from api.schemas.base import Problem
from api.schemas.suggesting import SuggestQuery, SuggestResponse
from core.errors import InvalidInputError
from core.text import find_text_fault, normalise_query
from search.names.keeper import NameIndexKeeper
from search.names.match import Suggestion

_TAG = Tag(name="suggest", description="Titles while typing")
_PROBLEMS = {422: Problem, 503: Problem}
# Somebody who types and deletes asks the same again within seconds.
_MAX_AGE_S = 30

_SUGGEST = "Titles with a name that is, begins with, or nearly begins with what was typed, in any of their languages."


def build_blueprint(names: NameIndexKeeper) -> Any:
    """The route /api/v1/suggest."""
    blueprint = APIBlueprint("suggest", __name__, url_prefix="/api/v1", abp_tags=[_TAG], abp_responses=_PROBLEMS)

    def suggest(query: SuggestQuery) -> Response:
        text = _check_text(query.q)
        found = names.require().index.suggest(text, limit=query.limit, include_adult=query.include_adult)
        body = orjson.dumps({"suggestions": [_show(one) for one in found]})
        return answer_conditionally(body, max_age_s=_MAX_AGE_S)

    blueprint.get("/suggest", responses={200: SuggestResponse}, summary="Titles while typing", description=_SUGGEST)(
        suggest
    )
    return blueprint


def _check_text(text: str) -> str:
    if fault := find_text_fault(text):
        raise InvalidInputError("q", fault)
    normalised = normalise_query(text)
    if not normalised:
        raise InvalidInputError("q", "is empty")
    return normalised


def _show(suggestion: Suggestion) -> dict[str, Any]:
    return {
        "id": suggestion.slug,
        "title": suggestion.title,
        "matched": suggestion.matched,
        "type": suggestion.type,
        "year": suggestion.year,
        "kind": suggestion.kind,
    }
