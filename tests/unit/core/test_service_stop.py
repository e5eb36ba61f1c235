"""Draining and stopping a service: everything is closed, however often the wait is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.core.demo import QUICK, DemoConfig, DemoService, others, steps, until, value

from hxp_enterprise_llm.core.exceptions import (
    DependencyError,
    LifecycleError,
)
from hxp_enterprise_llm.core.lifecycle import State

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

pytestmark = pytest.mark.feature("CO-06")


@given(
    config=st.builds(DemoConfig, steps=st.integers(0, 4), rest=st.integers(0, 3)),
    pauses=st.lists(st.integers(0, 8), min_size=1, max_size=6),
)
def test_a_stop_that_is_cancelled_at_any_await_still_stops_everything(
    config: DemoConfig, pauses: list[int]
) -> None:
    async def attempt() -> None:
        service = DemoService(config)
        await service.start()
        stopping = asyncio.create_task(service.stop())
        for pause in pauses:
            await steps(pause)
            stopping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stopping
        if service.state is State.READY:
            # It was cancelled before its first step: it never began.
            await service.stop()
        assert (service.state, service.held) == (State.STOPPED, [])
        assert not others()

    asyncio.run(attempt())


async def test_a_service_that_was_never_started_stops_at_once() -> None:
    service = DemoService()
    with pytest.raises(LifecycleError, match="nothing to drain"):
        await service.drain()
    await service.stop()
    await service.stop()
    assert service.state is State.STOPPED


async def test_stopping_while_it_starts_ends_the_start() -> None:
    class Endless(DemoService):
        async def on_start(self, resources: AsyncExitStack) -> None:
            await super().on_start(resources)
            await asyncio.Event().wait()

    service = Endless()
    starting = asyncio.create_task(service.start())
    await steps(15)
    assert service.held
    await service.stop()
    with pytest.raises(LifecycleError, match="stopped while it started"):
        await starting
    assert (service.state, service.held) == (State.STOPPED, [])


async def test_draining_waits_for_the_work_and_leaves_the_service_draining() -> None:
    service = DemoService()
    service.hold_drain = asyncio.Event()
    await service.start()
    draining = asyncio.create_task(service.drain())
    await until(service, State.DRAINING)
    assert not draining.done()
    service.hold_drain.set()
    await draining
    await service.drain()
    assert (service.state, service.held) == (State.DRAINING, [0, 1, 2])
    await service.stop()
    assert service.journal.count("drain") == 1


async def test_draining_ends_with_its_time() -> None:
    service = DemoService(policy=QUICK.model_copy(update={"drain_timeout": 0.01}))
    service.hold_drain = asyncio.Event()
    async with service:
        pass
    assert service.held == []


async def test_work_that_cannot_be_drained_is_reported_and_the_service_stops() -> None:
    class Bad(DemoService):
        async def on_drain(self) -> None:
            raise DependencyError("queue is gone")

    async with Bad() as service:
        pass
    labels = {"code": "dependency.unavailable", "handling": "reported"}
    assert value(service, "citadel_service_faults_total", **labels) == 1


async def test_a_resource_that_does_not_close_is_cut_short_and_the_others_are_closed() -> None:
    service = DemoService(
        policy=QUICK.model_copy(update={"drain_timeout": 0.0, "stop_timeout": 0.02})
    )
    await service.start()

    class Stuck(asyncio.Event):
        async def wait(self) -> Any:
            service.hold_close = None
            return await super().wait()

    service.hold_close = Stuck()
    await service.stop()
    assert service.state is State.STOPPED
    assert service.journal[-2:] == ["close 1", "close 0"]
    assert not others()


async def test_a_service_does_not_wait_for_its_own_end() -> None:
    class Ending(DemoService):
        async def tick(self) -> None:
            with pytest.raises(LifecycleError, match="cannot wait for its own end"):
                await self.stop()
            self.ask_stop()

    service = Ending()
    await service.run_until_signal()
    assert service.state is State.STOPPED


async def test_a_process_that_ends_leaves_no_service_behind() -> None:
    service = DemoService()
    await service.start()
    task = next(task for task in others() if task.get_name() == "service demo")
    task.cancel()
    await until(service, State.STOPPED)
    assert service.held == []
    await service.stop()
