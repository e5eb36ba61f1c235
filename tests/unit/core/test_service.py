"""The base of every service: cancellation-safe start and stop, health, metrics, reload, given."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.core.demo import QUICK, DemoConfig, DemoService, others

from hxp_enterprise_llm.core.exceptions import (
    DependencyError,
    ExitCode,
    LifecycleError,
    StartTimeoutError,
)
from hxp_enterprise_llm.core.health import Check, Verdict
from hxp_enterprise_llm.core.lifecycle import State, Transition
from hxp_enterprise_llm.core.metrics import MetricsRegistry
from hxp_enterprise_llm.core.service import BaseService
from hxp_enterprise_llm.utilities.breaker import BreakerState
from hxp_enterprise_llm.utilities.redaction import Redactor

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

pytestmark = pytest.mark.feature("CO-06", "CO-07")


def value(service: BaseService[Any], name: str, **labels: str) -> float | None:
    found: float | None = service.metrics.registry.get_sample_value(
        name, {"service": service.name, **labels}
    )
    return found


def state(service: BaseService[Any]) -> State:
    return service.state


async def steps(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def until(service: BaseService[Any], *states: State) -> None:
    async with asyncio.timeout(5):
        await service.lifecycle.wait_for(*states)


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


async def test_a_process_that_ends_leaves_no_service_behind() -> None:
    service = DemoService()
    await service.start()
    task = next(task for task in others() if task.get_name() == "service demo")
    task.cancel()
    await until(service, State.STOPPED)
    assert service.held == []
    await service.stop()


async def test_degradation_has_causes_and_ends_with_the_last() -> None:
    async with DemoService() as service:
        service.degrade("redis", "away")
        service.degrade("disk", "full")
        service.degrade("redis", "still away")
        assert service.state is State.DEGRADED
        assert service.causes == {"redis": "still away", "disk": "full"}
        assert service.lifecycle.reason == "redis: away"
        service.recover("redis")
        assert service.state is State.DEGRADED
        service.recover("disk")
        service.recover("disk")
        assert state(service) is State.READY


async def test_a_service_can_start_degraded() -> None:
    class Partly(DemoService):
        async def on_start(self, resources: AsyncExitStack) -> None:
            self.degrade("cache", "away")

    async with Partly() as service:
        assert (service.state, service.lifecycle.reason) == (State.DEGRADED, "cache")


@pytest.mark.feature("UT-07")
async def test_background_work_that_fails_degrades_and_starts_again() -> None:
    third = asyncio.Event()

    class Failing(DemoService):
        runs = 0

        async def tick(self) -> None:
            self.runs += 1
            if self.runs < 3:
                raise OSError("disk is full")
            third.set()
            await asyncio.Event().wait()

    service, seen = Failing(), list[Transition]()
    service.lifecycle.observe(seen.append)
    async with service:
        async with asyncio.timeout(5):
            await third.wait()
        assert service.state is State.READY
    assert [str(one.new) for one in seen].count("degraded") == 2
    assert not others()


async def test_work_that_runs_once_is_only_reported_when_it_fails() -> None:
    async def fail() -> None:
        raise DependencyError("could not warm up")

    async with DemoService() as service:
        await service.background.once("warm-up", fail)
        assert service.state is State.READY
        labels = {"code": "dependency.unavailable", "handling": "reported"}
        assert value(service, "citadel_service_faults_total", **labels) == 1


async def test_health_is_the_worst_of_state_and_checks() -> None:
    async def fine() -> str:
        return "3 shards"

    async def broken() -> None:
        raise OSError("password=hunter22")

    async def endless() -> None:
        await asyncio.Event().wait()

    service = DemoService()
    assert (await service.health()).verdict is Verdict.UNHEALTHY
    async with service:
        service.checks.add(Check("index", fine))
        healthy = await service.health()
        assert (healthy.service, healthy.state) == ("demo", State.READY)
        assert healthy.verdict is Verdict.HEALTHY
        assert [(one.name, one.detail) for one in healthy.checks] == [("index", "3 shards")]
        service.checks.add(Check("cache", endless, critical=False, timeout=0.01))
        degraded = await service.health()
        assert degraded.verdict is Verdict.DEGRADED
        assert degraded.checks[1].detail == "no answer within 0.01 s"
        assert degraded.checks[1].seconds >= 0.01
        service.checks.add(Check("disk", broken))
        for _ in range(2):
            unhealthy = await service.health()
        assert unhealthy.verdict is Verdict.UNHEALTHY
        assert "hunter22" not in unhealthy.checks[2].detail
        assert value(service, "citadel_service_check_up", check="index") == 1
        assert value(service, "citadel_service_check_up", check="disk") == 0
        labels = {"code": "citadel.unexpected", "handling": "reported"}
        # A check that keeps failing is reported once, not each time that it is asked.
        assert value(service, "citadel_service_faults_total", **labels) == 1
        service.checks.remove("disk")
        service.checks.remove("cache")
        service.degrade("disk", "slow")
        assert (await service.health()).verdict is Verdict.DEGRADED


async def test_metrics_show_the_state_in_a_registry_that_services_share() -> None:
    metrics = MetricsRegistry()
    first = DemoService(name="first", metrics=metrics)
    second = DemoService(name="second", metrics=metrics)
    async with first, second:
        second.degrade("disk", "full")
        text = metrics.expose().decode()
    assert 'citadel_service_state{service="first",state="ready"} 1.0' in text
    assert 'citadel_service_state{service="second",state="ready"} 0.0' in text
    assert 'citadel_service_state{service="second",state="degraded"} 1.0' in text


async def test_metrics_can_go_to_a_registry_that_exists() -> None:
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry()
    async with DemoService(metrics=MetricsRegistry(registry)):
        assert registry.get_sample_value(
            "citadel_service_state", {"service": "demo", "state": "ready"}
        )


async def test_retry_and_breaker_are_given_and_measured() -> None:
    async with DemoService() as service:
        tries = 0

        async def flaky() -> str:
            nonlocal tries
            tries += 1
            if tries < 3:
                raise OSError("reset")
            return "answer"

        assert await service.retrier.call("fetch", flaky, on=(OSError,)) == "answer"
        assert value(service, "citadel_service_retries_total", operation="fetch") == 2
        breaker = service.breaker("redis", counts=lambda _: True)
        for _ in range(QUICK.breaker.calls):
            with contextlib.suppress(OSError), breaker.permit():
                raise OSError
        assert breaker.state is BreakerState.OPEN
        labels = {"dependency": "redis", "state": "open"}
        assert value(service, "citadel_service_breaker_state", **labels) == 1


async def test_it_logs_through_the_logger_that_it_is_given() -> None:
    events: list[tuple[str, dict[str, Any]]] = []

    class Journal:
        def info(self, event: str, **fields: Any) -> None:
            events.append((event, fields))

        debug = warning = error = exception = info

        def bind(self, **_: Any) -> Journal:
            return self

    async with DemoService(logger=Journal()) as service:
        service.faults.report(DependencyError("redis is away"), "read")
    assert [event for event, _ in events] == ["started", "fault", "stopped"]
    assert events[1][1]["message"] == "redis is away"


async def test_a_value_that_the_process_has_learnt_is_in_no_error() -> None:
    redactor = Redactor()
    redactor.learn("geheimnis-1")

    async def broken() -> None:
        raise DependencyError("no answer to geheimnis-1")

    async with DemoService(redactor=redactor) as service:
        service.checks.add(Check("vault", broken))
        assert (await service.health()).checks[0].detail == "no answer to [redacted]"


async def test_metrics_of_a_service_s_own_are_made_once() -> None:
    async with DemoService() as service:
        for _ in range(2):
            service.metrics.counter("citadel_demo_jobs", "Jobs.", ("kind",)).labels("a").inc()
            service.metrics.gauge("citadel_demo_queue", "Waiting.", ()).set(4)
        text = service.metrics.expose().decode()
    assert 'citadel_demo_jobs_total{kind="a"} 2.0' in text
    assert "citadel_demo_queue 4.0" in text


async def test_an_observer_that_fails_is_reported() -> None:
    def broken(_: Transition) -> None:
        raise ValueError("observer")

    service = DemoService()
    service.lifecycle.observe(broken)
    async with service:
        labels = {"code": "citadel.unexpected", "handling": "reported"}
        assert value(service, "citadel_service_faults_total", **labels) == 2


async def test_a_reload_is_prepared_first_and_then_in_force() -> None:
    async with DemoService() as service:
        await service.reload(DemoConfig(steps=5))
        assert service.config.steps == 5
        assert service.journal[-2:] == ["prepare 5", "commit 5"]
        assert value(service, "citadel_service_reloads_total", outcome="applied") == 1


async def test_a_refused_reload_changes_nothing() -> None:
    async with DemoService() as service:
        with pytest.raises(ValueError, match="too many steps"):
            await service.reload(DemoConfig(steps=11))
        assert service.config.steps == 3
        assert value(service, "citadel_service_reloads_total", outcome="refused") == 1


async def test_what_another_part_refused_is_abandoned() -> None:
    async with DemoService() as service:
        await service.abandon(await service.prepare(DemoConfig(steps=6)))
        assert service.config.steps == 3
        assert service.journal[-1] == "abandon 6"


async def test_a_service_that_does_not_run_takes_a_configuration_without_building() -> None:
    service = DemoService()
    await service.abandon(await service.prepare(DemoConfig(steps=6)))
    prepared = await service.prepare(DemoConfig(steps=5))
    service.commit(prepared)
    assert (service.config.steps, service.journal) == (5, [])
    async with service:
        with pytest.raises(LifecycleError, match="started after"):
            service.commit(prepared)
        prepared = await service.prepare(DemoConfig(steps=7))
    service.commit(prepared)
    await asyncio.wait(others())
    assert service.config.steps == 7
    assert service.journal[-1] == "abandon 7"


async def test_reliance_on_another_service_shows_in_state_and_health() -> None:
    redis, gateway = DemoService(name="redis"), DemoService(name="gateway")
    gateway.rely_on(redis)
    async with gateway:
        assert gateway.state is State.DEGRADED
        assert (await gateway.health()).verdict is Verdict.DEGRADED
        async with redis:
            assert state(gateway) is State.READY
            assert (await gateway.health()).checks[0].detail == "ready"
            redis.degrade("disk", "full")
            assert gateway.causes == {"dependency redis": "disk: full"}
            redis.recover("disk")
            assert state(gateway) is State.READY
        assert gateway.causes == {"dependency redis": "stopped"}
        assert (await gateway.health()).checks[0].detail == "redis is stopped"


def test_a_service_is_named_after_its_class() -> None:
    class VectorDatabaseService(DemoService):
        pass

    class Named(DemoService):
        kind = "special"

    assert (VectorDatabaseService().name, Named().name) == ("vector-database", "special")
    assert DemoService(name="other").name == "other"
    assert LifecycleError.exit_code is ExitCode.ERROR
