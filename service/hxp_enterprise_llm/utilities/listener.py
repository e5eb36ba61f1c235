"""The one way to listen: a socket, and an HTTP server on it within the service's own loop."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import uvicorn

from hxp_enterprise_llm.core.exceptions import CitadelError, FaultDomain
from hxp_enterprise_llm.schemas.gateway import Listen

_LAST_PORT = 65535
_NO_ADDRESS = "Write an address of this machine in the configuration."
_NEXT_STEPS = {
    errno.EADDRINUSE: "Stop what holds the port, or change the port in the configuration.",
    errno.EACCES: "Write a port from 1024 in the configuration: this account may use no lower one.",
}


class ListenError(CitadelError):
    """A port cannot be had."""

    code = "service.cannot-listen"
    domain = FaultDomain.HOST


def bind(where: Listen, *, offset: int = 0, shared: bool = False) -> socket.socket:
    """Return a socket on an address; port 0 of tests takes any.

    Args:
        where: Address and port.
        offset: Added to the port.
        shared: Whether it takes connections beside sockets of other processes on the same port.

    Raises:
        ListenError: The port is taken, or there is no such port or address here.
    """
    port = where.port + offset
    if port > _LAST_PORT:
        raise ListenError(
            f"cannot listen on {where.host}:{port}: the last port is {_LAST_PORT}",
            next_step=f"Write a port up to {_LAST_PORT - offset} in the configuration.",
        )
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        bound.bind((where.host, port))
    except OSError as error:
        bound.close()
        raise ListenError(
            f"cannot listen on {where.host}:{port}: {error.strerror}",
            next_step=_NEXT_STEPS.get(error.errno or 0, _NO_ADDRESS),
        ) from None
    return bound


class Listener(uvicorn.Server):
    """A uvicorn server beside others in one loop; signals are the service's business.

    Args:
        app: The ASGI application.
        http: The class of its connections.
        backlog: Connections that wait to be accepted.
        keep_alive: Seconds for a client's next request.
        drain: Seconds for requests in work after `end`.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        *,
        http: Any = "httptools",
        backlog: int,
        keep_alive: float,
        drain: float,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=http,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=backlog,
            )
        )
        self.retime(keep_alive=keep_alive, drain=drain)
        self._serving: asyncio.Task[None] | None = None

    @property
    def connections(self) -> int:
        """Return how many connections are open."""
        return len(self.server_state.connections)

    def retime(self, *, keep_alive: float, drain: float) -> None:
        """Take other times, for connections from now on."""
        self.config.timeout_keep_alive = round(keep_alive)
        self.config.timeout_graceful_shutdown = max(1, round(drain))

    def begin(self, on: socket.socket, over: Callable[[], None]) -> None:
        """Serve from now on; call `over` when that ends and nobody asked for it."""
        # Listening begins here: what connects before the server is up waits for it.
        on.listen(self.config.backlog)
        self._serving = asyncio.create_task(self.serve(sockets=[on]), name="listener")
        self._serving.add_done_callback(lambda _: None if self.should_exit else over())

    async def end(self) -> None:
        """Take no new connections, and return when the requests in work are answered."""
        self.should_exit = True
        if self._serving is not None:
            await asyncio.wait([self._serving])

    async def cut(self) -> None:
        """End now, whatever is in work."""
        self.force_exit = True
        await self.end()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the process' signal handlers alone."""
        yield
