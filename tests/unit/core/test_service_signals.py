"""A service as a process: it serves until a signal."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest
from tests.unit.core.demo import DemoService, others, steps, until

from hxp_enterprise_llm.core.exceptions import (
    LifecycleError,
)
from hxp_enterprise_llm.core.lifecycle import State

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

pytestmark = pytest.mark.feature("CO-06")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_a_service(number: signal.Signals) -> None:
    service = DemoService()
    running = asyncio.create_task(service.run_until_signal())
    await until(service, State.READY)
    os.kill(os.getpid(), number)
    async with asyncio.timeout(5):
        await running
    assert service.journal[3:] == ["drain", "close 2", "close 1", "close 0"]
    assert not others()


async def test_a_second_signal_cuts_draining_short_but_not_closing() -> None:
    service = DemoService()
    service.hold_drain = asyncio.Event()
    running = asyncio.create_task(service.run_until_signal())
    await until(service, State.READY)
    service.ask_stop()
    await until(service, State.DRAINING)
    await steps(3)
    service.ask_stop()
    service.ask_stop()
    async with asyncio.timeout(5):
        await running
    assert service.held == []


async def test_a_signal_while_it_starts_is_no_failure() -> None:
    class Endless(DemoService):
        async def on_start(self, resources: AsyncExitStack) -> None:
            await super().on_start(resources)
            self.ask_stop()
            await asyncio.Event().wait()

    service = Endless()
    await service.run_until_signal()
    assert (service.state, service.held) == (State.STOPPED, [])


async def test_a_service_that_cannot_start_ends_with_its_error() -> None:
    service = DemoService()
    service.fail_at = 1
    with pytest.raises(ValueError, match="resource 1"):
        await service.run_until_signal()
    running = DemoService()
    async with running:
        with pytest.raises(LifecycleError, match="cannot become starting"):
            await running.run_until_signal()
