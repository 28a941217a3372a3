"""What `filters` may hold, for readers and for machines. `search.filters` is what reads and checks it.

None of these models is ever filled: they exist for their JSON schemas, made from the same table of fields as the index.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, RootModel, create_model
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from api.schemas.base import CONTROLS
from core.fields import INDEXED_FIELDS, FieldKind, IndexedField
from search.filters import INTEGER_MAX, VALUE_MAX_CHARS, VALUES_MAX
from search.pictures.fields import PICTURES

# No control characters but white space (see `core.text`), and something besides it.
TEXT_PATTERN = rf"^[^{CONTROLS}]*[^\s{CONTROLS}][^{CONTROLS}]*$"
_EXAMPLE: dict[str, Any] = {
    "genres": {"all": ["action", "drama"]},
    "year": {"gte": 2010, "lt": 2020},
    "must_not": {"type": "MOVIE"},
}


def _describe_exact(value: dict[str, Any]) -> list[dict[str, Any]]:
    """One value, any of several, or all of several."""
    several = {"type": "array", "items": value, "minItems": 1, "maxItems": VALUES_MAX}
    named = [
        {"type": "object", "properties": {name: several}, "required": [name], "additionalProperties": False}
        for name in ("any", "all")
    ]
    return [value, several, *named]


def _describe_range(value: dict[str, Any]) -> dict[str, Any]:
    """At least one bound."""
    bounds = dict.fromkeys(("gt", "gte", "lt", "lte"), value)
    return {"type": "object", "properties": bounds, "minProperties": 1, "additionalProperties": False}


_TEXT = {"type": "string", "minLength": 1, "maxLength": VALUE_MAX_CHARS, "pattern": TEXT_PATTERN}
_INTEGER = {"type": "integer", "minimum": -INTEGER_MAX, "maximum": INTEGER_MAX}
_NUMBER = {"type": "number", "minimum": -INTEGER_MAX, "maximum": INTEGER_MAX}
_DATE = {
    "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}],
    "description": "Such as 2013-04-07 or 2013-04-07T12:00:00Z.",
}


def _describe(kinds: list[dict[str, Any]]) -> ConfigDict:
    def fill(schema: dict[str, Any]) -> None:
        schema.pop("title", None)
        schema.update({"anyOf": kinds} if len(kinds) > 1 else kinds[0])

    return ConfigDict(json_schema_extra=fill)


def _forget(schema: dict[str, Any]) -> None:
    """A condition that is not wanted is left out: there is no default, and null is refused."""
    schema.pop("default", None)
    schema.pop("title", None)


class TextCondition(RootModel[Any]):
    """Is this text, is one of these, or has all of these. Names, genres and ratings without regard to case."""

    model_config = _describe(_describe_exact(_TEXT))


class IntegerCondition(RootModel[Any]):
    """Is this number, is one of these, or lies in a range."""

    model_config = _describe([*_describe_exact(_INTEGER), _describe_range(_NUMBER)])


class NumberCondition(RootModel[Any]):
    """Is this number, or lies in a range."""

    model_config = _describe([_NUMBER, _describe_range(_NUMBER)])


class DateCondition(RootModel[Any]):
    """Is this moment, or lies in a range."""

    model_config = _describe([_DATE, _describe_range(_DATE)])


class TruthCondition(RootModel[Any]):
    """Is true, or is false."""

    model_config = _describe([{"type": "boolean"}])


_MODELS: dict[FieldKind, type[BaseModel]] = {
    FieldKind.KEYWORD: TextCondition,
    FieldKind.INTEGER: IntegerCondition,
    FieldKind.FLOAT: NumberCondition,
    FieldKind.DATETIME: DateCondition,
    FieldKind.BOOL: TruthCondition,
}


class _Entries(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _list_conditions(fields: Iterable[IndexedField]) -> dict[str, Any]:
    return {field.name: (_MODELS[field.kind], Field(None, json_schema_extra=_forget)) for field in fields}


FilterConditions = create_model(
    "FilterConditions", __base__=_Entries, __doc__="Conditions by field.", **_list_conditions(INDEXED_FIELDS)
)
PictureConditions = create_model(
    "PictureConditions",
    __base__=_Entries,
    __doc__="Conditions on pictures by field.",
    **_list_conditions(PICTURES.by_name.values()),
)


class Filters(FilterConditions):
    """Conditions on the fields of a title; those at the top level count as `must`."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    must: FilterConditions = Field(FilterConditions(), description="All of these hold.", json_schema_extra=_forget)
    should: FilterConditions = Field(
        FilterConditions(), description="At least one of these holds.", json_schema_extra=_forget
    )
    must_not: FilterConditions = Field(
        FilterConditions(), description="None of these holds.", json_schema_extra=_forget
    )


class PictureFilters(PictureConditions):
    """Conditions on the fields of a picture; those at the top level count as `must`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "cover", "width": {"gte": 300}}]})

    must: PictureConditions = Field(PictureConditions(), description="All of these hold.", json_schema_extra=_forget)
    should: PictureConditions = Field(
        PictureConditions(), description="At least one of these holds.", json_schema_extra=_forget
    )
    must_not: PictureConditions = Field(
        PictureConditions(), description="None of these holds.", json_schema_extra=_forget
    )


class _AsEither:
    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(model.__pydantic_core_schema__) for model in (Filters, PictureFilters)]}


class _AsFilters:
    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(Filters.__pydantic_core_schema__)


FiltersField = Annotated[dict[str, Any], _AsFilters()]
# Which of the two is meant, `target` says.
TargetFiltersField = Annotated[dict[str, Any], _AsEither()]
