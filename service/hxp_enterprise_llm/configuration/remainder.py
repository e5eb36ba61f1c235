"""What is left of a document without its refused keys, so that rules still judge the rest."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from hxp_enterprise_llm.configuration.diagnostics import KeyPath
from hxp_enterprise_llm.configuration.fields import field_at
from hxp_enterprise_llm.configuration.merge import value_at
from hxp_enterprise_llm.configuration.messages import path_of
from hxp_enterprise_llm.schemas.environment import Environment

# Stand-ins for required values; nothing that rules find about them is shown.
_STAND_INS: tuple[Any, ...] = (2**50, 1, "0" * 64, "file:stand-in")


def remainder(data: dict[str, Any], refused: Collection[KeyPath]) -> Environment | None:
    """Return the environment less its refused keys; None when too little is left to judge."""
    if any(_decisive(path) for path in refused):
        return None
    left = dict(pruned(data, refused))
    try:
        return Environment.model_validate(left)
    except ValidationError as error:
        for item in error.errors(include_input=False):
            if not _stand_in(left, path_of(item, left)):
                return None
    try:
        return Environment.model_validate(left)
    except ValidationError:
        return None


def pruned(
    data: dict[str, Any], removed: Collection[KeyPath], at: KeyPath = ()
) -> Iterator[tuple[str, Any]]:
    """Yield the items of a map without the removed paths; maps below are copies."""
    for key, value in data.items():
        path = (*at, key)
        if path in removed:
            continue
        yield key, dict(pruned(value, removed, path)) if isinstance(value, dict) else value


def _decisive(path: KeyPath) -> bool:
    """Whether other keys are judged by this one: a wrong role makes everything look misplaced."""
    return path[:1] in {(), ("provider",)} or (
        path[0] == "hosts" and (len(path) <= 2 or path[2] == "roles")
    )


def _stand_in(data: dict[str, Any], path: KeyPath) -> bool:
    field = field_at(Environment, path, data)
    if field is None:
        return False
    kind: Any = field.annotation
    if field.metadata:
        kind = Annotated[kind, *field.metadata]
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    for value in _STAND_INS:
        try:
            adapter.validate_python(value, strict=True)
        except ValidationError:
            continue
        value_at(data, path[:-1])[path[-1]] = value
        return True
    return False
