"""The contract of services holds for ours, and finds a service that breaks it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.core.demo import DemoService
from tests.unit.core.test_ai_model_service import Engine, made
from tests.unit.core.test_integration_service import Server, StoreService

from hxp_enterprise_llm.core import VllmService
from hxp_enterprise_llm.core.service import BaseService
from hxp_enterprise_llm.testing.service_contract import ServiceContract

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

pytestmark = pytest.mark.feature("CO-09", "UT-10")


class TestDemo(ServiceContract):
    def make(self) -> DemoService:
        return DemoService()


class TestIntegration(ServiceContract):
    def make(self) -> StoreService:
        return StoreService(Server())


class TestModel(ServiceContract):
    def make(self) -> VllmService:
        return made(Engine())


class Leaky(DemoService):
    """Starts a task and forgets it."""

    tasks: list[asyncio.Task[Any]]

    async def on_start(self, resources: AsyncExitStack) -> None:
        self.tasks.append(asyncio.create_task(asyncio.Event().wait()))


async def test_a_service_that_leaves_a_task_is_found() -> None:
    Leaky.tasks = []

    class Contract(ServiceContract):
        def make(self) -> BaseService[Any]:
            return Leaky()

    with pytest.raises(AssertionError, match="after a stop, no task is left, such as Task"):
        await Contract().test_it_starts_and_stops_and_leaves_no_task()
    for task in Leaky.tasks:
        task.cancel()
    await asyncio.wait(Leaky.tasks)
