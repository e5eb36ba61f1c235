"""Connections of tests: free ports, who answers, and servers that behave badly."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: closing sends RST in place of FIN (socket(7))."""


def free_port(count: int = 1) -> int:
    """Return a port of 127.0.0.1 that is free, as are the `count - 1` after it."""
    while True:
        sockets = []
        try:
            sockets.append(socket.create_server(("127.0.0.1", 0)))
            first: int = sockets[0].getsockname()[1]
            for offset in range(1, count):
                sockets.append(socket.create_server(("127.0.0.1", first + offset)))  # noqa: PERF401
        except OSError:
            continue
        else:
            return first
        finally:
            for each in sockets:
                each.close()


async def answers(port: int, host: str = "127.0.0.1", *, seconds: float = 1.0) -> bool:
    """Return whether somebody takes TCP connections there."""
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


class Manner(StrEnum):
    """How a server behaves badly."""

    SILENT = "silent"
    """It takes a connection and a request, and says nothing."""
    CLOSES = "closes"
    """It closes every connection when the request has come."""
    RESETS = "resets"
    """It resets every connection when the request has come."""
    GARBAGE = "garbage"
    """It answers with bytes of no protocol."""
    CUT = "cut"
    """It answers over HTTP and closes in the middle of the body."""


_SAID = {
    Manner.GARBAGE: b"\x00\xff\x16\x03\r\n\r\n",
    Manner.CUT: b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
}


@asynccontextmanager
async def bad_server(manner: Manner) -> AsyncIterator[int]:
    """Serve on a free port of 127.0.0.1 until the end of the block; yields the port.

    Args:
        manner: How it behaves.
    """
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        if manner is Manner.SILENT:
            await over.wait()
        elif manner is Manner.RESETS:
            end: socket.socket = writer.get_extra_info("socket")
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        else:
            writer.write(_SAID.get(manner, b""))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        over.set()
        server.close()
        await server.wait_closed()
