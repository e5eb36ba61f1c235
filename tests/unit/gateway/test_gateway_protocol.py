"""What a connection does for a client that does not read, or leaves, by a transport's double."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from hxp_enterprise_llm.gateway.keys import Key
from hxp_enterprise_llm.gateway.protocol import GatewayProtocol, protocol_for
from hxp_enterprise_llm.schemas.gateway import GatewayConfig

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Transport(asyncio.Transport):
    """Takes answers and keeps `unsent` of them; says when it is aborted."""

    def __init__(self) -> None:
        super().__init__()
        self.unsent, self.high = 0, 65536
        self.written = b""
        self.closing = False
        self.aborted = asyncio.Event()
        self.protocol: GatewayProtocol

    def write(self, data: Any) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        del low
        self.high = 65536 if high is None else high
        if self.unsent > self.high:
            self.protocol.pause_writing()

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = True
        self.aborted.set()


Connect = Callable[[Any], Transport]


@pytest.fixture
async def connect() -> Connect:
    """Return what connects a double to the protocol before an application."""
    where = {"host": "127.0.0.1", "port": 1}
    timeouts = {"send": 0.01, "receive": 30}
    config = GatewayConfig.model_validate({"listen": where, "metrics": where, "timeouts": timeouts})

    def connected(app: Any) -> Transport:
        settings = uvicorn.Config(app, lifespan="off", interface="asgi3", log_config=None)
        transport = Transport()
        protocol = protocol_for(config, Key("ck_" + "a" * 32))
        transport.protocol = protocol(settings, ServerState(), {})
        transport.protocol.connection_made(transport)
        return transport

    return connected


async def nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    raise AssertionError("no request was sent")


@pytest.mark.parametrize("closed", [False, True])
async def test_the_rest_of_an_answer_that_nobody_reads_ends_in_an_abort(
    connect: Connect, *, closed: bool
) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    transport = connect(nothing)
    transport.unsent = 1
    if closed:
        transport.close()
    assert not transport.aborted.is_set()
    await asyncio.wait_for(transport.aborted.wait(), 5)
    # It had the time that `timeouts.send` gives, and what it did not read is not sent again.
    assert loop.time() - began >= transport.protocol.limits.timeouts.send
    assert (transport.closing, transport.written, transport.unsent) == (True, b"", 1)
    transport.protocol.connection_lost(None)


async def test_one_who_reads_in_time_is_not_cut(connect: Connect) -> None:
    transport = connect(nothing)
    transport.unsent = 1
    transport.protocol.pause_writing()
    transport.unsent = 0
    transport.protocol.resume_writing()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(transport.aborted.wait(), 0.1)
    assert transport.high == 65536
    transport.protocol.connection_lost(None)


async def test_a_request_with_others_behind_it_hears_that_its_client_left(
    connect: Connect,
) -> None:
    running = asyncio.Event()
    heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    async def app(scope: Any, receive: Any, _send: Any) -> None:
        running.set()
        while (said := (await receive())["type"]) != "http.disconnect":
            heard.put_nowait((scope["path"], said))
        heard.put_nowait((scope["path"], said))

    transport = connect(app)
    transport.protocol.data_received(REQUEST + REQUEST.replace(b"GET /", b"GET /behind"))
    await asyncio.wait_for(running.wait(), 5)
    assert await asyncio.wait_for(heard.get(), 5) == ("/", "http.request")
    transport.protocol.connection_lost(None)
    assert await asyncio.wait_for(heard.get(), 5) == ("/", "http.disconnect")
    # The one behind it never begins: nobody is left to answer.
    await asyncio.wait(transport.protocol.tasks or [asyncio.create_task(asyncio.sleep(0))])
    assert heard.empty()
    assert transport.written == b""


async def test_many_requests_in_one_piece_are_no_large_head(connect: Connect) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    transport = connect(app)
    transport.protocol.data_received(REQUEST * 2000 + REQUEST[:20])
    while transport.written.count(b" 204 ") < 2000:
        await asyncio.wait(transport.protocol.tasks, timeout=1)
    transport.protocol.data_received(b"x" * 20_000)
    assert transport.closing
    assert b" 431 " in transport.written
    transport.protocol.connection_lost(None)


async def test_a_half_request_behind_one_that_is_answered_does_not_cut_it(
    connect: Connect,
) -> None:
    running = asyncio.Event()

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        running.set()
        while (await receive())["type"] != "http.disconnect":
            pass

    transport = connect(app)
    half = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"
    transport.protocol.data_received(REQUEST + half)
    await asyncio.wait_for(running.wait(), 5)
    transport.protocol._too_slow()
    assert (transport.written, transport.closing) == (b"", False)
    transport.protocol.send_400_response("")
    assert (transport.written, transport.aborted.is_set()) == (b"", True)
    transport.protocol.connection_lost(None)
