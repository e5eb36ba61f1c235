"""What every source gives: a layer of plain data, and where each of its keys was written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, KeyPath, Place


@dataclass(frozen=True, slots=True)
class Setting:
    """One key as a flag or a variable names it; merging settles which key is meant.

    Attributes:
        parts: The name cut at its separator: `("hosts", "llm", "memory")`.
        text: The value as it was written; it is read as a YAML scalar.
        place: The flag or variable.
        separator: What stood between the parts.
        loose: Whether case and `-._` do not count, as in names of variables.
    """

    parts: tuple[str, ...]
    text: str = field(repr=False)
    place: Place
    separator: str = "."
    loose: bool = False


@dataclass(frozen=True)
class Layer:
    """What one source says, to be laid over what stands below it.

    Attributes:
        source: The source in words, for people.
        data: Nested maps; secrets are references.
        places: Where each key was written.
        problems: What is wrong with the form of it.
        revision: Of the source: a hash, a number.
        actor: Who wrote it, as far as the source knows.
        lower: Layers that go below this one, the lowest first: files that a file extends.
        settings: Keys whose path depends on what lies below.
        files: The files that were read, for watching.
        missing: Files that are not there, and would be read: watched too.
    """

    source: str
    # Shown by nobody: a secret in the wrong place is still in here.
    data: dict[str, Any] = field(default_factory=dict, repr=False)
    places: dict[KeyPath, Place] = field(default_factory=dict)
    problems: tuple[Diagnostic, ...] = ()
    revision: str | None = None
    actor: str | None = None
    lower: tuple[Layer, ...] = ()
    settings: tuple[Setting, ...] = ()
    files: tuple[Path, ...] = ()
    missing: tuple[Path, ...] = ()


@runtime_checkable
class Source(Protocol):
    """A place that configuration comes from. It is read when it is needed, not when it is made."""

    @property
    def name(self) -> str:
        """Return the source in words, for people: `file /etc/citadel/production.yaml`."""

    @property
    def watched(self) -> tuple[Path, ...]:
        """Return the files and folders whose change means that the source changed."""

    async def read(self) -> Layer:
        """Return what the source says now.

        Faults of form are in the layer's `problems`.

        Raises:
            CitadelError: The source cannot be reached.
        """


def places_below(path: KeyPath, value: Any, place: Place) -> dict[KeyPath, Place]:
    """Return one place for a key and all that stands below it."""
    places = {path: place}
    items: Any = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, below in items:
        places.update(places_below((*path, key), below, place))
    return places


def put(
    data: dict[str, Any],
    places: dict[KeyPath, Place],
    path: KeyPath,
    value: Any,
    place: Place,
    *,
    below: Any = None,
) -> None:
    """Set a value in nested maps, which are made where they are missing, and note its place.

    Args:
        data: The maps.
        places: Places of their keys; sections that the value brings with it are noted too.
        path: Where the value goes.
        value: The value.
        place: Who says so.
        below: What the data will be laid over: sections that it has keep their place.
    """
    for length, part in enumerate(path[:-1], start=1):
        section = data.get(str(part))
        if not isinstance(section, dict):
            section = data[str(part)] = {}
        data = section
        below = below.get(part) if isinstance(below, dict) else None
        if below is None:
            places.setdefault(path[:length], place)
    data[str(path[-1])] = value
    places.update(places_below(path, value, place))
