"""Validation as one call: every parameter, every rule, with the time it took.

A file that says its `service_type` or `deployment_type` is one of a service or a deployment; all
others are environments.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hxp_enterprise_llm.configuration.diagnostics import (
    Diagnostic,
    InvalidEnvironmentError,
    dotted,
)
from hxp_enterprise_llm.configuration.loader import LoadedEnvironment, environments, load
from hxp_enterprise_llm.configuration.rules import REGISTRY, Rule
from hxp_enterprise_llm.configuration.rules.categories import Category, category_of
from hxp_enterprise_llm.configuration.rules.dependencies import start_order
from hxp_enterprise_llm.configuration.sources.files import ENDINGS, chain
from hxp_enterprise_llm.schemas.waivers import Waiver

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.schema_validator import Report
    from hxp_enterprise_llm.schemas.environment import Environment

_OF_SERVICES = frozenset({"service_type", "deployment_type", "deployment_name"})


@dataclass(frozen=True)
class Verdict:
    """What validation found in one environment, or in one file of a service or a deployment.

    Attributes:
        name: The environment, or what was asked for when there is no such file.
        loaded: The environment; None when it has errors, and of a service.
        findings: Errors and warnings, in the order of files and lines.
        seconds: How long it took.
        service: What was found in the file of a service or a deployment.
    """

    name: str
    loaded: LoadedEnvironment | None
    findings: tuple[Diagnostic, ...]
    seconds: float
    service: Report | None = None

    @property
    def valid(self) -> bool:
        """Return whether there is no error."""
        return self.loaded is not None or (self.service is not None and self.service.ok)

    @property
    def waived(self) -> tuple[Diagnostic, ...]:
        """Return what rules found and waivers excepted."""
        judged = self.service or self.loaded
        return judged.waived if judged is not None else ()

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
        config = self.service.config if self.service is not None else None
        if self.loaded is not None:
            config = self.loaded.environment
        waivers: tuple[Waiver, ...] = getattr(config, "waivers", ())
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
            **({"schema": self.service.schema} if self.service is not None else {}),
            "valid": self.valid,
            "findings": [item.as_data() for item in self.findings],
            "waived": [item.as_data() for item in self.waived],
            "categories": {category.value: number for category, number in self.counts.items()},
            "order": list(self.order),
        }


class ConfigurationValidator:
    """Checks files against their schema and all rules of the registry.

    Args:
        today: The day that waivers are held against; today's when not given.
        clock: Seconds that never jump.
        against: The environment whose hosts and ports services and deployments are held against.
    """

    def __init__(
        self,
        *,
        today: date | None = None,
        clock: Callable[[], float] = time.perf_counter,
        against: Environment | None = None,
    ) -> None:
        self._today, self._clock, self._against = today, clock, against

    def validate(self, name_or_path: str) -> Verdict:
        """Check one file; errors are in the verdict, none is raised."""
        (verdict,) = self.validate_all([name_or_path])
        return verdict

    def validate_all(self, names: Sequence[str] = ()) -> list[Verdict]:
        """Check several files, all of stacks/environments/ when none is named.

        Deployments are held against the services among them.
        """
        asked = list(names or environments())
        services = self._services(list(dict.fromkeys(filter(is_service, asked))))
        return [services.get(name) or self._environment(name) for name in asked]

    def _services(self, names: Sequence[str]) -> dict[str, Verdict]:
        if not names:
            return {}
        from hxp_enterprise_llm.configuration.schema_validator import SchemaValidator

        validator = SchemaValidator(environment=self._against, today=self._today, clock=self._clock)
        reports = validator.files([Path(name).absolute() for name in names])
        return {
            name: Verdict(name, None, report.found, report.seconds, report)
            for name, report in zip(names, reports, strict=True)
        }

    def _environment(self, name: str) -> Verdict:
        began = self._clock()
        try:
            loaded = load(name, today=self._today)
        except InvalidEnvironmentError as error:
            return Verdict(name, None, error.diagnostics, self._clock() - began)
        return Verdict(loaded.name, loaded, loaded.warnings, self._clock() - began)

    @staticmethod
    def rules(category: Category | None = None) -> tuple[Rule, ...]:
        """Return the rules of a category, or all, in the order of their ids."""
        return tuple(
            REGISTRY[identity]
            for identity in sorted(REGISTRY)
            if category in (None, category_of(identity))
        )


def is_service(name_or_path: str) -> bool:
    """Return whether a name is the path of a file of a service or a deployment."""
    path = Path(name_or_path)
    if not name_or_path.endswith(ENDINGS) or not path.is_file():
        return False
    layer = chain(path.absolute())
    return any(_OF_SERVICES & each.data.keys() for each in (layer, *layer.lower))
