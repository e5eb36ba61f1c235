"""Looks up what the models say about a key: its field, its type, its neighbours."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hxp_enterprise_llm.configuration.diagnostics import KeyPath
from hxp_enterprise_llm.schemas.base import parse_bytes, parse_seconds
from hxp_enterprise_llm.schemas.reference import SecretMark

_UNITS = {
    "_ms": "milliseconds",
    "_s": "seconds",
    "_rps": "requests a second",
    "_gb": "gigabytes",
    "_mib": "MiB",
    "_kib": "KiB",
    "_days": "days",
    "_rate": "share, 0 to 1",
    "_ratio": "share, 0 to 1",
    "_efficiency": "share, 0 to 1",
}


def key_of(name: str, field: FieldInfo) -> str:
    """Return the key that stands in the file for a field."""
    return field.alias or name


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a model by the key that stands in the file."""
    return {key_of(name, field): field for name, field in model.model_fields.items()}


def members(annotation: Any) -> Iterator[Any]:
    """Yield the members of a union, through `Annotated` and aliases; else the type itself."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from members(get_args(annotation)[0])
    elif origin in {Union, types.UnionType}:
        for member in get_args(annotation):
            yield from members(member)
    else:
        yield annotation


def models_at(model: type[BaseModel], path: KeyPath, data: Any = None) -> tuple[Any, ...]:
    """Return the types that the value under a path may have; none for an unknown key.

    Args:
        model: The model of the whole document.
        path: Keys from the top.
        data: The document; its `kind` picks the member of a tagged union.
    """
    current: tuple[Any, ...] = (model,)
    for part in path:
        found: list[Any] = []
        for kind in _chosen(current, data):
            found.extend(_below(kind, part))
        current = tuple(found)
        data = data.get(part) if isinstance(data, dict) else None
    return tuple(_chosen(current, data))


def field_at(model: type[BaseModel], path: KeyPath, data: Any = None) -> FieldInfo | None:
    """Return the field that a path names; None for an entry of a map, or an unknown key."""
    if not path:
        return None
    for kind in models_at(model, path[:-1], data):
        if _is_model(kind):
            field = fields_of(kind).get(str(path[-1]))
            if field is not None:
                return field
    return None


def accepts_null(model: type[BaseModel], path: KeyPath, data: Any = None) -> bool:
    """Return whether null is a value of its own for the field under a path."""
    field = field_at(model, path, data)
    return field is not None and type(None) in members(field.annotation)


def is_secret(field: FieldInfo) -> bool:
    """Return whether a field holds a reference to a secret."""
    return any(isinstance(mark, SecretMark) for mark in _marks_of(field))


def holds_secrets(field: FieldInfo) -> bool:
    """Return whether a field is a reference to a secret, or a map or list of such."""
    below = (mark for kind in members(field.annotation) for mark in _marks_below(kind))
    return is_secret(field) or any(isinstance(mark, SecretMark) for mark in below)


def secret_at(model: type[BaseModel], path: KeyPath, data: Any = None) -> bool:
    """Return whether a path names a reference to a secret, or an entry of a map of such."""
    field = field_at(model, path, data) or field_at(model, path[:-1], data)
    return field is not None and holds_secrets(field)


def unit_of(key: str, field: FieldInfo) -> str:
    """Return the unit of a field's value, or nothing for what has none."""
    parsers = {getattr(mark, "func", None) for mark in _marks_of(field)}
    if parse_bytes in parsers:
        return "bytes"
    if parse_seconds in parsers:
        return "seconds"
    if "Milliseconds" in (field.description or ""):
        return "milliseconds"
    for unit in ("MiB", "GiB"):
        if f"in {unit}" in (field.description or ""):
            return unit
    for ending, unit in _UNITS.items():
        if key.endswith(ending):
            return unit
    return ""


def _marks_of(field: FieldInfo) -> list[Any]:
    return [*field.metadata, *_marks(field.annotation)]


def _marks(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        yield from get_args(annotation)[1:]
    elif get_origin(annotation) in {Union, types.UnionType}:
        for member in get_args(annotation):
            yield from _marks(member)


def _marks_below(kind: Any) -> Iterator[Any]:
    if get_origin(kind) is dict:
        yield from _marks(get_args(kind)[1])
    elif get_origin(kind) in {tuple, list}:
        yield from _marks(get_args(kind)[0])


def choices(annotation: Any) -> tuple[str, ...]:
    """Return the texts that a `Literal` allows."""
    return tuple(
        value
        for member in members(annotation)
        if get_origin(member) is Literal
        for value in get_args(member)
        if isinstance(value, str)
    )


def _below(kind: Any, part: str | int) -> Iterator[Any]:
    if _is_model(kind):
        field = fields_of(kind).get(str(part))
        if field is not None:
            yield from members(field.annotation)
    elif get_origin(kind) is dict:
        yield from members(get_args(kind)[1])
    elif get_origin(kind) in {tuple, list} and isinstance(part, int):
        yield from members(get_args(kind)[0])


def _chosen(kinds: tuple[Any, ...], data: Any) -> tuple[Any, ...]:
    tag = data.get("kind") if isinstance(data, dict) else None
    if tag is None:
        return kinds
    tagged = [
        kind
        for kind in kinds
        if _is_model(kind)
        and "kind" in kind.model_fields
        and tag in choices(kind.model_fields["kind"].annotation)
    ]
    return tuple(tagged) or kinds


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
