"""The base of services that stand for an engine with models."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, TypeVar, Unpack

from pydantic import Field

from hxp_enterprise_llm.core.exceptions import CitadelError, DependencyError, UnreachableError
from hxp_enterprise_llm.core.health import Check
from hxp_enterprise_llm.core.metrics import MetricsRegistry
from hxp_enterprise_llm.core.service import BaseService, ServiceOptions
from hxp_enterprise_llm.schemas.base import CitadelModel, Seconds

if TYPE_CHECKING:
    from prometheus_client import Gauge

_CAUSE = "engine"


class ModelServiceConfig(CitadelModel):
    """What is expected of an engine; the base of the configuration of every kind of engine."""

    models: tuple[str, ...] = Field(min_length=1, description="Served names that it must have.")
    check_interval: Seconds = Field(default=5.0, gt=0, description="Pause between two checks.")
    check_timeout: Seconds = Field(default=5.0, gt=0, description="An answer may take so long.")


ModelConfigT = TypeVar("ModelConfigT", bound=ModelServiceConfig)


class BaseAIModelService(BaseService[ModelConfigT], ABC):
    """An engine and the models that it serves.

    A subclass writes `on_open`, `check_engine` and `served_models`, and where it can,
    `engine_metrics` and `on_recover`. Starting waits until the engine is healthy and serves every
    model that is expected. Then it is watched: while it is away the service is degraded, tells
    `on_recover` before each further try, and is ready again as soon as the engine is.

    Args:
        config: What is expected of the engine, frozen.
        options: As `BaseService` takes them.
    """

    failures: ClassVar[tuple[type[Exception], ...]] = (OSError, TimeoutError, UnreachableError)
    """Errors that mean: the engine is away, or not ready yet."""

    def __init__(self, config: ModelConfigT, **options: Unpack[ServiceOptions]) -> None:
        super().__init__(config, **options)
        self._models: tuple[str, ...] = ()

    @abstractmethod
    async def on_open(self, resources: AsyncExitStack) -> None:
        """Acquire what is needed to ask the engine, or to run it."""

    @abstractmethod
    async def check_engine(self) -> None:
        """Return when the engine can answer; raise one of `failures` when it cannot."""

    @abstractmethod
    async def served_models(self) -> tuple[str, ...]:
        """Return the served names that the engine has now."""

    async def engine_metrics(self) -> Mapping[str, float]:
        """Return figures of the engine by name, a few fixed names; they become a metric."""
        return {}

    async def on_recover(self, error: Exception) -> None:
        """Do what may bring the engine back; called before each try while it is away."""

    @property
    def models(self) -> tuple[str, ...]:
        """Return the served names as of the last check; none while the engine is away."""
        return self._models

    def require(self, model: str) -> None:
        """Return when the model can be asked now.

        Raises:
            DependencyError: The engine is away, or has no such model.
        """
        if model not in self._models:
            away = self.causes.get(_CAUSE)
            why = f"the engine is away: {away}" if away else f"served: {', '.join(self._models)}"
            raise DependencyError(
                f"{self.name} does not serve {model}; {why}",
                next_step="Ask for a model that is served, or look at the engine.",
            )

    async def on_start(self, resources: AsyncExitStack) -> None:
        """Wait until the engine serves what is expected, and begin to watch it."""
        await self.on_open(resources)
        await self._until_well()
        self.checks.add(Check(_CAUSE, self._probe, timeout=self.config.check_timeout))
        self.background.keep("watch of the engine", self._watch)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self.config.check_interval)
            try:
                await self._look()
            except self.failures as error:
                self._away(error)
                await self._until_well()
                self.log.info("engine-back", models=list(self._models))

    async def _until_well(self) -> None:
        """Try until the engine is well, with pauses that grow to the policy's longest."""
        failed = 0
        while True:
            try:
                await self._look()
            except self.failures as error:
                failed += 1
                self._away(error)
                await self._recovered(error)
                await asyncio.sleep(self.retrier.pause(failed))
            else:
                return

    async def _recovered(self, error: Exception) -> None:
        try:
            await self.on_recover(error)
        except Exception as other:
            # It may bring the engine back; that it could not must not end the watch.
            self.faults.report(other, "recovery of the engine")

    async def _look(self) -> None:
        """Ask for everything that is shown of the engine; raise where it is not well."""
        async with asyncio.timeout(self.config.check_timeout):
            await self.check_engine()
            models = await self.served_models()
            figures = await self.engine_metrics()
        if missing := [name for name in self.config.models if name not in models]:
            raise DependencyError(
                f"the engine does not serve {', '.join(missing)}; it has {', '.join(models)}",
                next_step="Compare the served names of the engine with this configuration.",
            )
        self._models = models
        self._show(figures)
        self.recover(_CAUSE)

    async def _probe(self) -> str:
        async with asyncio.timeout(self.config.check_timeout):
            await self.check_engine()
        return ", ".join(self._models)

    def _away(self, error: Exception) -> None:
        shown = error if isinstance(error, CitadelError) else DependencyError(str(error))
        reason = self.faults.safe(shown, "engine").message or "no answer in time"
        if _CAUSE not in self.causes:
            self.log.warning("engine-away", reason=reason)
        self._models = ()
        self.degrade(_CAUSE, reason)
        self._show({})

    def _show(self, figures: Mapping[str, float]) -> None:
        for model in self.config.models:
            self._gauges.served.labels(self.name, model).set(float(model in self._models))
        for name, value in figures.items():
            self._gauges.engine.labels(self.name, name).set(value)

    @cached_property
    def _gauges(self) -> ModelGauges:
        return ModelGauges(self.metrics)


class ModelGauges:
    """Families that all model services of a process share."""

    def __init__(self, metrics: MetricsRegistry) -> None:
        self.served: Gauge = metrics.gauge(
            "citadel_model_served",
            "1: the engine is well and serves the model that is expected of it.",
            ("service", "model"),
        )
        self.engine: Gauge = metrics.gauge(
            "citadel_model_engine", "Figures that the engine tells.", ("service", "figure")
        )
