"""What neither ends nor lets itself be cancelled is given up: no start and no stop hangs on it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

import pytest
from tests.unit.core.demo import QUICK, DemoService, others, state, steps, until

from hxp_enterprise_llm.core.exceptions import LifecycleError, StartTimeoutError
from hxp_enterprise_llm.core.lifecycle import State

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

pytestmark = pytest.mark.feature("CO-06")

SHORT = QUICK.model_copy(
    update={"start_timeout": 0.03, "drain_timeout": 0.03, "stop_timeout": 0.03}
)


async def insist(until_this: asyncio.Event) -> None:
    """Wait, whoever cancels it."""
    while not until_this.is_set():
        with contextlib.suppress(asyncio.CancelledError):
            await until_this.wait()


class Stubborn(DemoService):
    """Cannot be cancelled: while it starts, or while it closes after a start that failed."""

    def __init__(self, *, at: str) -> None:
        super().__init__(policy=SHORT)
        self.at, self.free = at, asyncio.Event()

    async def on_start(self, resources: AsyncExitStack) -> None:
        await super().on_start(resources)
        if self.at in {"close", "stop"}:
            resources.push_async_callback(insist, self.free)
        if self.at == "close":
            raise ValueError("no such model")
        if self.at == "start":
            await insist(self.free)


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.msg["event"] for record in caplog.records if isinstance(record.msg, dict)]


async def test_a_close_that_hangs_after_a_failed_start_is_cut_short_and_the_rest_is_closed() -> (
    None
):
    class Hanging(DemoService):
        async def on_start(self, resources: AsyncExitStack) -> None:
            await super().on_start(resources)
            resources.push_async_callback(asyncio.Event().wait)
            raise ValueError("no such model")

    service = Hanging(policy=SHORT)
    async with asyncio.timeout(5):
        with pytest.raises(ValueError, match="no such model"):
            await service.start()
    assert (service.state, service.held) == (State.STOPPED, [])
    assert not others()


@pytest.mark.parametrize("at", ["start", "close"])
async def test_a_start_whose_undo_cannot_be_cancelled_is_given_up(
    at: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    service = Stubborn(at=at)
    async with asyncio.timeout(5):
        with pytest.raises(StartTimeoutError if at == "start" else ValueError):
            await service.start()
    assert service.state is State.STOPPED
    assert "stop-given-up" in events(caplog)
    service.free.set()
    await asyncio.wait(others())
    assert service.held == []


@pytest.mark.parametrize("end", ["cancel", "stop"])
async def test_who_cancels_or_stops_a_stubborn_start_does_not_wait_for_ever(end: str) -> None:
    service = Stubborn(at="start")
    service.policy = SHORT.model_copy(update={"start_timeout": 60.0})
    starting = asyncio.create_task(service.start())
    await until(service, State.STARTING)
    await steps(20)
    async with asyncio.timeout(5):
        if end == "cancel":
            starting.cancel()
        else:
            await service.stop()
        with pytest.raises(asyncio.CancelledError if end == "cancel" else LifecycleError):
            await starting
    assert service.state is State.STOPPED
    service.free.set()
    await asyncio.wait(others())
    assert service.held == []


async def test_a_stop_that_cannot_be_cancelled_is_given_up() -> None:
    service = Stubborn(at="stop")
    await service.start()
    async with asyncio.timeout(5):
        await service.stop()
    assert service.state is State.STOPPED
    service.free.set()
    await asyncio.wait(others())
    assert service.held == []


async def test_a_run_that_was_given_up_leaves_the_next_one_alone() -> None:
    service = Stubborn(at="start")
    with pytest.raises(StartTimeoutError):
        await service.start()
    old = others()
    service.at = ""
    async with service:
        service.free.set()
        await asyncio.wait(old)
        assert state(service) is State.READY
        assert {task.get_name() for task in others() - old} == {"service stubborn", "tick"}
    assert service.held == []
