"""Services of one process: made by kind, started by dependency, stopped the other way round."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.core.demo import QUICK, DemoConfig, DemoService, others, state

from hxp_enterprise_llm.core import (
    BaseInfrastructureService,
    BaseIntegrationService,
    ServiceRegistry,
    State,
    VllmService,
)
from hxp_enterprise_llm.core.exceptions import DependencyError, RegistryError
from hxp_enterprise_llm.core.health import Verdict
from hxp_enterprise_llm.core.vllm_service import VllmConfig
from hxp_enterprise_llm.testing.engine import EngineDouble

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AsyncExitStack

    from hxp_enterprise_llm.core.service import BaseService

pytestmark = pytest.mark.feature("CO-11")


class Told(DemoService):
    journal_of_all: list[str]

    async def on_start(self, resources: AsyncExitStack) -> None:
        await super().on_start(resources)
        self.journal_of_all.append(f"+{self.name}")
        resources.callback(self.journal_of_all.append, f"-{self.name}")


def registry(journal: list[str] | None = None, **needs: tuple[str, ...]) -> ServiceRegistry:
    def make(name: str, config: DemoConfig, _: Mapping[str, BaseService[Any]]) -> Told:
        service = Told(config, name=name)
        service.journal_of_all = [] if journal is None else journal
        if name == "bad":
            service.fail_at = 0
        return service

    made = ServiceRegistry()
    made.register("demo", make)
    for name, others_ in needs.items():
        made.declare(name, "demo", DemoConfig(steps=1), needs=others_)
    return made


async def test_services_start_after_those_they_need_and_stop_before_them() -> None:
    journal: list[str] = []
    services = registry(journal, api=("cache", "db"), cache=("db",), db=(), mail=())
    assert services.order() == (("db", "mail"), ("cache",), ("api",))
    async with services:
        health = await services.health()
        assert {name: str(one.verdict) for name, one in health.items()} == dict.fromkeys(
            ("api", "cache", "db", "mail"), "healthy"
        )
    assert sorted(journal[:2]) == ["+db", "+mail"]
    assert journal[2:6] == ["+cache", "+api", "-api", "-cache"]
    assert sorted(journal[6:]) == ["-db", "-mail"]
    assert not others()


async def test_a_service_that_cannot_start_stops_those_that_had() -> None:
    journal: list[str] = []
    services = registry(journal, db=(), bad=("db",), api=("bad",))
    with pytest.raises(ExceptionGroup) as caught:
        await services.start()
    assert [str(error)[:10] for error in caught.value.exceptions] == ["resource 0"]
    assert journal == ["+db", "-db"]
    assert not others()


@given(after=st.integers(0, 40), again=st.lists(st.integers(0, 6), max_size=3))
def test_a_start_that_is_cancelled_leaves_no_service(after: int, again: list[int]) -> None:
    async def attempt() -> None:
        services = registry([], api=("cache", "db"), cache=("db",), db=(), mail=())
        starting = asyncio.create_task(services.start())
        for pause in (after, *again):
            for _ in range(pause):
                await asyncio.sleep(0)
            starting.cancel()
        await asyncio.wait([starting])
        if not starting.cancelled():
            await services.stop()
        held = [service.held for service in services.make().values() if isinstance(service, Told)]
        assert held == [[], [], [], []]
        assert not others()

    asyncio.run(attempt())


async def test_a_stop_that_is_cancelled_still_stops_all() -> None:
    services = registry([], api=("db",), db=())
    await services.start()
    stopping = asyncio.create_task(services.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert {service.state for service in services.make().values()} == {State.STOPPED}
    assert not others()


def test_a_circle_is_refused_and_named() -> None:
    with pytest.raises(RegistryError, match="in a circle") as caught:
        registry(a=("b",), b=("c",), c=("a",)).order()
    text = caught.value.message
    assert any(circle in text for circle in ("a → b → c → a", "b → c → a → b", "c → a → b → c"))


def test_unknown_needs_and_kinds_are_named() -> None:
    with pytest.raises(RegistryError, match="a needs b, c, which is not declared"):
        registry(a=("c", "b")).order()
    services = registry(a=())
    services.declare("b", "other", DemoConfig())
    with pytest.raises(RegistryError, match="kind other, which has no factory") as caught:
        services.make()
    assert "demo" in caught.value.next_step


def test_names_are_declared_once_and_before_services_are_made() -> None:
    services = registry(a=())
    with pytest.raises(RegistryError, match="a is declared twice"):
        services.declare("a", "demo", DemoConfig())
    assert services.make() == services.make()
    with pytest.raises(RegistryError, match="made already"):
        services.declare("b", "demo", DemoConfig())
    with pytest.raises(RegistryError, match="made already"):
        services.register("demo", lambda *_: DemoService())


async def test_a_test_registers_another_implementation() -> None:
    services = registry(a=())
    double = DemoService(name="a")
    services.register("demo", lambda *_: double)
    async with services:
        assert double.state is State.READY


class Router(BaseInfrastructureService[DemoConfig]):
    """An infrastructure service that needs a model."""

    def __init__(self, engine: VllmService) -> None:
        super().__init__(DemoConfig(), policy=QUICK)
        self.engine = engine

    async def on_start(self, resources: AsyncExitStack) -> None:
        self.engine.require("small")


class History(BaseIntegrationService[DemoConfig, str]):
    """An integration service that stores what a model answers."""

    def __init__(self, engine: VllmService) -> None:
        super().__init__(DemoConfig(), policy=QUICK)
        self.engine = engine

    async def connect(self, config: DemoConfig) -> str:
        return ", ".join(self.engine.models)

    async def ping(self, connection: str) -> None:
        """It is always there."""

    async def disconnect(self, connection: str) -> None:
        """Nothing to close."""


@pytest.mark.feature("CO-15")
async def test_infrastructure_and_integration_services_work_with_the_model_service() -> None:
    async with EngineDouble("small") as double:
        config = VllmConfig(url=f"http://{double.address}", models=("small",), check_interval=0.02)
        services = ServiceRegistry()
        services.register("vllm", lambda name, config, _: VllmService(config, name=name))
        services.register("router", lambda _, __, needs: Router(model(needs)))
        services.register("history", lambda _, __, needs: History(model(needs)))
        services.declare("router", "router", None, needs=["engine"])
        services.declare("history", "history", None, needs=["engine"])
        services.declare("engine", "vllm", config)
        made = services.make()
        async with services, asyncio.timeout(20):
            history = made["history"]
            assert isinstance(history, History)
            assert await history.call(answer) == "small"
            await double.kill()
            for name in ("router", "history"):
                await made[name].lifecycle.wait_for(State.DEGRADED)
                assert "dependency engine" in made[name].causes
            engine = made["engine"]
            assert isinstance(engine, VllmService)
            with pytest.raises(DependencyError):
                engine.require("small")
            await double.start()
            for name in ("router", "history"):
                await made[name].lifecycle.wait_for(State.READY)


class Reader(BaseInfrastructureService[DemoConfig]):
    """An infrastructure service that can do without a model for a while."""

    async def on_start(self, resources: AsyncExitStack) -> None:
        """It needs nothing more."""


@pytest.mark.feature("CO-15")
async def test_a_service_that_starts_again_while_the_engine_is_away_knows_it() -> None:
    async with EngineDouble("small") as double:
        config = VllmConfig(url=f"http://{double.address}", models=("small",), check_interval=0.02)
        engine = VllmService(config, name="engine", policy=QUICK)
        reader = Reader(DemoConfig(), policy=QUICK)
        reader.rely_on(engine)
        async with engine, asyncio.timeout(20):
            async with reader:
                assert reader.state is State.READY
            await double.kill()
            await engine.lifecycle.wait_for(State.DEGRADED)
            async with reader:
                assert state(reader) is State.DEGRADED
                assert "dependency engine" in reader.causes
                assert (await reader.health()).verdict is Verdict.DEGRADED
                await double.start()
                await reader.lifecycle.wait_for(State.READY)
                assert reader.causes == {}


async def answer(connection: str) -> str:
    return connection


def model(needs: Mapping[str, BaseService[Any]]) -> VllmService:
    engine = needs["engine"]
    assert isinstance(engine, VllmService)
    return engine
