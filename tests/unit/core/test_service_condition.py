"""How well a service works: causes of degradation, background work, checks, other services."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.core.demo import DemoService, others, state, value

from hxp_enterprise_llm.core.exceptions import (
    DependencyError,
)
from hxp_enterprise_llm.core.health import Check, Verdict
from hxp_enterprise_llm.core.lifecycle import State, Transition

pytestmark = pytest.mark.feature("CO-06")


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


async def test_a_service_that_starts_again_still_knows_what_it_relies_on() -> None:
    engine, router = DemoService(name="engine"), DemoService(name="router")
    router.rely_on(engine)
    async with router:
        assert router.causes == {"dependency engine": "created"}
    assert router.causes == {}
    async with router:
        assert (router.state, router.causes) == (State.DEGRADED, {"dependency engine": "created"})
        async with engine:
            assert state(router) is State.READY
    async with engine, router:
        # It was away when the router last stopped; that is over.
        assert state(router) is State.READY
        engine.degrade("gpu", "lost")
        assert router.causes == {"dependency engine": "gpu: lost"}


async def test_what_happens_to_another_service_while_one_is_stopped_is_seen_at_its_start() -> None:
    engine, router = DemoService(name="engine"), DemoService(name="router")
    router.rely_on(engine)
    async with engine:
        async with router:
            assert router.state is State.READY
        engine.degrade("gpu", "lost")
        assert router.causes == {}
        async with router:
            assert router.causes == {"dependency engine": "gpu: lost"}


async def test_a_service_can_begin_to_rely_on_another_while_it_runs() -> None:
    engine, router = DemoService(name="engine"), DemoService(name="router")
    async with router:
        for _ in range(2):
            router.rely_on(engine)
            assert router.causes == {"dependency engine": "created"}
        async with engine:
            assert state(router) is State.READY
        assert router.causes == {"dependency engine": "stopped"}
        assert [one.name for one in (await router.health()).checks] == ["dependency engine"]
