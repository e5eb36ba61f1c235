"""The effect class of every field, as the models declare it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hxp_enterprise_llm.configuration.diagnostics import KeyPath
from hxp_enterprise_llm.configuration.fields import field_at, fields_of, members
from hxp_enterprise_llm.schemas.effect import Effect

__all__ = ["Effect", "declared", "effect_of", "leaves", "worst"]

_ORDER = tuple(Effect)


def declared(field: FieldInfo) -> Effect | None:
    """Return the effect class that a field itself declares."""
    return next((mark for mark in field.metadata if isinstance(mark, Effect)), None)


def effect_of(model: type[BaseModel], path: KeyPath, data: Any = None) -> Effect:
    """Return the effect class of a key: its own, or the nearest one declared above it.

    Args:
        model: The model of the whole document.
        path: Keys from the top.
        data: The document; its `kind` picks the member of a tagged union.
    """
    for length in range(len(path), 0, -1):
        field = field_at(model, path[:length], data)
        effect = declared(field) if field is not None else None
        if effect is not None:
            return effect
    return Effect.RESTART


def worst(effects: Iterator[Effect]) -> Effect | None:
    """Return the gravest of some effects; None of none."""
    return max(effects, key=_ORDER.index, default=None)


def leaves(
    model: type[BaseModel], at: KeyPath = (), above: Effect | None = None
) -> Iterator[tuple[KeyPath, Effect | None]]:
    """Yield every field that holds a value, with its effect class; `*` stands for keys of maps."""
    for key, field in fields_of(model).items():
        effect = declared(field) or above
        below = list(_models((*at, key), field.annotation))
        for path, kind in below:
            yield from leaves(kind, path, effect)
        if not below:
            yield (*at, key), effect


def _models(path: KeyPath, annotation: Any) -> Iterator[tuple[KeyPath, type[BaseModel]]]:
    for kind in members(annotation):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield path, kind
        elif get_origin(kind) is dict:
            yield from _models((*path, "*"), get_args(kind)[1])
        elif get_origin(kind) in {tuple, list}:
            yield from _models((*path, "*"), get_args(kind)[0])
