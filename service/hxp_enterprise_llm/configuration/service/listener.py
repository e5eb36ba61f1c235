"""The socket and the HTTP server on it, within the service's own loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import uvicorn

from hxp_enterprise_llm.configuration.service.protocol import protocol_for
from hxp_enterprise_llm.core.exceptions import CitadelError, FaultDomain
from hxp_enterprise_llm.schemas.configuration_service import ConfigurationServiceConfig
from hxp_enterprise_llm.schemas.gateway import Listen

_BACKLOG = 512


class ListenError(CitadelError):
    """A port cannot be had."""

    code = "service.cannot-listen"
    domain = FaultDomain.HOST


def bind(where: Listen) -> socket.socket:
    """Return a socket on an address; port 0 of tests takes any.

    Raises:
        ListenError: The port is taken.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((where.host, where.port))
    except OSError as error:
        bound.close()
        raise ListenError(
            f"cannot listen on {where.host}:{where.port}: {error.strerror}",
            next_step="Stop what holds the port, or change `listen` in the configuration.",
        ) from None
    return bound


class Listener(uvicorn.Server):
    """A uvicorn server whose signals are the service's business.

    Args:
        app: The application.
        config: Limits and times.
    """

    def __init__(self, app: Callable[..., Any], config: ConfigurationServiceConfig) -> None:
        times = config.timeouts
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol_for(config.limits, times),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=_BACKLOG,
                timeout_keep_alive=round(times.keep_alive),
                timeout_graceful_shutdown=max(1, round(times.drain)),
            )
        )
        self._serving: asyncio.Task[None] | None = None

    def begin(self, on: socket.socket, over: Callable[[], None]) -> None:
        """Serve from now on; call `over` when that ends, for whatever reason."""
        # Listening begins here: what connects before the server is up waits for it.
        on.listen(_BACKLOG)
        self._serving = asyncio.create_task(self.serve(sockets=[on]), name="listener")
        self._serving.add_done_callback(lambda _: over())

    async def end(self) -> None:
        """Take no new connections, and return when the requests in work are answered."""
        self.should_exit = True
        if self._serving is not None:
            await asyncio.wait([self._serving])

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the process' signal handlers alone."""
        yield
