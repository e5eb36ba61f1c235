"""The first half of a reload: a configuration that is built, but not in force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

ConfigT = TypeVar("ConfigT")


@dataclass(frozen=True)
class Prepared(Generic[ConfigT]):
    """What is ready to be put in force.

    Attributes:
        config: The new configuration.
        built: What the service built for it.
        run: The run of the service that it was built for; None where the service did not run.
    """

    config: ConfigT
    built: Any = None
    run: object | None = None

    @property
    def live(self) -> bool:
        """Return whether something was built, for a service that ran."""
        return self.run is not None


class Reloadable(Protocol[ConfigT]):
    """What takes a new configuration in two phases; every service does."""

    async def prepare(self, config: ConfigT) -> Prepared[ConfigT]:
        """Build what the configuration needs; raise where it does not work."""

    def commit(self, prepared: Prepared[ConfigT]) -> None:
        """Put it in force; neither waits nor fails."""

    async def abandon(self, prepared: Prepared[ConfigT]) -> None:
        """Throw it away: another part refused the configuration."""
