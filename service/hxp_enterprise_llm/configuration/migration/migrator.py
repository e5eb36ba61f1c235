"""Brings documents from one version to another, in memory; `files` does so with files."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, KeyPath
from hxp_enterprise_llm.configuration.migration.steps import STEPS
from hxp_enterprise_llm.configuration.migration.versions import (
    KEY,
    Document,
    Migrated,
    Step,
    UnknownVersionError,
    version_of,
)
from hxp_enterprise_llm.configuration.pipeline import Draft

UNKNOWN, OLDER = "C008", "C009"


class ConfigurationMigrator:
    """Knows the steps between versions. A step that cannot be undone is not registered.

    Called with a draft it is what `ConfigurationManager(migrate=…)` wants.

    Args:
        steps: One for each version from 1 on, in order.

    Example:
        >>> migrated = ConfigurationMigrator().migrate({"schema": 1, "hosts": {}}, 0)
        >>> migrated.data, migrated.version, migrated.lost
        ({}, 0, ())
    """

    def __init__(self, steps: Sequence[Step] = STEPS) -> None:
        if [step.version for step in steps] != list(range(1, len(steps) + 1)):
            raise ValueError("there is one step for each version, in order")
        self.steps = tuple(steps)

    @property
    def current(self) -> int:
        """Return the newest version."""
        return len(self.steps)

    def migrate(
        self, data: Mapping[str, Any], to: int | None = None, *, where: str = "the document"
    ) -> Migrated:
        """Return a document as another version says it; the given one is not changed.

        Args:
            data: A document of any version.
            to: The version; the newest when not given.
            where: What an error names.

        Raises:
            UnknownVersionError: The document, or `to`, is of no version that is known.
            MigrationError: It holds what cannot be migrated; names the key.
        """
        before = version_of(data)
        wanted = self.current if to is None else to
        for version, of in ((before, where), (wanted, "what is asked for")):
            if version is None or not 0 <= version <= self.current:
                raise UnknownVersionError(version, of)
        assert before is not None  # noqa: S101 - None was refused above
        return self._walked(dict(data), before, wanted)

    def __call__(self, draft: Draft) -> Draft:
        """Return a draft of the newest version; what is wrong with its version is a problem of it.

        Raises:
            MigrationError: It holds what cannot be migrated; names the key.
        """
        version = version_of(draft.data)
        if version is None or version == self.current:
            return draft
        place = draft.place((KEY,))
        if not 0 <= version < self.current:
            error = UnknownVersionError(version)
            problem = Diagnostic(UNKNOWN, place, (KEY,), f"{error.message}.", error.next_step)
            data = draft.data | {KEY: self.current}
        else:
            message = f"the document is of version {version}, the newest is {self.current}."
            fix = "Run: citadel config migrate"
            problem = Diagnostic(OLDER, place, (), message, fix, "warning")
            data = self.migrate(draft.data).data
        return dataclasses.replace(draft, data=data, problems=(*draft.problems, problem))

    def between(self, before: int, after: int) -> tuple[Step, ...]:
        """Return the steps from one version to another, in the order in which they are taken."""
        if after >= before:
            return self.steps[before:after]
        return tuple(reversed(self.steps[after:before]))

    def _walked(self, data: Document, before: int, wanted: int) -> Migrated:
        taken = self.between(before, wanted)
        if wanted >= before:
            return Migrated(_up(data, taken), wanted, before, taken)
        down = data
        for step in taken:
            down = step.down(down)
        # What does not come back on the way up has no place down there.
        again = dict(leaves(_up(down, self.between(wanted, before))))
        lost = tuple(path for path, value in leaves(data) if again.get(path, ...) != value)
        return Migrated(down, wanted, before, taken, lost)


def _up(data: Document, steps: Sequence[Step]) -> Document:
    for step in steps:
        data = step.up(data)
    return data


def leaves(data: Any, at: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Yield every value that is no map, with its path."""
    if isinstance(data, Mapping) and data:
        for key, below in data.items():
            yield from leaves(below, (*at, key))
    else:
        yield at, data
