"""A worker reads its file again when it is told to: all of it, or nothing."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hxp_enterprise_llm.testing.engine import EngineDouble
from hxp_enterprise_llm.testing.gateway import HEADERS, RunningGateway, running_gateway
from hxp_enterprise_llm.testing.waiting import until

CHAT = "/v1/chat/completions"
STREAM = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}], "stream": True}


async def models(gateway: RunningGateway) -> list[str]:
    """Return the names that the gateway serves."""
    async with (
        aiohttp.ClientSession(gateway.url, headers=HEADERS) as session,
        session.get("/v1/models") as response,
    ):
        return [entry["id"] for entry in (await response.json())["data"]]


async def test_a_model_comes_and_goes_while_a_stream_runs_to_its_end(
    gateway: RunningGateway, engine: EngineDouble, client: aiohttp.ClientSession
) -> None:
    engine.script.hold = asyncio.Event()
    async with EngineDouble("new") as new, client.post(CHAT, json=STREAM) as response:
        first = await response.content.readany()
        gateway.change(models={"new": {"upstreams": [new.address]}})
        applied = (await gateway.logged("configuration.applied", 2))[1]
        assert sorted(applied["changed"]) == ["models.new", "models.tiny"]
        assert await models(gateway) == ["new"]
        engine.script.hold.set()
        assert first + await response.read() == b"".join(engine.script.pieces)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("schema: 1\nlisten: {port: 1}\nmetrics: {port: 2}\ntimeout: 3s\n", "gateway.yaml:4"),
        ("schema: 1\nlisten: [\n", "gateway.yaml:3"),
        ("", "gateway.yaml:1"),
        (None, "gateway.yaml:1"),
    ],
    ids=["unknown key", "half-written", "empty", "gone"],
)
async def test_a_bad_file_leaves_the_old_one_serving_is_logged_and_counted_and_can_be_mended(
    gateway: RunningGateway, text: str | None, where: str
) -> None:
    if text is None:
        gateway.file.unlink()
    else:
        gateway.file.write_text(text)
    gateway.hang_up()
    (refused,) = await gateway.logged("configuration.refused", 1)
    assert where in refused["error"]
    assert refused["next_step"].startswith("The old configuration serves on.")
    text = await gateway.metrics()
    assert 'citadel_configuration_newest_serves{name="gateway.yaml"} 0.0' in text
    assert 'citadel_configuration_reload_failures_total{name="gateway.yaml"' in text
    assert await models(gateway) == ["tiny"]
    # The gateway works, but not as its file says.
    assert (await gateway.ready())["status"] == "degraded"
    gateway.change(models={})
    await gateway.logged("configuration.applied", 2)
    assert await models(gateway) == []
    assert (await gateway.ready())["status"] == "ready"


async def test_what_needs_a_restart_is_refused_with_all_that_came_with_it(
    gateway: RunningGateway,
) -> None:
    gateway.change(models={}, listen={"host": "127.0.0.1", "port": gateway.port + 1})
    (refused,) = await gateway.logged("configuration.refused", 1)
    assert refused["phase"] == "build"
    assert "listen.port: this change needs a restart" in refused["error"]
    assert await models(gateway) == ["tiny"]
    assert 'citadel_service_reloads_total{outcome="refused",service="gateway"} 1.0' in (
        await gateway.metrics()
    )


async def test_the_level_of_the_log_is_taken_while_it_runs(
    gateway: RunningGateway, client: aiohttp.ClientSession
) -> None:
    for number, (level, name) in enumerate((("warning", "quiet"), ("info", "loud")), start=2):
        gateway.change(log_level=level)

        async def taken(snapshot: int = number) -> bool:
            return f'snapshot{{name="gateway.yaml"}} {snapshot}.0' in await gateway.metrics()

        await until(taken)
        async with client.get("/v1/models", headers={"X-Request-Id": name}) as response:
            assert response.status == 200
    (line,) = await gateway.logged("request", 1)
    assert line["request_id"] == "loud"


# A worker that is told to read its file again between its first look at it and its start.
EARLY = """
import os, pathlib, signal, sys
from hxp_enterprise_llm.gateway import __main__, keys

read = keys.read

def told(*arguments, **options):
    file = pathlib.Path(sys.argv[sys.argv.index("--config") + 1])
    file.write_text(file.read_text().replace("tiny", "later"))
    os.kill(os.getpid(), signal.SIGHUP)
    return read(*arguments, **options)

keys.read = told
sys.exit(__main__.main())
"""


async def test_a_worker_that_is_told_while_it_starts_neither_dies_nor_forgets_it(
    tmp_path: Path, engine: EngineDouble
) -> None:
    program = (sys.executable, "-c", EARLY)
    named = {"tiny": [engine.address]}
    async with running_gateway(tmp_path, named, program=program) as gateway:
        await gateway.logged("configuration.applied", 2)
        assert await models(gateway) == ["later"]


async def test_two_workers_take_the_same_file(tmp_path: Any, engine: EngineDouble) -> None:
    async with running_gateway(tmp_path, {"tiny": [engine.address]}, workers=2) as gateway:
        await gateway.ready()
        gateway.change(models={})
        lines = await gateway.logged("configuration.applied", 4)
        assert len({line["revision"] for line in lines[2:]}) == 1
        assert await models(gateway) == []
