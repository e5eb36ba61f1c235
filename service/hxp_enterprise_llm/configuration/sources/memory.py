"""A layer that a program holds: overrides of a running service, documents of revisions."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hxp_enterprise_llm.configuration.diagnostics import KeyPath, Place
from hxp_enterprise_llm.configuration.sources.base import Layer, places_below


@dataclass
class MemorySource:
    """Plain data under a name; `update` replaces it, the next reload takes it.

    Args:
        label: How errors and `explain` name it, such as `revision 7`.
        data: Nested maps.
        revision: Of the data.
        actor: Who wrote it.
    """

    label: str
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    revision: str = ""
    actor: str = ""
    watched: tuple[Path, ...] = field(default=(), init=False)

    @property
    def name(self) -> str:
        """Return the label."""
        return self.label

    def update(self, data: Mapping[str, Any], *, revision: str = "", actor: str = "") -> None:
        """Replace the data."""
        self.data, self.revision, self.actor = data, revision, actor

    async def read(self) -> Layer:
        """Return the data."""
        place = Place(Path(self.label), 1, 1, self.label, self.revision, self.actor)
        places: dict[KeyPath, Place] = places_below((), dict(self.data), place)
        del places[()]
        return Layer(
            self.label,
            deepcopy(dict(self.data)),
            places,
            revision=self.revision or None,
            actor=self.actor or None,
        )
