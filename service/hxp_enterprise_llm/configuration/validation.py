"""Validation of environments as one call: every parameter, every rule, with the time it took."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from hxp_enterprise_llm.configuration.diagnostics import (
    Diagnostic,
    InvalidEnvironmentError,
    dotted,
)
from hxp_enterprise_llm.configuration.loader import LoadedEnvironment, environments, load
from hxp_enterprise_llm.configuration.rules import REGISTRY, Rule
from hxp_enterprise_llm.configuration.rules.categories import Category, category_of
from hxp_enterprise_llm.configuration.rules.dependencies import start_order
from hxp_enterprise_llm.schemas.waivers import Waiver


@dataclass(frozen=True)
class Verdict:
    """What validation found in one environment.

    Attributes:
        name: The environment, or what was asked for when there is no such file.
        loaded: The environment; None when it has errors.
        findings: Errors and warnings, in the order of files and lines.
        seconds: How long it took.
    """

    name: str
    loaded: LoadedEnvironment | None
    findings: tuple[Diagnostic, ...]
    seconds: float

    @property
    def valid(self) -> bool:
        """Return whether there is no error."""
        return self.loaded is not None

    @property
    def waived(self) -> tuple[Diagnostic, ...]:
        """Return what rules found and waivers excepted."""
        return self.loaded.waived if self.loaded is not None else ()

    @property
    def counts(self) -> dict[Category, int]:
        """Return how many findings each category has."""
        counted = Counter(category_of(item.code) for item in self.findings)
        return {category: counted[category] for category in Category}

    @property
    def order(self) -> tuple[str, ...]:
        """Return the roles, each after those that it needs; none of an environment with errors."""
        return start_order(self.loaded.environment) if self.loaded is not None else ()

    def waiver_of(self, item: Diagnostic) -> Waiver | None:
        """Return the waiver that excepts a finding."""
        waivers = self.loaded.environment.waivers if self.loaded is not None else ()
        named = dotted(item.path)
        return next(
            (
                waiver
                for waiver in waivers
                if waiver.rule == item.code and f"{named}.".startswith(f"{waiver.path}.")
            ),
            None,
        )

    def as_data(self) -> dict[str, Any]:
        """Return plain data for programs."""
        return {
            "environment": self.name,
            "valid": self.valid,
            "findings": [item.as_data() for item in self.findings],
            "waived": [item.as_data() for item in self.waived],
            "categories": {category.value: number for category, number in self.counts.items()},
            "order": list(self.order),
        }


class ConfigurationValidator:
    """Checks environments against their schema and all rules of the registry.

    Args:
        today: The day that waivers are held against; today's when not given.
        clock: Seconds that never jump.
    """

    def __init__(
        self, *, today: date | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._today, self._clock = today, clock

    def validate(self, name_or_path: str) -> Verdict:
        """Check one environment; errors are in the verdict, none is raised."""
        began = self._clock()
        try:
            loaded = load(name_or_path, today=self._today)
        except InvalidEnvironmentError as error:
            return Verdict(name_or_path, None, error.diagnostics, self._clock() - began)
        return Verdict(loaded.name, loaded, loaded.warnings, self._clock() - began)

    def validate_all(self, names: Sequence[str] = ()) -> list[Verdict]:
        """Check several environments; all of stacks/environments/ when none is named."""
        return [self.validate(name) for name in names or environments()]

    @staticmethod
    def rules(category: Category | None = None) -> tuple[Rule, ...]:
        """Return the rules of a category, or all, in the order of their ids."""
        return tuple(
            REGISTRY[identity]
            for identity in sorted(REGISTRY)
            if category in (None, category_of(identity))
        )
