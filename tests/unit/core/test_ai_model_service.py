"""An engine with its models: readiness, health, metrics, recovery; vLLM's own paths over TCP."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError
from tests.unit.core.demo import QUICK, others

from hxp_enterprise_llm.core import BaseAIModelService, VllmService
from hxp_enterprise_llm.core.ai_model_service import ModelServiceConfig
from hxp_enterprise_llm.core.exceptions import DependencyError, StartTimeoutError
from hxp_enterprise_llm.core.health import Verdict
from hxp_enterprise_llm.core.lifecycle import State
from hxp_enterprise_llm.core.metrics import MetricsRegistry
from hxp_enterprise_llm.core.vllm_service import FIGURES, VllmConfig
from hxp_enterprise_llm.testing.engine import EngineDouble
from hxp_enterprise_llm.utilities.http import Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AsyncExitStack

pytestmark = pytest.mark.feature("CO-03", "CO-04")

PATIENT = QUICK.model_copy(update={"start_timeout": 20})


class Engine:
    """vLLM's answers without a network; counts what was asked."""

    def __init__(self) -> None:
        self.healthy = True
        self.models = b'{"data": [{"id": "small"}, {"id": "adapter"}]}'
        self.metrics = (
            "# HELP vllm:num_requests_running Requests.\n"
            'vllm:num_requests_running{engine="0",model_name="small"} 2.0\n'
            'vllm:num_requests_running{engine="1",model_name="small"} 1.0\n'
            'vllm:num_requests_waiting{engine="0"} 4.0\n'
            "vllm:kv_cache_usage_perc 0.25\n"
            "vllm:other 7\n"
        )
        self.asked: Counter[str] = Counter()
        self.closed = 0

    async def get(self, path: str, *, timeout: float) -> Reply:  # noqa: ASYNC109
        assert timeout == 1
        self.asked[path] += 1
        await asyncio.sleep(0)
        if not self.healthy:
            raise DependencyError("connection refused")
        answers = {"/health": b"", "/v1/models": self.models, "/metrics": self.metrics.encode()}
        return Reply(200 if path in answers else 404, answers.get(path, b""))

    async def close(self) -> None:
        self.closed += 1


def config(**more: Any) -> VllmConfig:
    given = {"url": "http://127.0.0.1:8000", "models": ("small",), "check_timeout": 1}
    return VllmConfig(**{**given, "check_interval": 0.005, **more})


def made(engine: Engine, kind: type[VllmService] = VllmService, **more: Any) -> VllmService:
    return kind(config(**more), transport=lambda _: engine, policy=PATIENT, name="vllm")


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
async def vllm(engine: Engine) -> AsyncIterator[VllmService]:
    async with made(engine) as service:
        yield service


async def becomes(service: VllmService, *states: State) -> None:
    async with asyncio.timeout(10):
        await service.lifecycle.wait_for(*states)


def figure(service: VllmService, name: str, **labels: str) -> float | None:
    labels = {"service": "vllm", **labels}
    found: float | None = service.metrics.registry.get_sample_value(name, labels)
    return found


async def test_it_is_ready_when_the_engine_serves_what_is_expected(
    engine: Engine, vllm: VllmService
) -> None:
    assert isinstance(vllm, BaseAIModelService)
    assert vllm.state is State.READY
    assert vllm.models == ("small", "adapter")
    vllm.require("adapter")
    with pytest.raises(DependencyError, match="does not serve large; served: small, adapter"):
        vllm.require("large")
    assert set(engine.asked) == {"/health", "/v1/models", "/metrics"}


async def test_its_metrics_are_sums_of_vllms_own(vllm: VllmService) -> None:
    assert list(FIGURES) == [
        "vllm:num_requests_running",
        "vllm:num_requests_waiting",
        "vllm:kv_cache_usage_perc",
    ]
    assert figure(vllm, "citadel_model_engine", figure="requests_running") == 3
    assert figure(vllm, "citadel_model_engine", figure="requests_waiting") == 4
    assert figure(vllm, "citadel_model_engine", figure="kv_cache_used") == 0.25
    assert figure(vllm, "citadel_model_served", model="small") == 1


async def test_its_health_names_the_models(engine: Engine, vllm: VllmService) -> None:
    health = await vllm.health()
    assert (health.verdict, health.checks[0].detail) == (Verdict.HEALTHY, "small, adapter")
    engine.healthy = False
    assert (await vllm.health()).verdict is Verdict.UNHEALTHY


async def test_starting_waits_for_an_engine_that_loads(engine: Engine) -> None:
    engine.healthy = False
    service = made(engine)
    starting = asyncio.create_task(service.start())
    async with asyncio.timeout(10):
        while engine.asked["/health"] < 5:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert service.state is State.STARTING
    engine.healthy = True
    await starting
    await service.stop()
    assert engine.closed == 1
    assert not others()


async def test_an_engine_that_never_comes_is_named(engine: Engine) -> None:
    engine.models = b'{"data": [{"id": "large"}]}'
    service = VllmService(
        config(),
        transport=lambda _: engine,
        policy=PATIENT.model_copy(update={"start_timeout": 0.05}),
    )
    with pytest.raises(StartTimeoutError, match="engine: the engine does not serve small; it has"):
        await service.start()
    assert engine.closed == 1


@pytest.mark.feature("CO-05")
async def test_an_engine_that_goes_away_is_asked_to_recover_and_is_back_by_itself(
    engine: Engine,
) -> None:
    class Recovering(VllmService):
        told: list[str]

        async def on_recover(self, error: Exception) -> None:
            self.told.append(str(error))
            if len(self.told) == 1:
                raise OSError("systemctl is missing")
            engine.healthy = True

    Recovering.told = []
    service = made(engine, Recovering)
    async with service:
        engine.healthy = False
        await becomes(service, State.DEGRADED)
        assert not service.models
        assert figure(service, "citadel_model_served", model="small") == 0
        with pytest.raises(DependencyError, match="the engine is away: connection refused"):
            service.require("small")
        await becomes(service, State.READY)
        service.require("adapter")
    assert Recovering.told == ["connection refused", "connection refused"]


@pytest.mark.feature("CO-05")
async def test_a_model_that_vanishes_is_noticed(engine: Engine, vllm: VllmService) -> None:
    engine.models = b'{"data": [{"id": "adapter"}]}'
    await becomes(vllm, State.DEGRADED)
    assert vllm.causes["engine"] == "the engine does not serve small; it has adapter"


@pytest.mark.feature("CO-05")
async def test_a_reload_asks_the_new_engine_first(engine: Engine, vllm: VllmService) -> None:
    other = Engine()
    other.models = b'{"data": [{"id": "large"}]}'
    vllm._connect = lambda _: other
    with pytest.raises(DependencyError, match="does not serve small; it has large"):
        await vllm.reload(config(url="http://127.0.0.1:8001"))
    assert (vllm.config.url, other.closed) == ("http://127.0.0.1:8000", 1)
    await vllm.abandon(await vllm.prepare(config(models=("large",))))
    assert other.closed == 2
    await vllm.reload(config(models=("large",)))
    async with asyncio.timeout(10):
        while vllm.models != ("large",) or not engine.closed:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.mark.feature("CO-05")
@pytest.mark.parametrize(
    "wrong",
    [{"url": "127.0.0.1:8000"}, {"url": "http://u@h"}, {"models": ()}, {"check_interval": 0}],
)
def test_its_configuration_is_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(**wrong)


@pytest.mark.feature("CO-05")
@pytest.mark.parametrize("answer", [b"<html>", b"{}", b'{"data": [1]}'])
async def test_something_else_on_the_port_is_named(engine: Engine, answer: bytes) -> None:
    service = made(engine)
    engine.models = answer
    with pytest.raises(DependencyError, match="the answer is no list of models"):
        await service.served_models()


async def test_it_speaks_to_an_engine_over_tcp_and_sees_it_die_and_return() -> None:
    async with EngineDouble("small") as double:
        service = VllmService(
            config(url=f"http://{double.address}", check_interval=0.02), policy=PATIENT
        )
        async with service:
            assert service.models == ("small",)
            assert figure(service, "citadel_model_engine", figure="requests_running") == 0
            await double.kill()
            await becomes(service, State.DEGRADED)
            await double.start()
            await becomes(service, State.READY)
            double.script.healthy = False
            await becomes(service, State.DEGRADED)
            assert service.causes["engine"] == "GET /health: HTTP 503"
            double.script.healthy = True
            await becomes(service, State.READY)
    assert not others()


async def test_an_engine_without_a_text_for_its_error_is_named_too(engine: Engine) -> None:
    class Slow(VllmService):
        async def check_engine(self) -> None:
            raise TimeoutError

    service = made(engine, Slow)
    with pytest.raises(TimeoutError):
        await service._look()
    service._away(TimeoutError())
    assert service.causes["engine"] == "no answer in time"


async def test_an_engine_without_figures_is_served_too_and_shares_a_registry() -> None:
    class Plain(BaseAIModelService[ModelServiceConfig]):
        async def on_open(self, resources: AsyncExitStack) -> None:
            resources.callback(self.log.info, "closed")

        async def check_engine(self) -> None:
            """It is always there."""

        async def served_models(self) -> tuple[str, ...]:
            return ("embed",)

    metrics, wanted = MetricsRegistry(), ModelServiceConfig(models=("embed",))
    first, second = (Plain(wanted, name=name, metrics=metrics) for name in ("one", "two"))
    async with first, second:
        text = metrics.expose().decode()
    assert 'citadel_model_served{model="embed",service="one"} 1.0' in text
    assert 'citadel_model_served{model="embed",service="two"} 1.0' in text
