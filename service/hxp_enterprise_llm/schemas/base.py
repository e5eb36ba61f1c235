"""The base of every model: frozen, no unknown keys, input kept out of error texts."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

_UNITS = {"": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB)?")
_MOST_BYTES = 2**60
_SIZE_WANTED = "write a size such as 512MiB or 8GiB"
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION_WANTED = "write a duration such as 200ms, 30s or 5m"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")


class CitadelModel(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True
    )


def _be_exact(schema: Any) -> None:
    """Make a schema exact, in place; models below it are their own matter."""
    for key, part in _parts(schema):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in {"int", "float", "bool"}:
            part["strict"] = True
        elif kind == "literal" and not all(isinstance(item, str) for item in part["expected"]):
            # Python's True equals 1, and pydantic takes the one for the other.
            schema[key] = core_schema.no_info_before_validator_function(
                _same_kind(part["expected"]), part
            )
        else:
            _be_exact(part)


def _parts(schema: Any) -> list[tuple[Any, Any]]:
    every = schema.items() if isinstance(schema, dict) else enumerate(schema)
    skipped = {"metadata", "serialization", "default"}
    return [(k, part) for k, part in every if isinstance(part, dict | list) and k not in skipped]


def _same_kind(expected: list[Any]) -> Callable[[Any], Any]:
    kinds = {type(value) for value in expected}

    def check(value: Any) -> Any:
        # A list equals no choice, and pydantic says so in its own words.
        return value if type(value) in kinds or not isinstance(value, int | float) else [value]

    return check


class WrittenModel(CitadelModel):
    """A model of what people write: numbers and switches are taken as they stand, not guessed.

    pydantic would read `port: true` as 1 and `workers: "2"` as 2. Lists still become tuples, and
    texts dates, since a document has no other form for these.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler, /
    ) -> CoreSchema:
        """Return the schema with exact numbers, switches and choices."""
        found = handler(source)
        _be_exact(handler.resolve_ref_schema(found))
        return found


def _checked(value: Any, wanted: str) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value < math.inf:
        raise ValueError(wanted)
    return value


def parse_bytes(value: Any) -> Any:
    """Turn `8GiB` into bytes; whole numbers pass through.

    Raises:
        ValueError: It is not a number with one of the units B, KiB, MiB, GiB, TiB, is below 0, or
            more than 1 EiB.
    """
    if isinstance(value, str):
        match = _SIZE.fullmatch(value.strip())
        if match is None:
            raise ValueError(_SIZE_WANTED)
        # Capped, since no whole number is infinite.
        value = int(min(float(match[1]) * _UNITS[match[2] or ""], 2.0 * _MOST_BYTES))
    if _checked(value, _SIZE_WANTED) > _MOST_BYTES:
        raise ValueError("write a size of at most 1048576TiB")
    if value != int(value):
        raise ValueError(_SIZE_WANTED)
    return value


def parse_seconds(value: Any) -> Any:
    """Turn `200ms`, `30s` or `5m` into seconds; numbers pass through as seconds.

    Raises:
        ValueError: It is not a number with one of the units ms, s, m, h, d, or below 0.
    """
    if not isinstance(value, str):
        return _checked(value, _DURATION_WANTED)
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError(_DURATION_WANTED)
    return _checked(float(match[1]) * _SECONDS[match[2]], _DURATION_WANTED)


Bytes = Annotated[
    int,
    BeforeValidator(parse_bytes),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": f"^{_SIZE.pattern}$"},
            ]
        }
    ),
]
Seconds = Annotated[
    float,
    BeforeValidator(parse_seconds),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": f"^{_DURATION.pattern}$"},
            ]
        }
    ),
]
