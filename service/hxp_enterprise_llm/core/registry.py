"""The services of one process: made by kind, started by dependency, stopped the other way round."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType, TracebackType
from typing import Any, Protocol, Self

from hxp_enterprise_llm.core.exceptions import RegistryError
from hxp_enterprise_llm.core.health import Health
from hxp_enterprise_llm.core.service import BaseService
from hxp_enterprise_llm.core.tasks import settled

AnyService = BaseService[Any]


class Factory(Protocol):
    """Makes a service of one kind."""

    def __call__(
        self, name: str, config: Any, dependencies: Mapping[str, AnyService], /
    ) -> AnyService:
        """Return a new service.

        Args:
            name: The name that it is declared by.
            config: Its configuration.
            dependencies: The services that it was declared to need, by name.
        """


@dataclass(frozen=True)
class _Declared:
    kind: str
    config: Any
    needs: tuple[str, ...]


class ServiceRegistry:
    """Makes services by kind and runs them together.

    Services that do not need each other start and stop side by side. When one cannot start, those
    that had started are stopped again. A service is degraded as long as one that it needs is.
    """

    def __init__(self) -> None:
        self._factories: dict[str, Factory] = {}
        self._declared: dict[str, _Declared] = {}
        self._services: dict[str, AnyService] = {}

    def register(self, kind: str, factory: Factory) -> None:
        """Make services of a kind by this factory; tests register another one.

        Raises:
            RegistryError: Services were made already.
        """
        self._refuse_late()
        self._factories[kind] = factory

    def declare(self, name: str, kind: str, config: Any, *, needs: Iterable[str] = ()) -> None:
        """Declare a service; it is made when the services are.

        Raises:
            RegistryError: The name is taken, or services were made already.
        """
        self._refuse_late()
        if name in self._declared:
            raise RegistryError(
                f"service {name} is declared twice", next_step="Give one of them another name."
            )
        self._declared[name] = _Declared(kind, config, tuple(needs))

    def order(self) -> tuple[tuple[str, ...], ...]:
        """Return the names in the order of starting; those of one group start together.

        Raises:
            RegistryError: A service needs one that is not declared, or needs itself in the end.
        """
        for name, declared in self._declared.items():
            if unknown := set(declared.needs) - set(self._declared):
                raise RegistryError(
                    f"service {name} needs {', '.join(sorted(unknown))}, which is not declared",
                    next_step=f"Declared are: {', '.join(sorted(self._declared))}.",
                )
        sorter = TopologicalSorter({name: one.needs for name, one in self._declared.items()})
        try:
            sorter.prepare()
        except CycleError as error:
            raise RegistryError(
                f"services need each other in a circle: {' → '.join(reversed(error.args[1]))}",
                next_step="Take one of these needs away.",
            ) from error
        groups = []
        while sorter.is_active():
            groups.append(tuple(sorted(sorter.get_ready())))
            sorter.done(*groups[-1])
        return tuple(groups)

    def make(self) -> Mapping[str, AnyService]:
        """Make all services, once, and return them by name.

        Raises:
            RegistryError: The order is impossible, or a kind has no factory.
        """
        if not self._services:
            made: dict[str, AnyService] = {}
            for group in self.order():
                made.update({name: self._made(name, made) for name in group})
            self._services = made
        return MappingProxyType(self._services)

    async def start(self) -> None:
        """Start all services; when one fails or this is cancelled, stop what was started.

        Raises:
            ExceptionGroup: The errors of the services that could not start.
        """
        services = self.make()
        try:
            for group in self.order():
                async with asyncio.TaskGroup() as tasks:
                    for name in group:
                        tasks.create_task(services[name].start(), name=f"start {name}")
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop all services; each before those that it needs."""
        cancelled: asyncio.CancelledError | None = None
        for group in reversed(self.order()):
            running = [self._services[name] for name in group if name in self._services]
            tasks = [asyncio.create_task(one.stop(), name=f"stop {one.name}") for one in running]
            try:
                await settled(tasks)
            except asyncio.CancelledError as error:
                cancelled = error
            for task in tasks:
                task.result()
        if cancelled is not None:
            raise cancelled

    async def health(self) -> Mapping[str, Health]:
        """Return the health of all services by name."""
        services = self.make()
        found = await asyncio.gather(*(service.health() for service in services.values()))
        return dict(zip(services, found, strict=True))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    def _made(self, name: str, made: Mapping[str, AnyService]) -> AnyService:
        declared = self._declared[name]
        factory = self._factories.get(declared.kind)
        if factory is None:
            raise RegistryError(
                f"service {name} is of kind {declared.kind}, which has no factory",
                next_step=f"Registered kinds are: {', '.join(sorted(self._factories)) or 'none'}.",
            )
        needed = {need: made[need] for need in declared.needs}
        service = factory(name, declared.config, MappingProxyType(needed))
        for need in needed.values():
            service.rely_on(need)
        return service

    def _refuse_late(self) -> None:
        if self._services:
            raise RegistryError(
                "the services are made already", next_step="Declare everything before make()."
            )
