"""Engines that go away, workers that are told to, and how quickly callers hear of it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hxp_enterprise_llm.testing.engine import EngineDouble
from hxp_enterprise_llm.testing.gateway import HEADERS, RunningGateway, running_gateway
from hxp_enterprise_llm.testing.waiting import until

CHAT = "/v1/chat/completions"
STREAM = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
PLAIN = STREAM | {"stream": False}


async def ask(gateway: RunningGateway, body: dict[str, Any] = PLAIN) -> tuple[int, Any, float]:
    """Return the status, the document and the seconds of one request on a new connection."""
    started = time.monotonic()
    async with (
        aiohttp.ClientSession(gateway.url, headers=HEADERS) as session,
        session.post(CHAT, json=body) as response,
    ):
        document = await response.json()
        if response.status == 503:
            assert int(response.headers["Retry-After"]) >= 1
        return response.status, document, time.monotonic() - started


async def test_a_killed_engine_is_503_within_a_second_and_well_again_by_itself(
    gateway: RunningGateway, engine: EngineDouble
) -> None:
    assert (await ask(gateway))[0] == 200
    await engine.kill()
    status, document, seconds = await ask(gateway)
    assert (status, document["error"]["code"]) == (503, "upstream_unavailable")
    assert seconds < 1
    down = await gateway.ready(status=503)
    assert down["models"]["tiny"] == {"ready": False, "fault": "connection refused"}
    await engine.start()
    back = time.monotonic()
    await gateway.ready()
    assert time.monotonic() - back < 5
    assert (await ask(gateway))[0] == 200


async def test_an_engine_killed_before_its_first_byte_is_503(
    gateway: RunningGateway, engine: EngineDouble
) -> None:
    engine.script.hold = asyncio.Event()
    asking = asyncio.create_task(ask(gateway))
    while not engine.received:
        await asyncio.wait({asking}, timeout=0.01)
    await engine.kill()
    status, document, _ = await asking
    assert (status, document["error"]["code"]) == (503, "upstream_unavailable")


async def test_a_host_that_swallows_packets_is_503_within_a_second(tmp_path: Path) -> None:
    # 203.0.113.0/24 is for documentation; nothing answers there.
    async with running_gateway(tmp_path, {"tiny": ["203.0.113.1:9"]}) as gateway:
        status, _, seconds = await ask(gateway)
    assert status == 503
    assert seconds < 1


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_proxy_that_misses_its_engine_is_503_in_openais_shape(
    gateway: RunningGateway, engine: EngineDouble, status: int
) -> None:
    engine.script.answer = (status, "text/html", b"<html>no server</html>")
    found, document, _ = await ask(gateway)
    assert (found, document["error"]["code"]) == (503, "upstream_unavailable")


async def test_an_engine_that_is_not_well_gets_no_requests(
    gateway: RunningGateway, engine: EngineDouble
) -> None:
    engine.script.healthy = False
    down = await gateway.ready(status=503)
    assert down["models"]["tiny"]["fault"] == "health check answered 503"
    assert (await ask(gateway))[0] == 503
    assert not engine.received


async def test_a_model_without_an_engine_leaves_the_gateway_ready_for_the_others(
    tmp_path: Path, engine: EngineDouble
) -> None:
    models = {"tiny": [engine.address], "big": ["127.0.0.1:9"]}
    async with running_gateway(tmp_path, models) as gateway:
        await gateway.logged("upstream", 2)
        document = await gateway.ready()
        assert document["status"] == "degraded"
        assert document["models"]["tiny"] == {"ready": True}
        assert document["models"]["big"] == {"ready": False, "fault": "connection refused"}
        assert (await ask(gateway))[0] == 200
        assert (await ask(gateway, PLAIN | {"model": "big"}))[0] == 503
        await engine.kill()
        assert (await gateway.ready(status=503))["status"] == "unavailable"


async def test_an_engine_that_is_silent_for_too_long_is_504(
    tmp_path: Path, engine: EngineDouble
) -> None:
    engine.script.hold = asyncio.Event()
    timeouts = {"request": 0.3}
    async with running_gateway(tmp_path, {"tiny": [engine.address]}, timeouts=timeouts) as gateway:
        status, document, _ = await ask(gateway)
        assert (status, document["error"]["code"]) == (504, "upstream_timeout")
        await asyncio.wait_for(engine.left.wait(), 5)


async def test_a_stream_that_stalls_ends_with_an_error_event(
    tmp_path: Path, engine: EngineDouble
) -> None:
    engine.script.hold = asyncio.Event()
    timeouts = {"idle": 0.3}
    async with (
        running_gateway(tmp_path, {"tiny": [engine.address]}, timeouts=timeouts) as gateway,
        aiohttp.ClientSession(gateway.url, headers=HEADERS) as session,
        session.post(CHAT, json=STREAM) as response,
    ):
        assert b'"code":"upstream_timeout"' in await response.read()


async def test_a_model_with_two_engines_fails_over_before_the_first_byte(
    tmp_path: Path, engine: EngineDouble
) -> None:
    async with EngineDouble() as other:
        models = {"tiny": [engine.address, other.address]}
        # So long between two looks that only the request itself can find out.
        async with running_gateway(tmp_path, models, health={"interval": 3600}) as gateway:
            await gateway.ready()
            await engine.kill()
            assert [(await ask(gateway))[0] for _ in range(4)] == [200] * 4
            assert len(other.received) == 4


async def test_the_less_busy_of_two_engines_gets_the_next_request(
    tmp_path: Path, engine: EngineDouble
) -> None:
    async with EngineDouble() as other:
        engine.script.hold = other.script.hold = asyncio.Event()
        models = {"tiny": [engine.address, other.address]}
        async with running_gateway(tmp_path, models) as gateway:
            await gateway.ready()
            asking = [asyncio.create_task(ask(gateway)) for _ in range(6)]

            async def all_arrived() -> bool:
                return len(engine.received) + len(other.received) == 6

            await until(all_arrived)
            assert (len(engine.received), len(other.received)) == (3, 3)
            engine.script.hold.set()
            assert [(await one)[0] for one in asking] == [200] * 6


async def test_a_client_that_sends_nothing_or_half_a_request_is_cut(
    tmp_path: Path, engine: EngineDouble
) -> None:
    timeouts = {"receive": 0.3}
    async with running_gateway(tmp_path, {"tiny": [engine.address]}, timeouts=timeouts) as gateway:
        head = b"POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n"
        key = f"Authorization: {HEADERS['Authorization']}\r\n\r\nhalf".encode()
        for sent in (b"", b"GET / HTT", head, head + key):
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(sent)
            answer = await asyncio.wait_for(reader.read(), 5)
            writer.close()
            assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_client_that_never_reads_its_answers_is_cut(
    tmp_path: Path, engine: EngineDouble
) -> None:
    timeouts = {"send": 0.5}
    loop = asyncio.get_running_loop()
    async with running_gateway(tmp_path, {"tiny": [engine.address]}, timeouts=timeouts) as gateway:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", gateway.port))
            pipelined = b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n" * 500_000
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(loop.sock_sendall(client, pipelined), 20)
        assert (await ask(gateway))[0] == 200


@pytest.mark.parametrize(
    "behind", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nA: %s" % (b"b" * 20_000)]
)
async def test_no_refusal_is_taken_for_the_answer_to_an_older_request(
    gateway: RunningGateway, engine: EngineDouble, behind: bytes
) -> None:
    engine.script.hold = asyncio.Event()
    body = json.dumps(PLAIN).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: a\r\nAuthorization: {HEADERS['Authorization']}\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    await until(lambda: _received(engine))
    writer.write(behind)
    answer = b""
    with suppress(ConnectionError):
        answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert answer == b""
    # The older request's engine hears that nobody waits any more.
    (line,) = await gateway.logged("request", 1)
    assert line["status"] == 499


async def _received(engine: EngineDouble) -> bool:
    return bool(engine.received)


async def test_connections_with_a_key_above_the_limit_get_503(
    tmp_path: Path, engine: EngineDouble
) -> None:
    limits = {"max_connections": 2}
    async with running_gateway(tmp_path, {"tiny": [engine.address]}, limits=limits) as gateway:
        await gateway.ready()
        listed = f"GET /v1/models HTTP/1.1\r\nHost: a\r\nAuthorization: {HEADERS['Authorization']}"
        held = [await asyncio.open_connection("127.0.0.1", gateway.port) for _ in range(3)]
        for number, (reader, writer) in enumerate(held):
            writer.write(f"{listed}\r\n\r\n".encode())
            wanted = b"HTTP/1.1 200 " if number < 2 else b"HTTP/1.1 503 "
            assert (await reader.readline()).startswith(wanted)
        # The one too many is not only refused but ended.
        await asyncio.wait_for(held[2][0].read(), 5)
        status, document, _ = await ask(gateway)
        assert (status, document["error"]["code"]) == (503, "overloaded")
        for _, writer in held:
            writer.close()

        async def served() -> bool:
            return (await ask(gateway))[0] == 200

        await until(served)


async def test_a_crowd_without_a_key_keeps_nobody_out_who_has_one(
    tmp_path: Path, engine: EngineDouble
) -> None:
    limits = {"max_connections": 4, "max_strangers": 20}
    async with running_gateway(tmp_path, {"tiny": [engine.address]}, limits=limits) as gateway:
        await gateway.ready()
        crowd = []
        for _ in range(100):
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(b"GET /health/live HTTP/1.1\r\nHost: a\r\n")
            crowd.append((reader, writer))
        assert [(await ask(gateway))[0] for _ in range(4)] == [200] * 4
        # Those who wait for longest have made room, at once and not at their deadline.
        for reader, _ in crowd[:70]:
            with suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 5) == b""
        assert not crowd[-1][0].at_eof()
        for _, writer in crowd:
            writer.close()


async def test_sigterm_lets_a_stream_finish_and_refuses_new_connections(
    gateway: RunningGateway, engine: EngineDouble
) -> None:
    engine.script.hold = asyncio.Event()
    async with (
        aiohttp.ClientSession(gateway.url, headers=HEADERS) as session,
        session.post(CHAT, json=STREAM) as response,
    ):
        first = await response.content.readany()
        gateway.terminate()

        async def refused() -> bool:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            except ConnectionRefusedError:
                return True
            writer.close()
            return False

        await until(refused)
        assert (await gateway.ready(status=503))["status"] == "draining"
        engine.script.hold.set()
        assert first + await response.read() == b"".join(engine.script.pieces)
    assert await asyncio.wait_for(gateway.ended(), 10) == [0]


async def test_the_drain_deadline_ends_streams_with_an_event_and_exits_0(
    tmp_path: Path, engine: EngineDouble
) -> None:
    engine.script.hold = asyncio.Event()
    timeouts = {"drain": 0.5}
    async with (
        running_gateway(tmp_path, {"tiny": [engine.address]}, timeouts=timeouts) as gateway,
        aiohttp.ClientSession(gateway.url, headers=HEADERS) as session,
    ):
        async with session.post(CHAT, json=STREAM) as response:
            await response.content.readany()
            gateway.terminate()
            assert b'"code":"shutting_down"' in await response.read()
        assert await asyncio.wait_for(gateway.ended(), 10) == [0]


async def test_two_workers_share_a_port_and_have_metrics_of_their_own(
    tmp_path: Path, engine: EngineDouble
) -> None:
    async with running_gateway(tmp_path, {"tiny": [engine.address]}, workers=2) as gateway:
        await gateway.ready()
        for _ in range(40):
            assert (await ask(gateway))[0] == 200
        counts = [await requests_counted(gateway, worker) for worker in (1, 2)]
    assert sum(counts) == 40
    assert all(counts)


async def requests_counted(gateway: RunningGateway, worker: int) -> float:
    """Return a worker's count of good chat requests."""
    line = f'citadel_gateway_requests_total{{code="200",model="tiny",route="{CHAT}"}} '
    for found in (await metrics(gateway, worker)).splitlines():
        if found.startswith(line):
            return float(found.removeprefix(line))
    return 0.0


async def metrics(gateway: RunningGateway, worker: int = 1) -> str:
    """Return a worker's metrics."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(gateway.operations(worker) + "/metrics") as response,
    ):
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        return await response.text()


async def test_metrics_say_what_happened_and_unknown_models_make_no_series(
    gateway: RunningGateway, engine: EngineDouble
) -> None:
    await ask(gateway)
    await ask(gateway, PLAIN | {"model": "made-up"})
    text = await metrics(gateway)
    upstream = f'{{model="tiny",upstream="{engine.address}"}}'
    assert f"citadel_gateway_upstream_up{upstream} 1.0" in text
    assert f'citadel_gateway_first_byte_seconds_count{{model="tiny",route="{CHAT}"}} 1.0' in text
    assert f'citadel_gateway_requests_total{{code="404",model="",route="{CHAT}"}} 1.0' in text
    assert 'citadel_gateway_requests_in_flight{model="tiny"} 0.0' in text
    (memory,) = re.findall(
        r"^citadel_gateway_process_resident_memory_bytes (\S+)$", text, re.MULTILINE
    )
    assert 20e6 < float(memory) < 500e6
    assert "made-up" not in text
    await engine.kill()
    await gateway.ready(status=503)
    assert f"citadel_gateway_upstream_up{upstream} 0.0" in await metrics(gateway)


async def test_a_taken_port_is_an_error_that_names_it(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    again = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hxp_enterprise_llm.gateway"),
        *("--config", str(tmp_path / "gateway.yaml")),
        env=os.environ | {"CREDENTIALS_DIRECTORY": str(tmp_path)},
        stderr=asyncio.subprocess.PIPE,
    )
    _, shown = await asyncio.wait_for(again.communicate(), 30)
    assert again.returncode == 1
    # The users' port is shared on purpose; the worker's own metrics port is not.
    assert f"cannot listen on 127.0.0.1:{gateway.metrics_port}".encode() in shown
    assert b"Traceback" not in shown
