"""The one listener: its socket, how it ends, and who is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from hxp_enterprise_llm.core.exceptions import FaultDomain
from hxp_enterprise_llm.schemas.gateway import Listen
from hxp_enterprise_llm.testing.connections import answers, free_port
from hxp_enterprise_llm.utilities.listener import Listener, ListenError, bind

LOCAL = "127.0.0.1"


class App:
    """Answers each request when it is let."""

    def __init__(self) -> None:
        self.asked, self.answer = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.set()
        await self.answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"well"})


@asynccontextmanager
async def listening(
    app: App, told: Callable[[], None] = lambda: None, *, drain: float = 30
) -> AsyncIterator[tuple[Listener, str]]:
    """Give a listener and its URL."""
    with bind(Listen(host=LOCAL, port=free_port())) as bound:
        url = f"http://{LOCAL}:{bound.getsockname()[1]}"
        listener = Listener(app, backlog=16, keep_alive=5, drain=drain)
        listener.begin(bound, told)
        yield listener, url
        await listener.cut()


async def asked(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return await response.text()


def test_a_taken_port_is_an_error_that_names_it_and_says_what_to_do() -> None:
    with bind(Listen(host=LOCAL, port=free_port())) as first:
        first.listen()
        port = first.getsockname()[1]
        with pytest.raises(ListenError, match=f"cannot listen on {LOCAL}:{port}: ") as caught:
            bind(Listen(host=LOCAL, port=port))
        assert "change the port in the configuration" in caught.value.next_step
        assert caught.value.domain is FaultDomain.HOST


def test_a_port_or_an_address_that_is_not_there_has_a_next_step_of_its_own() -> None:
    with pytest.raises(ListenError, match=f"on {LOCAL}:65536: the last port is 65535") as caught:
        bind(Listen(host=LOCAL, port=65534), offset=2)
    assert "a port up to 65533" in caught.value.next_step
    # A documentation network: no machine has it.
    with pytest.raises(ListenError, match=r"on 192\.0\.2\.1:") as caught:
        bind(Listen(host="192.0.2.1", port=free_port()))
    assert caught.value.next_step == "Write an address of this machine in the configuration."


def test_shared_sockets_stand_beside_each_other_and_an_offset_moves_the_port() -> None:
    where = Listen(host=LOCAL, port=free_port(2))
    with bind(where, shared=True) as one, bind(where, shared=True) as other:
        one.listen()
        other.listen()
        assert one.getsockname() == other.getsockname()
        with bind(where, offset=1) as next_one:
            assert next_one.getsockname()[1] == where.port + 1


async def test_an_end_refuses_new_connections_and_lets_requests_in_work_be_answered() -> None:
    app, told = App(), list[str]()
    async with listening(app, lambda: told.append("over")) as (listener, url):
        asking = asyncio.create_task(asked(url))
        await app.asked.wait()
        assert listener.connections == 1
        ending = asyncio.create_task(listener.end())
        while await answers(int(url.rpartition(":")[2])):
            await asyncio.wait([ending], timeout=0.01)
        assert not asking.done()
        app.answer.set()
        assert await asking == "well"
        await asyncio.wait_for(ending, 10)
    assert told == []


async def test_a_cut_waits_for_nobody() -> None:
    app = App()
    async with listening(app) as (listener, url):
        asking = asyncio.create_task(asked(url))
        await app.asked.wait()
        await asyncio.wait_for(listener.cut(), 5)
        assert not asking.done()
        asking.cancel()


async def test_a_server_that_ends_by_itself_tells_its_service() -> None:
    app, over = App(), asyncio.Event()
    app.answer.set()
    async with listening(app, over.set) as (listener, url):
        assert await asked(url) == "well"
        assert not over.is_set()
        listener.limit_max_requests = 0
        await asyncio.wait_for(over.wait(), 5)
