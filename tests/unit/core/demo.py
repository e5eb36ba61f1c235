"""Services for the tests of the bases: real subclasses that write down what happens to them."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Unpack

from hxp_enterprise_llm.core.lifecycle import State
from hxp_enterprise_llm.core.policy import ServicePolicy
from hxp_enterprise_llm.core.service import BaseService, ServiceOptions
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.utilities.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

logging.getLogger("citadel").addHandler(logging.NullHandler())

QUICK = ServicePolicy(
    start_timeout=5,
    drain_timeout=5,
    stop_timeout=5,
    retry=RetryPolicy(attempts=3, first_wait=0.001, longest_wait=0.002, deadline=None),
)


class DemoConfig(CitadelModel):
    steps: int = 3
    rest: int = 2


class DemoService(BaseService[DemoConfig]):
    """Acquires `steps` resources, each with `rest` awaits, and leaves them again."""

    def __init__(self, config: DemoConfig | None = None, **options: Unpack[ServiceOptions]) -> None:
        options.setdefault("policy", QUICK)
        super().__init__(config or DemoConfig(), **options)
        self.held: list[int] = []
        self.journal: list[str] = []
        self.fail_at: int | None = None
        self.fail_close: set[int] = set()
        self.hold_drain: asyncio.Event | None = None
        self.hold_close: asyncio.Event | None = None

    @asynccontextmanager
    async def resource(self, number: int) -> AsyncIterator[None]:
        for _ in range(self.config.rest):
            await asyncio.sleep(0)
        if number == self.fail_at:
            raise ValueError(f"resource {number} with password=hunter22")
        self.held.append(number)
        self.journal.append(f"open {number}")
        try:
            yield
        finally:
            if self.hold_close is not None:
                await self.hold_close.wait()
            for _ in range(self.config.rest):
                await asyncio.sleep(0)
            self.held.remove(number)
            self.journal.append(f"close {number}")
            if number in self.fail_close:
                raise OSError(f"close {number}")

    async def on_start(self, resources: AsyncExitStack) -> None:
        for number in range(self.config.steps):
            await resources.enter_async_context(self.resource(number))
        self.background.keep("tick", self.tick)

    async def tick(self) -> None:
        await asyncio.Event().wait()

    async def on_drain(self) -> None:
        self.journal.append("drain")
        if self.hold_drain is not None:
            await self.hold_drain.wait()

    async def on_prepare(self, config: DemoConfig) -> Any:
        if config.steps > 10:
            raise ValueError("too many steps")
        self.journal.append(f"prepare {config.steps}")
        return config.steps

    def on_commit(self, built: Any) -> None:
        self.journal.append(f"commit {built}")

    async def on_abandon(self, built: Any) -> None:
        self.journal.append(f"abandon {built}")


def others() -> set[asyncio.Task[Any]]:
    """Return all tasks but the one that asks."""
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


def value(service: BaseService[Any], name: str, **labels: str) -> float | None:
    """Return a sample of a service's metrics."""
    found: float | None = service.metrics.registry.get_sample_value(
        name, {"service": service.name, **labels}
    )
    return found


def state(service: BaseService[Any]) -> State:
    """Return the state anew: a type checker believes that it stays as it was asserted."""
    return service.state


async def steps(count: int) -> None:
    """Let all other tasks go on so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(service: BaseService[Any], *states: State) -> None:
    """Wait until a service is in one of the states."""
    async with asyncio.timeout(5):
        await service.lifecycle.wait_for(*states)
