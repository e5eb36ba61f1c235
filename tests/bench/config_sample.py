"""A configuration of 200 keys in four files, the same for us and for peers: no import of ours.

Ten sections of twenty keys. The first file says all; later ones say 50, 30 and 20 of them again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

SECTIONS = tuple(f"section_{number:02}" for number in range(10))
COUNTS = (200, 50, 30, 20)
FILES = ("10-base.yaml", "20-production.yaml", "30-site.yaml", "40-host.yaml")
PLAIN: tuple[type, ...] = (int, int, float, bool, str) * 4
"""Type of each of the twenty keys of a section, as a validator without limits knows it."""
_LIMITED: dict[type, Any] = {
    int: Annotated[int, Field(ge=0, le=65535, description="A number.")],
    float: Annotated[float, Field(gt=0, lt=1000, description="A share.")],
    bool: Annotated[bool, Field(description="A switch.")],
    str: Annotated[str, Field(pattern=r"^[a-z0-9./-]+$", description="A text.")],
}


def key(number: int) -> str:
    """Return the name of a key of a section."""
    return f"key_{number:02}"


def paths() -> list[str]:
    """Return the dotted paths of all keys."""
    return [f"{section}.{key(number)}" for section in SECTIONS for number in range(len(PLAIN))]


def model(base: type[BaseModel] | None = None, **settings: Any) -> type[BaseModel]:
    """Return the model; a peer gives its own base class."""
    frozen = ConfigDict(extra="forbid", frozen=True)
    sections: dict[str, Any] = {}
    for name in SECTIONS:
        fields: dict[str, Any] = {
            key(number): (_LIMITED[kind], ...) for number, kind in enumerate(PLAIN)
        }
        sections[name] = (create_model(name.title(), __config__=frozen, **fields), ...)
    if base is None:
        return create_model("Sample", __config__=frozen, **sections)
    made: type[BaseModel] = create_model("Sample", __base__=base, **sections, **settings)
    return made


def write(folder: Path) -> None:
    """Write the four files."""
    for order, (name, count) in enumerate(zip(FILES, COUNTS, strict=True)):
        (folder / name).write_text(text(count, order))


def text(count: int, order: int) -> str:
    """Return a file of the first `count` keys, with values of its own."""
    lines: list[str] = []
    for index in range(count):
        section, number = divmod(index, len(PLAIN))
        if number == 0:
            lines += ["", f"# What {SECTIONS[section]} needs.", f"{SECTIONS[section]}:"]
        lines.append(f"  {key(number)}: {json.dumps(_value(PLAIN[number], index + order))}")
    return "\n".join(lines).lstrip() + "\n"


def _value(kind: type, number: int) -> Any:
    values = {int: number, float: number + 0.5, bool: number % 2 == 0, str: f"/opt/data/{number}"}
    return values[kind]
