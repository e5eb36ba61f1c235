"""Environment variables: `CITADEL_HOSTS__LLM_1__MEMORY=8GiB` is `hosts.llm-1.memory`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hxp_enterprise_llm.configuration.diagnostics import Place
from hxp_enterprise_llm.configuration.sources.base import Layer, Setting

PREFIX = "CITADEL_"
RESERVED = frozenset(
    {
        "CITADEL_ENVIRONMENT_FILE",  # how the inventory plugin hears of its environment
        "CITADEL_MIRRORS",  # where tools/bootstrap looks first
        "CITADEL_PHASES_BEFORE",  # how `make up` counts its phases
    }
)
"""Variables under our prefix that are no configuration."""


@dataclass
class VariablesSource:
    """All variables under a prefix; one that names no key is an error.

    `__` goes down; case does not count, and `_` also stands for a dash or a dot, as far as a key of
    that name exists below. Values are YAML scalars; `[a, b]` is a list.

    Args:
        prefix: What the names begin with.
        environ: The variables; those of this process when not given.
        reserved: Names under the prefix that are no configuration.
        actor: Who set them, for the record.
    """

    prefix: str = PREFIX
    environ: Mapping[str, str] | None = field(default=None, repr=False)
    reserved: Collection[str] = RESERVED
    actor: str = ""
    watched: tuple[Path, ...] = field(default=(), init=False)

    @property
    def name(self) -> str:
        """Return `variables PREFIX…`."""
        return f"variables {self.prefix}…"

    async def read(self) -> Layer:
        """Return the variables as settings."""
        return self.read_now()

    def read_now(self) -> Layer:
        """Return the variables as settings."""
        environ = os.environ if self.environ is None else self.environ
        found = {
            name: text
            for name, text in sorted(environ.items())
            if name.startswith(self.prefix) and name not in self.reserved
        }
        revision = _revision(found)
        settings = tuple(
            Setting(
                parts=tuple(name.removeprefix(self.prefix).split("__")),
                text=text,
                place=Place(Path("variables"), line, 1, f"variable {name}", revision, self.actor),
                separator="__",
                loose=True,
            )
            for line, (name, text) in enumerate(found.items(), start=1)
        )
        return Layer(
            self.name, settings=settings, revision=revision or None, actor=self.actor or None
        )


def _revision(found: Mapping[str, str]) -> str:
    if not found:
        return ""
    text = "\0".join(f"{name}={value}" for name, value in found.items())
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:12]
