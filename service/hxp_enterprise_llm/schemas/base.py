"""The base of every model: frozen, no unknown keys, input kept out of error texts."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

_UNITS = {"": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")


class CitadelModel(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True
    )


def _checked(value: Any, wanted: str) -> Any:
    is_number = isinstance(value, int | float)
    if isinstance(value, bool) or (is_number and not 0 <= value < math.inf):
        raise ValueError(wanted)
    return value


def parse_bytes(value: Any) -> Any:
    """Turn `8GiB` into bytes; numbers pass through.

    Raises:
        ValueError: It is not a number with one of the units B, KiB, MiB, GiB, TiB, or below 0.
    """
    if not isinstance(value, str):
        return _checked(value, "write a size such as 512MiB or 8GiB")
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError("write a size such as 512MiB or 8GiB")
    return int(float(match[1]) * _UNITS[match[2] or ""])


def parse_seconds(value: Any) -> Any:
    """Turn `200ms`, `30s` or `5m` into seconds; numbers pass through as seconds.

    Raises:
        ValueError: It is not a number with one of the units ms, s, m, h, d, or below 0.
    """
    if not isinstance(value, str):
        return _checked(value, "write a duration such as 200ms, 30s or 5m")
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError("write a duration such as 200ms, 30s or 5m")
    return float(match[1]) * _SECONDS[match[2]]


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
