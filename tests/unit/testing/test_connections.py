"""Ports, and servers that behave badly: what asks them ends in an error in time."""

from __future__ import annotations

import asyncio
import socket

import pytest

from hxp_enterprise_llm.core.exceptions import DependencyError
from hxp_enterprise_llm.testing.connections import Manner, answers, bad_server, free_port
from hxp_enterprise_llm.testing.matchers import refused
from hxp_enterprise_llm.utilities.http import HttpTransport

pytestmark = pytest.mark.feature("UT-10")


async def test_a_free_port_has_room_for_those_after_it_and_nobody_answers() -> None:
    first = free_port(3)
    held = [socket.create_server(("127.0.0.1", first + offset)) for offset in range(3)]
    assert await answers(first)
    for one in held:
        one.close()
    assert not await answers(first)


@pytest.mark.parametrize("manner", Manner)
async def test_a_client_of_ours_ends_in_an_error_that_names_the_server(manner: Manner) -> None:
    seconds = 0.2 if manner is Manner.SILENT else 10
    async with asyncio.timeout(10), bad_server(manner) as port:
        assert await answers(port)
        async with HttpTransport(f"http://127.0.0.1:{port}") as transport:
            with refused(DependencyError, f"GET http://127.0.0.1:{port}/x: "):
                await transport.get("/x", timeout=seconds)


async def test_each_manner_is_another_one() -> None:
    seen = {}
    for manner in Manner:
        async with bad_server(manner) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            try:
                seen[manner] = await asyncio.wait_for(reader.read(), 0.2)
            except (TimeoutError, ConnectionResetError) as error:
                seen[manner] = type(error).__name__.encode()
            writer.close()
    assert seen.pop(Manner.CUT).endswith(b"Content-Length: 100\r\n\r\nhalf")
    assert seen.pop(Manner.GARBAGE).startswith(b"\x00\xff")
    assert seen == {
        Manner.SILENT: b"TimeoutError",
        Manner.CLOSES: b"",
        Manner.RESETS: b"ConnectionResetError",
    }
