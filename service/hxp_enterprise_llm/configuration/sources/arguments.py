"""The command line: `--set hosts.llm-1.memory=8GiB`, over all else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, Place
from hxp_enterprise_llm.configuration.sources.base import Layer, Setting


@dataclass
class ArgumentsSource:
    """Settings of a command line, `KEY.KEY=VALUE` each; values are YAML scalars.

    Args:
        settings: What stood behind each flag.
        flag: How the flag is called, for errors.
        actor: Who ran the command, for the record.
    """

    settings: Sequence[str] = field(default=(), repr=False)
    flag: str = "--set"
    actor: str = ""
    watched: tuple[Path, ...] = field(default=(), init=False)

    @property
    def name(self) -> str:
        """Return `flags --set`."""
        return f"flags {self.flag}"

    async def read(self) -> Layer:
        """Return the flags as settings."""
        return self.read_now()

    def read_now(self) -> Layer:
        """Return the flags as settings; one without `=` is a problem."""
        settings: list[Setting] = []
        problems: list[Diagnostic] = []
        for line, text in enumerate(self.settings, start=1):
            key, equals, value = text.partition("=")
            key = key.strip()
            place = Place(Path("flags"), line, 1, f"flag {self.flag} {key}", actor=self.actor)
            if equals and all(key.split(".")):
                settings.append(Setting(tuple(key.split(".")), value, place))
            else:
                # The text may be a secret without its key.
                bare = Place(Path("flags"), line, 1, f"flag {self.flag} number {line}")
                fix = f"Write {self.flag} KEY.KEY=VALUE."
                problems.append(Diagnostic("C001", bare, (), "this sets no key.", fix))
        return Layer(
            self.name,
            settings=tuple(settings),
            problems=tuple(problems),
            actor=self.actor or None,
        )
