"""One worker as a service: its health, its reloads, its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
import pytest

from hxp_enterprise_llm.core.exceptions import InvalidConfigurationError
from hxp_enterprise_llm.core.lifecycle import State
from hxp_enterprise_llm.gateway.keys import Key
from hxp_enterprise_llm.gateway.server import GatewayService
from hxp_enterprise_llm.gateway.upstream import Client
from hxp_enterprise_llm.schemas.gateway import GatewayConfig, ServedModel
from hxp_enterprise_llm.testing.connections import Manner, answers, bad_server, free_port
from hxp_enterprise_llm.testing.engine import EngineDouble
from hxp_enterprise_llm.testing.gateway import HEADERS, KEY
from hxp_enterprise_llm.testing.service_contract import ServiceContract
from hxp_enterprise_llm.testing.waiting import until

CHAT = "/v1/chat/completions"


def config_of(models: dict[str, list[str]], **sections: Any) -> GatewayConfig:
    """Return a configuration on free ports."""
    return GatewayConfig.model_validate(
        {
            "listen": {"port": free_port()},
            "metrics": {"port": free_port()},
            "models": {name: {"upstreams": found} for name, found in models.items()},
            "health": {"interval": 0.02},
            **sections,
        }
    )


def changed(config: GatewayConfig, **sections: Any) -> GatewayConfig:
    """Return a configuration with other sections, as its file would say them."""
    return GatewayConfig.model_validate(config.model_dump(by_alias=True) | sections)


class TestContract(ServiceContract):
    def make(self) -> GatewayService:
        return GatewayService(config_of({"tiny": ["127.0.0.1:9"]}), key=Key(KEY))


@asynccontextmanager
async def running(
    config: GatewayConfig, **options: Any
) -> AsyncIterator[tuple[GatewayService, aiohttp.ClientSession]]:
    """Run a worker, and give a client that has the key."""
    service = GatewayService(config, key=Key(KEY), **options)
    url = f"http://127.0.0.1:{config.listen.port}"
    async with service, aiohttp.ClientSession(url, headers=HEADERS) as client:
        yield service, client


async def eventually(holds: Callable[[], Any]) -> None:
    """Return when something holds."""

    async def look() -> bool:
        return bool(holds())

    await until(look)


def _has(engine: EngineDouble, requests: int) -> bool:
    return len(engine.received) == requests


async def ask(client: aiohttp.ClientSession, model: str, **more: Any) -> tuple[int, Any]:
    """Return the status and the document of one request."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]} | more
    async with client.post(CHAT, json=body) as response:
        return response.status, await response.json()


async def readiness(client: aiohttp.ClientSession) -> tuple[int, Any]:
    """Return the status and the document of readiness."""
    async with client.get("/health/ready") as response:
        return response.status, await response.json()


def shown(worker: GatewayService, name: str, **labels: str) -> float | None:
    """Return a sample of the worker's series."""
    return worker.metrics.registry.get_sample_value(name, labels)


async def test_one_usable_model_is_enough_to_be_ready_and_the_others_are_named() -> None:
    async with EngineDouble() as engine:
        models = {"tiny": [engine.address], "big": ["127.0.0.1:9"]}
        async with running(config_of(models)) as (service, client):
            # Engines were looked at before the first request came in.
            status, document = await readiness(client)
            assert (status, document) == (
                200,
                {
                    "status": "degraded",
                    "models": {
                        "tiny": {"ready": True},
                        "big": {"ready": False, "fault": "connection refused"},
                    },
                },
            )
            assert service.state is State.DEGRADED
            assert service.causes == {"model big": "connection refused"}
            await engine.kill()
            await eventually(lambda: "model tiny" in service.causes)
            status, document = await readiness(client)
            assert (status, document["status"]) == (503, "unavailable")
            async with client.get("/health/live") as response:
                assert response.status == 200


async def test_an_engine_that_says_nothing_holds_the_start_up_for_a_second_at_most() -> None:
    async with bad_server(Manner.SILENT) as port, asyncio.timeout(5):
        config = config_of({"tiny": [f"127.0.0.1:{port}"]})
        async with running(config) as (_, client):
            status, document = await readiness(client)
            assert (status, document["models"]["tiny"]["fault"]) == (503, "not looked at yet")


async def test_a_reload_brings_models_and_takes_them_while_a_request_goes_on() -> None:
    async with EngineDouble() as old, EngineDouble("new") as new:
        config = config_of({"tiny": [old.address]})
        old.script.hold = asyncio.Event()
        async with running(config) as (service, client):
            asking = asyncio.create_task(ask(client, "tiny"))
            await eventually(lambda: old.received)
            timeouts = config.timeouts.model_dump() | {"request": 77.0}
            models = {"new": {"upstreams": [new.address]}}
            await service.reload(changed(config, models=models, timeouts=timeouts))
            assert (await ask(client, "new"))[0] == 200
            assert (await ask(client, "tiny"))[0] == 404
            up = "citadel_gateway_upstream_up"
            assert shown(service, up, model="new", upstream=new.address) == 1
            assert shown(service, up, model="tiny", upstream=old.address) is None
            # The request that began before goes its way over the old connections.
            assert not asking.done()
            old.script.hold.set()
            assert (await asking)[0] == 200
            # Then they are closed: nothing of the old configuration is left.
            await eventually(lambda: not old.connections)


async def test_an_engine_that_stays_keeps_what_is_known_of_it() -> None:
    async with EngineDouble() as engine:
        models = {"tiny": [engine.address], "big": ["127.0.0.1:9"]}
        config = config_of(models)
        async with running(config) as (service, client):
            limits = config.limits.model_dump() | {"max_body": 10}
            await service.reload(changed(config, limits=limits))
            status, document = await readiness(client)
            assert document["models"]["tiny"] == {"ready": True}
            assert service.causes == {"model big": "connection refused"}
            assert (await ask(client, "tiny"))[0] == 413
            left = {"tiny": {"upstreams": [engine.address]}}
            await service.reload(changed(config, models=left))
            assert (status, (await readiness(client))[1]["status"]) == (200, "ready")
            assert service.state is State.READY


async def test_limits_of_connections_and_the_level_of_the_log_are_taken_too() -> None:
    levels: list[str] = []
    config = config_of({})
    async with running(config, on_level=levels.append) as (service, client):
        async with client.get("/v1/models", headers={f"A{n}": "b" for n in range(70)}) as response:
            assert response.status == 431
        limits = config.limits.model_dump() | {"max_headers": 100}
        await service.reload(changed(config, limits=limits, log_level="warning"))
        async with client.get("/v1/models", headers={f"A{n}": "b" for n in range(70)}) as response:
            assert response.status == 200
        assert levels == ["warning"]


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"listen": {"port": 1}}, "listen.port"),
        ({"metrics": {"port": 1}}, "metrics.port"),
        ({"credential": "other"}, "credential"),
    ],
)
async def test_what_needs_a_restart_is_refused_and_nothing_of_it_is_taken(
    section: dict[str, Any], said: str
) -> None:
    config = config_of({})
    async with running(config) as (service, client):
        with pytest.raises(InvalidConfigurationError, match=f"{said}: this change needs a restart"):
            await service.reload(changed(config, models={"x": {"upstreams": ["a:1"]}}, **section))
        assert service.config == config
        async with client.get("/v1/models") as response:
            assert (await response.json())["data"] == []
        reloads = "citadel_service_reloads_total"
        assert shown(service, reloads, service="gateway", outcome="refused") == 1


async def test_a_prepared_configuration_that_is_abandoned_leaves_no_connections() -> None:
    async with EngineDouble() as engine:
        config = config_of({})
        async with running(config) as (service, _):
            timeouts = config.timeouts.model_dump() | {"connect": 0.3}
            models = {"tiny": {"upstreams": [engine.address]}}
            prepared = await service.prepare(changed(config, models=models, timeouts=timeouts))
            assert engine.connections == 1
            await service.abandon(prepared)
            await eventually(lambda: not engine.connections)
            assert service.config == config


async def test_a_second_signal_cuts_the_drain_short_answers_503_and_leaves_no_connection() -> None:
    async with EngineDouble() as engine:
        engine.script.hold = asyncio.Event()
        config = config_of({"tiny": [engine.address]}, timeouts={"drain": 60})
        service = GatewayService(config, key=Key(KEY))
        await service.start()
        url = f"http://127.0.0.1:{config.listen.port}"
        async with aiohttp.ClientSession(url, headers=HEADERS) as client:
            asking = []
            for number in range(1, 5):
                # Each goes over connections of its own, which are closed when it has ended.
                timeouts = config.timeouts.model_dump() | {"request": 100.0 + number}
                await service.reload(changed(config, timeouts=timeouts))
                asking.append(asyncio.create_task(ask(client, "tiny")))
                await eventually(partial(_has, engine, number))
            service.ask_stop()
            await service.lifecycle.wait_for(State.DRAINING)
            assert not any(task.done() for task in asking)
            service.ask_stop()
            async with asyncio.timeout(10):
                await service.lifecycle.wait_for(State.STOPPED)
                said = await asyncio.gather(*asking)
            assert not await answers(config.metrics.port)
        assert [(status, body["error"]["code"]) for status, body in said] == [
            (503, "shutting_down")
        ] * 4
        await eventually(lambda: not engine.connections)


def unvalidated(config: GatewayConfig, *upstreams: str) -> GatewayConfig:
    """Return a configuration with engines as no file may name them."""
    models = {"tiny": ServedModel.model_construct(upstreams=upstreams, task=None)}
    return config.model_copy(update={"models": models})


async def test_a_name_that_cannot_be_asked_for_is_a_fault_of_its_engine_not_of_the_gateway(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = unvalidated(config_of({}), "a..b:80")
    async with running(config) as (service, client):
        _, document = await readiness(client)
        assert document["models"]["tiny"]["fault"] == "no valid address"
        assert service.causes == {"model tiny": "no valid address"}

    async def well(*_: object) -> str:
        return ""

    monkeypatch.setattr(Client, "look", well)
    async with running(config) as (_, client):
        status, document = await ask(client, "tiny")
        assert (status, document["error"]["code"]) == (503, "upstream_unavailable")


async def test_what_a_watch_says_of_itself_goes_with_it_and_names_its_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(*_: object) -> str:
        raise ZeroDivisionError

    config = config_of({"tiny": ["127.0.0.1:9"], "big": ["127.0.0.1:9"]})
    monkeypatch.setattr(Client, "look", broken)
    async with running(config) as (service, _):
        watches = {"watch of tiny at 127.0.0.1:9", "watch of big at 127.0.0.1:9"}
        await eventually(lambda: watches <= service.causes.keys())
        await service.reload(changed(config, models={}))
        assert service.causes == {}
        assert service.state is State.READY
