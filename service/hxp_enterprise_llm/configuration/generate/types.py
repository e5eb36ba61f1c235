"""Names of types: as people read them, and as Ansible's argument specs write them."""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from hxp_enterprise_llm.configuration.fields import is_secret, unit_of

_PLAIN = {int: "whole number", float: "number", bool: "true or false", str: "text", date: "date"}
_ANSIBLE = {int: "int", float: "float", bool: "bool", str: "str", date: "str"}


def described(key: str, field: FieldInfo) -> str:
    """Return the type of a field in words."""
    if is_secret(field):
        return "reference"
    unit = unit_of(key, field)
    if unit == "bytes":
        return "size"
    if unit == "seconds":
        return "duration"
    return in_words(field.annotation)


def in_words(annotation: Any) -> str:
    """Return a type in words: `list of text`, `one of cpu, cuda`."""
    annotation = _choices_of(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return in_words(arguments[0])
    if origin in {Union, types.UnionType}:
        parts = [in_words(part) for part in arguments if part is not type(None)]
        return " or ".join(dict.fromkeys(parts))
    if origin is Literal:
        values = ", ".join(_value(value) for value in arguments)
        return values if len(arguments) == 1 else f"one of {values}"
    if origin in {tuple, list}:
        return f"list of {in_words(arguments[0])}"
    if origin is dict:
        return f"map of {in_words(arguments[1])}"
    return _PLAIN.get(annotation, "section")


def ansible(field: FieldInfo) -> dict[str, Any]:
    """Return the `type`, `elements`, `choices` and `options` of a field for an argument spec."""
    return _ansible(field.annotation)


def _ansible(annotation: Any) -> dict[str, Any]:
    annotation = _choices_of(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _ansible(arguments[0])
    if origin in {Union, types.UnionType}:
        parts = [part for part in arguments if part is not type(None)]
        return _ansible(parts[0]) if len(parts) == 1 else {"type": "raw"}
    if origin is Literal:
        kinds = {type(value) for value in arguments}
        kind = _ANSIBLE.get(kinds.pop(), "raw") if len(kinds) == 1 else "raw"
        return {"type": kind, "choices": list(arguments)}
    if origin in {tuple, list}:
        below = _ansible(arguments[0])
        return {"type": "list", "elements": below.pop("type"), **below}
    if origin is dict or origin is Mapping:
        return {"type": "dict"}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {"type": "dict", "options": options(annotation)}
    return {"type": _ANSIBLE.get(annotation, "raw")}


def _choices_of(annotation: Any) -> Any:
    """Return an enumeration of texts as the choices that a file may write; all else as it is."""
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return Literal[tuple(item.value for item in annotation)]
    return annotation


def options(model: type[BaseModel]) -> dict[str, Any]:
    """Return the options of a model, by the names that its dump has."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        spec = _ansible(field.annotation)
        if field.is_required():
            spec["required"] = not _nullable(field)
        spec["description"] = meaning_of(model, name)
        found[name] = spec
    return found


def meaning_of(model: type[BaseModel], name: str) -> str:
    """Return the description of a field, its own or that of the model it was inherited from."""
    for base in model.__mro__:
        field = base.model_fields.get(name) if issubclass(base, BaseModel) else None
        if field is not None and field.description:
            return field.description
    return name.replace("_", " ").capitalize() + "."


def default_of(field: FieldInfo) -> Any:
    """Return a field's default as plain data; `PydanticUndefined` when it has none."""
    if field.is_required():
        return PydanticUndefined
    value = field.get_default(call_default_factory=True, validated_data={})
    return plain(value)


def plain(value: Any) -> Any:
    """Return plain data for models, tuples and maps."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def _nullable(field: FieldInfo) -> bool:
    return type(None) in get_args(field.annotation)


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
