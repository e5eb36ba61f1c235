"""Starting a service: in order, or undone wherever it fails or is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.core.demo import QUICK, DemoConfig, DemoService, others, steps, value

from hxp_enterprise_llm.core.exceptions import (
    ExitCode,
    LifecycleError,
    StartTimeoutError,
)
from hxp_enterprise_llm.core.lifecycle import State, Transition

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

pytestmark = pytest.mark.feature("CO-06")


async def test_a_service_starts_drains_and_stops_in_reverse_order() -> None:
    service, seen = DemoService(), list[Transition]()
    service.lifecycle.observe(seen.append)
    async with service:
        assert service.state is State.READY
        assert service.held == [0, 1, 2]
    assert service.journal == [
        *["open 0", "open 1", "open 2"],
        "drain",
        *["close 2", "close 1", "close 0"],
    ]
    assert [str(transition.new) for transition in seen] == [
        "starting",
        "ready",
        "draining",
        "stopped",
    ]
    assert not others()


async def test_a_stopped_service_starts_again() -> None:
    service = DemoService()
    for _ in range(2):
        async with service:
            assert service.held == [0, 1, 2]
        assert service.state is State.STOPPED
    assert not others()


@given(
    config=st.builds(DemoConfig, steps=st.integers(0, 4), rest=st.integers(0, 3)),
    after=st.integers(0, 40),
    again=st.lists(st.integers(0, 5), max_size=4),
)
def test_a_start_that_is_cancelled_at_any_await_leaves_nothing(
    config: DemoConfig, after: int, again: list[int]
) -> None:
    async def attempt() -> None:
        service = DemoService(config)
        starting = asyncio.create_task(service.start())
        for pause in (after, *again):
            await steps(pause)
            starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
        if starting.cancelled():
            assert service.state in (State.STOPPED, State.CREATED)
        else:
            assert service.state is State.READY
            await service.stop()
        assert service.held == []
        assert not others()

    asyncio.run(attempt())


@pytest.mark.parametrize("gap", [1, 2, 3, 5])
async def test_a_start_that_is_cancelled_again_and_again_is_undone_first(gap: int) -> None:
    for after in range(3, 13):
        service = DemoService(DemoConfig(steps=4, rest=3))
        starting = asyncio.create_task(service.start())
        await steps(after)
        while not starting.done():
            starting.cancel()
            await steps(gap)
        assert starting.cancelled()
        assert (service.state, service.held) == (State.STOPPED, [])
        assert not others()


@given(fail_at=st.integers(0, 3), broken=st.sets(st.integers(0, 3)))
def test_a_start_that_fails_undoes_itself_and_keeps_its_own_error(
    fail_at: int, broken: set[int]
) -> None:
    async def attempt() -> None:
        service = DemoService(DemoConfig(steps=4))
        service.fail_at, service.fail_close = fail_at, broken
        with pytest.raises(ValueError, match=f"resource {fail_at}"):
            await service.start()
        assert (service.state, service.held) == (State.STOPPED, [])
        assert service.journal[fail_at:] == [f"close {n}" for n in reversed(range(fail_at))]
        assert "hunter22" not in service.lifecycle.reason
        assert "failed unexpectedly (incident" in service.lifecycle.reason
        labels = {"code": "citadel.unexpected", "handling": "reported"}
        closed_badly = bool(broken & set(range(fail_at)))
        assert value(service, "citadel_service_faults_total", **labels) == 1 + closed_badly
        assert not others()

    asyncio.run(attempt())


async def test_a_start_that_takes_too_long_fails_and_names_what_it_waited_for() -> None:
    class Slow(DemoService):
        async def on_start(self, resources: AsyncExitStack) -> None:
            await super().on_start(resources)
            self.degrade("disk", "not mounted")
            await asyncio.Event().wait()

    service = Slow(policy=QUICK.model_copy(update={"start_timeout": 0.01}))
    assert service.kind == "slow"
    with pytest.raises(StartTimeoutError, match=r"not ready within 0\.01 s; disk: not mounted"):
        await service.start()
    assert (service.state, service.held) == (State.STOPPED, [])


async def test_a_service_cannot_be_started_twice() -> None:
    async with DemoService() as service:
        with pytest.raises(LifecycleError, match="cannot become starting"):
            await service.start()
        assert service.state is State.READY


async def test_a_service_can_start_degraded() -> None:
    class Partly(DemoService):
        async def on_start(self, resources: AsyncExitStack) -> None:
            self.degrade("cache", "away")

    async with Partly() as service:
        assert (service.state, service.lifecycle.reason) == (State.DEGRADED, "cache")


def test_a_service_is_named_after_its_class() -> None:
    class VectorDatabaseService(DemoService):
        pass

    class Named(DemoService):
        kind = "special"

    assert (VectorDatabaseService().name, Named().name) == ("vector-database", "special")
    assert DemoService(name="other").name == "other"
    assert LifecycleError.exit_code is ExitCode.ERROR
