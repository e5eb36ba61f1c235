"""Versions of the document that describes an environment, and how one step between two is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hxp_enterprise_llm.configuration.diagnostics import KeyPath
from hxp_enterprise_llm.core.exceptions import FaultDomain, RefusedError

KEY = "schema"
CURRENT = 1
"""The version that the models know; `Environment.schema_version` takes no other."""
SECTIONS = (
    "infrastructure_services",
    "service_network",
    "integration_services",
    "performance_targets",
)
"""What version 0 consists of: the documents' own form, which has no key `schema`."""

Document = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """From one version to the next, and back. Both return a new document, in the order of keys.

    Attributes:
        version: That `up` leads to; `down` leads to the one before.
        title: What changes, in one sentence.
        up: Takes a document of the version before.
        down: Takes a document of this version. What the version before has no place for is left
            out; the migrator finds and names it.
    """

    version: int
    title: str
    up: Callable[[Document], Document]
    down: Callable[[Document], Document]


@dataclass(frozen=True)
class Migrated:
    """A document of another version.

    Attributes:
        data: The document.
        version: Its version.
        before: The version that it had.
        steps: What was done, in order.
        lost: Keys that this version has no place for.
    """

    data: Document
    version: int
    before: int
    steps: tuple[Step, ...] = ()
    lost: tuple[KeyPath, ...] = ()


class MigrationError(RefusedError):
    """A document cannot be brought to another version."""

    code = "migration.refused"
    domain = FaultDomain.CONFIGURATION


class UnknownVersionError(MigrationError):
    """A document, or what is asked for, is of a version that this citadel does not know.

    Attributes:
        version: Which.
    """

    code = "migration.unknown-version"

    def __init__(self, version: int | None, where: str = "the document") -> None:
        self.version = version
        says = "says no version" if version is None else f"is of version {version}"
        super().__init__(
            f"{where} {says}; this citadel knows versions 0 to {CURRENT}",
            next_step=f"Write {KEY}: {CURRENT}, or use the citadel that wrote it.",
        )


def version_of(data: Mapping[str, Any]) -> int | None:
    """Return the version of a document; None of one that says none and is no version 0 either.

    Example:
        >>> version_of({"schema": 1}), version_of({"performance_targets": {}}), version_of({})
        (1, 0, None)
    """
    said = data.get(KEY)
    if isinstance(said, int) and not isinstance(said, bool):
        return said
    keys = data.keys() - {"extends"}
    return 0 if keys and keys <= set(SECTIONS) else None
