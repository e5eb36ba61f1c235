"""Checks files of services and deployments: every mistake at once, each with its line and cure."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hxp_enterprise_llm.configuration.check import check
from hxp_enterprise_llm.configuration.diagnostics import (
    Diagnostic,
    InvalidDocumentError,
    KeyPath,
    Place,
)
from hxp_enterprise_llm.configuration.fields import choices
from hxp_enterprise_llm.configuration.merge import pruned
from hxp_enterprise_llm.configuration.messages import nearest, path_of
from hxp_enterprise_llm.configuration.pipeline import Draft, Outcome, assemble, compiled
from hxp_enterprise_llm.configuration.rules.deployments import DeploymentSubject
from hxp_enterprise_llm.configuration.rules.services import ServiceSubject
from hxp_enterprise_llm.configuration.sources.base import Layer, places_below
from hxp_enterprise_llm.configuration.sources.files import chain
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.schemas.deployment import DeploymentConfigSchema
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.factory import BASE, SchemaFactory
from hxp_enterprise_llm.schemas.services import ServiceConfigSchema

# In place of required keys that were refused, so that rules still judge the rest; nothing that
# they find about these keys themselves is shown.
_STAND_INS: Mapping[str, Any] = {
    "service_name": "stand-in",
    "service_version": "0.0.0",
    "deployment_name": "stand-in",
    "deployment_type": "systemd",
    "environment": "stand-in",
    "resources": {"memory_mb": 2**40, "cpu_cores": 2**20},
    "resource_limits": {"memory_mb": 1, "cpu_cores": 0.001},
    "connection": {"host": "stand-in", "port": 65535},
    "services": [{"service_name": "stand-in", "service_version": "0.0.0"}],
    "memory_mb": 2**40,
    "cpu_cores": 2**20,
    "host": "stand-in",
    "port": 65535,
}


@dataclass(frozen=True)
class Report:
    """What was found in one document.

    Attributes:
        name: Where it came from.
        schema: Name of the schema that it was held against; None when it says none.
        config: The model; None when there are errors.
        found: Errors and warnings, in the order of lines.
        waived: What its waivers except.
        seconds: How long it took.
    """

    name: str
    schema: str | None
    config: CitadelModel | None
    found: tuple[Diagnostic, ...] = ()
    waived: tuple[Diagnostic, ...] = ()
    seconds: float = 0.0

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """Return what refuses the document."""
        return tuple(item for item in self.found if item.severity == "error")

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """Return what is shown and refuses nothing."""
        return tuple(item for item in self.found if item.severity == "warning")

    @property
    def ok(self) -> bool:
        """Return whether the document can be used."""
        return self.config is not None

    def accepted(self) -> CitadelModel:
        """Return the model.

        Raises:
            InvalidDocumentError: There are errors; names all of them.
        """
        if self.config is None:
            raise InvalidDocumentError(self.found)
        return self.config


@dataclass(frozen=True)
class SchemaValidator:
    """Checks documents of any kind that its factory knows.

    Args:
        factory: The schemas.
        environment: What else runs, and the hosts that deployments need room on; when known.
        services: Configuration of services that deployments name, when known.
        today: The day that waivers are held against; today's when not given.
        clock: Seconds that never go backwards.
    """

    factory: SchemaFactory = field(default_factory=SchemaFactory)
    environment: Environment | None = None
    services: Mapping[str, ServiceConfigSchema] = field(default_factory=dict)
    today: date | None = None
    clock: Callable[[], float] = time.perf_counter

    def file(self, path: Path) -> Report:
        """Check a YAML, JSON, TOML or INI file, with the files that it extends."""
        return self._checked(lambda: chain(path), path, str(path))

    def data(self, data: Mapping[str, Any], name: str = "document") -> Report:
        """Check plain data.

        Args:
            data: The document.
            name: What errors call it.
        """
        place = Place(Path(name), 1, 1, label=name)
        layer = Layer(name, deepcopy(dict(data)), places_below((), data, place))
        return self._checked(lambda: layer, Path(name), name)

    def files(self, paths: Iterable[Path]) -> tuple[Report, ...]:
        """Check files together: a deployment is held against the services among them."""
        reports = {path: self.file(path) for path in paths}
        known = {
            report.config.service_name: report.config
            for report in reports.values()
            if isinstance(report.config, ServiceConfigSchema)
        }
        together = SchemaValidator(
            self.factory, self.environment, {**self.services, **known}, self.today, self.clock
        )
        for path, report in reports.items():
            if report.schema is not None and issubclass(
                self.factory.schema(report.schema), DeploymentConfigSchema
            ):
                reports[path] = together.file(path)
        return tuple(reports.values())

    def _checked(self, read: Callable[[], Layer], home: Path, name: str) -> Report:
        began = self.clock()
        draft = assemble([read()], BASE, home)
        kind = self._kind(draft.data)
        if kind is None:
            draft = replace(draft, problems=(*draft.problems, *self._of_no_kind(draft)))
        schema = BASE if kind is None else self.factory.schema(kind)
        judge = partial(self._judge, schema=schema)
        try:
            loaded = compiled(draft, schema, judge=judge)
        except InvalidDocumentError as error:
            return Report(name, kind, None, error.diagnostics, (), self.clock() - began)
        return Report(
            name, kind, loaded.config, loaded.warnings, loaded.waived, self.clock() - began
        )

    def _of_no_kind(self, draft: Draft) -> Iterator[Diagnostic]:
        path: KeyPath = ("service_type",)
        # A type that we know, and the factory does not; of any other the schema says so itself.
        if draft.data.get("service_type") in choices(BASE.model_fields["service_type"].annotation):
            fix = f"Write one of {', '.join(self.factory.names)}."
            yield Diagnostic("C006", draft.place(path), path, "there is no such schema.", fix)

    def _kind(self, data: Mapping[str, Any]) -> str | None:
        """Return the schema that a document is of, or is nearly of: a typing error in the name."""
        known = self.factory.name_of(data)
        said = data.get("service_type")
        if known is None and isinstance(said, str):
            return nearest(said, self.factory.names)
        return known

    def _judge(
        self,
        draft: Draft,
        config: CitadelModel | None,
        refused: set[KeyPath],
        *,
        schema: type[CitadelModel],
    ) -> Outcome:
        left = config if config is not None else _left(draft.data, schema, refused)
        today = self.today or datetime.now(tz=UTC).date()
        if isinstance(left, ServiceConfigSchema):
            return check(ServiceSubject(left, today, self.environment), draft.place, refused)
        if isinstance(left, DeploymentConfigSchema):
            hosts = self.environment.hosts if self.environment is not None else {}
            subject = DeploymentSubject(left, today, hosts, self.services)
            return check(subject, draft.place, refused)
        return Outcome()


def _left(
    data: dict[str, Any], schema: type[CitadelModel], refused: Collection[KeyPath]
) -> CitadelModel | None:
    """Return what is left of a document without its refused keys; None when it is too little."""
    left = dict(pruned(deepcopy(data), {_without_index(path) for path in refused}))
    try:
        return schema.model_validate(left)
    except ValidationError as error:
        for item in error.errors(include_input=False):
            _stand_in(left, path_of(item, left), schema)
    try:
        return schema.model_validate(left)
    except ValidationError:
        return None


def _stand_in(data: Any, path: KeyPath, schema: type[CitadelModel]) -> None:
    *above, last = path
    for part in above:
        data = data[part]
    value = deepcopy(_STAND_INS.get(str(last)))
    if last == "service_type":
        value = choices(schema.model_fields["service_type"].annotation)[0]
    if isinstance(data, dict) and value is not None:
        data[last] = value


def _without_index(path: KeyPath) -> KeyPath:
    """Return the path of the list's item that a key stands in: items go as a whole."""
    for length, part in enumerate(path, start=1):
        if isinstance(part, int):
            return path[:length]
    return path
