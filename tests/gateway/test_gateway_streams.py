"""Streams pass byte for byte as they come, and end when either side does."""

from __future__ import annotations

import asyncio
import json
import random
import time

import aiohttp
import pytest

from hxp_enterprise_llm.testing.engine import EngineDouble, stream_pieces
from hxp_enterprise_llm.testing.gateway import RunningGateway

CHAT = "/v1/chat/completions"
STREAM = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
PLAIN = STREAM | {"stream": False}


def split(data: bytes, seed: int) -> list[bytes]:
    """Cut bytes at random places, in the middle of events and of characters."""
    generator = random.Random(seed)
    cuts = sorted(generator.sample(range(1, len(data)), generator.randint(1, 40)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@pytest.mark.parametrize("seed", range(8))
async def test_a_stream_arrives_byte_for_byte_wherever_it_is_cut(
    client: aiohttp.ClientSession, engine: EngineDouble, seed: int
) -> None:
    whole = b"".join(stream_pieces(["Grüße ", "an 🌍", "\\n\\n"]))
    engine.script.pieces = split(whole, seed)
    async with client.post(CHAT, json=STREAM) as response:
        assert response.content_type == "text/event-stream"
        assert await response.read() == whole


async def test_the_first_piece_arrives_before_the_engine_has_finished(
    client: aiohttp.ClientSession, engine: EngineDouble
) -> None:
    engine.script.hold = asyncio.Event()
    async with client.post(CHAT, json=STREAM) as response:
        first = await asyncio.wait_for(response.content.readany(), 5)
        assert first == engine.script.pieces[0]
        assert engine.running == 1
        engine.script.hold.set()
        assert await response.read() == b"".join(engine.script.pieces[1:])


@pytest.mark.parametrize("body", [STREAM, PLAIN], ids=["streamed", "plain"])
async def test_a_client_that_leaves_aborts_the_engines_request_within_a_second(
    client: aiohttp.ClientSession,
    gateway: RunningGateway,
    engine: EngineDouble,
    body: dict[str, object],
) -> None:
    engine.script.hold = asyncio.Event()
    asking = asyncio.create_task(client.post(CHAT, json=body).__aenter__())
    if body["stream"]:
        response = await asking
        await response.content.readany()
        left = time.monotonic()
        response.close()
    else:
        while not engine.received:
            await asyncio.wait({asking}, timeout=0.01)
        left = time.monotonic()
        asking.cancel()
    await asyncio.wait_for(engine.left.wait(), 10)
    assert time.monotonic() - left < 1
    (line,) = await gateway.logged("request", 1)
    assert line["status"] == 499


@pytest.mark.parametrize("cut", [0, 7], ids=["at a border", "inside an event"])
async def test_a_stream_that_the_engine_breaks_off_ends_with_an_error_event(
    client: aiohttp.ClientSession, engine: EngineDouble, cut: int
) -> None:
    pieces = stream_pieces()
    engine.script.pieces = [pieces[0], pieces[1][:cut]] if cut else [pieces[0]]
    engine.script.breaks = True
    async with client.post(CHAT, json=STREAM) as response:
        text = (await response.read()).decode()
    assert text.startswith(pieces[0].decode())
    assert text.endswith("\n\n")
    last = text.split("\n\n")[-2]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "upstream_broken"


async def test_a_stream_without_done_is_a_broken_one(
    client: aiohttp.ClientSession, engine: EngineDouble
) -> None:
    engine.script.pieces = stream_pieces()[:-1]
    async with client.post(CHAT, json=STREAM) as response:
        assert b'"code":"upstream_broken"' in await response.read()


async def test_a_slow_reader_holds_the_engine_back_and_loses_nothing(
    client: aiohttp.ClientSession, engine: EngineDouble
) -> None:
    done = stream_pieces()[-1]
    engine.script.pieces = [b"data: {}\n\n" * 10_000] * 300 + [done]
    async with client.post(CHAT, json=STREAM) as response:
        await response.content.readany()
        assert engine.running == 1
        rest = 0
        async for chunk in response.content.iter_any():
            rest += len(chunk)
    assert rest > 29_000_000
