"""Watching a document: what was missed, what comes, and that nobody holds up the service."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.configuration.test_service_api import GATEWAY, MAIN, with_body

from hxp_enterprise_llm.configuration.service.listener import Listener, bind
from hxp_enterprise_llm.schemas.gateway import Listen
from hxp_enterprise_llm.testing.configuration_service import (
    ADMINISTRATOR,
    ServiceUnderTest,
    authorization,
    known,
)
from hxp_enterprise_llm.testing.connections import free_port
from hxp_enterprise_llm.testing.waiting import until

WATCH = MAIN + "/watch"
pytestmark = pytest.mark.feature("CH-02")


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[ServiceUnderTest]:
    settings = known(ada=("reader",)) | {
        "limits": {"max_watchers": 2},
        "timeouts": {"beat": 0.1, "send": 0.3, "receive": 0.3, "drain": 20},
    }
    async with ServiceUnderTest(tmp_path, settings=settings) as running:
        await running.apply(GATEWAY)
        yield running


async def told(events: AsyncIterator[tuple[str, str]]) -> str:
    """Return the id of the next revision."""
    async for event, number in events:
        if event == "revision":
            return number
        if event == "end":
            break
    return "end"


async def test_a_change_is_told_at_once_and_the_current_revision_first(
    service: ServiceUnderTest,
) -> None:
    async with service.watch(WATCH, by="ada") as events:
        assert await told(events) == "1"
        await service.apply(with_body(5000), 1)
        async with asyncio.timeout(2):
            assert await told(events) == "2"


async def test_who_comes_back_is_told_what_was_missed_and_nothing_twice(
    service: ServiceUnderTest,
) -> None:
    for number in range(1, 5):
        await service.apply(with_body(5000 + number), number)
    async with service.watch(WATCH, last=2) as events:
        assert [await told(events) for _ in range(3)] == ["3", "4", "5"]
        await service.apply(GATEWAY, 5)
        assert await told(events) == "6"
    async with service.watch(WATCH, last=99) as events:
        # A store that was restored from a backup counts from an older number.
        assert [await told(events) for _ in range(6)] == ["1", "2", "3", "4", "5", "6"]


async def test_a_stream_shows_signs_of_life(service: ServiceUnderTest) -> None:
    async with service.watch(WATCH) as events:
        assert await told(events) == "1"
        assert await anext(events) == ("", "still here")


async def test_more_readers_than_there_may_be_are_turned_away(service: ServiceUnderTest) -> None:
    async with service.watch(WATCH) as one, service.watch(WATCH) as two:
        assert (await told(one), await told(two)) == ("1", "1")
        third = await service.ask("GET", WATCH)
        assert (third.status, third.body["code"]) == (429, "service.too-many-requests")
        assert third.headers["retry-after"] == "5"
        metrics = (await service.ask("GET", "/metrics", by=None)).body
        assert "citadel_configuration_service_watchers 2.0" in metrics

    async def left() -> bool:
        text = (await service.ask("GET", "/metrics", by=None)).body
        return "citadel_configuration_service_watchers 0.0" in text

    await until(left)


async def test_of_many_at_once_those_without_room_are_told_so_by_a_status(
    tmp_path: Path,
) -> None:
    async with ServiceUnderTest(tmp_path, settings={"limits": {"max_watchers": 32}}) as service:
        await service.apply(GATEWAY)

        async def status() -> int:
            async with (
                aiohttp.ClientSession(service.base, headers=authorization(ADMINISTRATOR)) as asking,
                asking.get(WATCH) as answer,
            ):
                if answer.status == 200:
                    assert await answer.content.readline() == b"retry: 2000\n"
                    await full.wait()
                answered.append(answer.status)
                if len(answered) == 64:
                    turned_away.set()
                return answer.status

        answered: list[int] = []
        full, turned_away = asyncio.Event(), asyncio.Event()
        asking = [asyncio.create_task(status()) for _ in range(80)]
        async with asyncio.timeout(20):
            await turned_away.wait()
        full.set()
        assert sorted(await asyncio.gather(*asking)) == [200] * 16 + [429] * 64


async def test_a_watch_that_cannot_be_recorded_takes_no_room(service: ServiceUnderTest) -> None:
    log = service.state / "audit.jsonl"
    log.rename(service.state / "aside")
    log.mkdir()
    for _ in range(3):
        assert (await service.ask("GET", WATCH)).status == 500
    log.rmdir()
    (service.state / "aside").rename(log)
    async with service.watch(WATCH) as events:
        assert await told(events) == "1"


async def test_rights_that_are_taken_away_end_the_stream(service: ServiceUnderTest) -> None:
    async with service.watch(WATCH, by="ada") as events:
        assert await told(events) == "1"
        await service.service.reload(service.config.model_copy(update={"principals": ()}))
        async with asyncio.timeout(5):
            assert await told(events) == "end"


async def test_a_key_that_is_taken_away_ends_the_stream(service: ServiceUnderTest) -> None:
    async with service.watch(WATCH, by="ada") as events:
        assert await told(events) == "1"
        await service.service.reload(service.config.model_copy(update={"keys": ()}))
        await service.apply(with_body(5000), 1)
        async with asyncio.timeout(5):
            assert await told(events) == "end"


async def test_a_stop_ends_streams_and_does_not_wait_for_them(tmp_path: Path) -> None:
    async with ServiceUnderTest(tmp_path, settings={"timeouts": {"drain": 20}}) as service:
        await service.apply(GATEWAY)
        async with service.watch(WATCH) as events:
            assert await told(events) == "1"
            async with asyncio.timeout(5):
                stopping = asyncio.create_task(service.service.stop())
                assert await told(events) == "end"
                await stopping


async def test_a_reader_that_does_not_read_is_cut(service: ServiceUnderTest) -> None:
    cut, chunk = asyncio.Event(), {"type": "http.response.body", "body": b"x" * 65536}

    async def endless(_: Any, receive: Any, send: Any) -> None:
        await receive()
        leaving = asyncio.create_task(receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not leaving.done():
            await send({**chunk, "more_body": True})
        cut.set()

    config = service.config.model_copy(update={"listen": Listen(port=free_port())})
    listener = Listener(endless, config)
    with bind(config.listen) as bound:
        listener.begin(bound, lambda: None)
        reader, writer = await asyncio.open_connection("127.0.0.1", config.listen.port)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        async with asyncio.timeout(20):
            await cut.wait()
            await listener.end()
        writer.close()
    assert reader.exception() is not None or not reader.at_eof()


async def test_who_says_nothing_is_cut(service: ServiceUnderTest) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.config.listen.port)
    writer.write(b"GET / HT")
    async with asyncio.timeout(5):
        # An abort may show as a reset.
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()
