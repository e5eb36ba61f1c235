"""One worker: its sockets, its life, its end."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import uvicorn
import uvloop

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.gateway import keys, log
from hxp_enterprise_llm.gateway.app import Gateway
from hxp_enterprise_llm.gateway.metrics import Metrics
from hxp_enterprise_llm.gateway.protocol import protocol_for
from hxp_enterprise_llm.gateway.relay import Relay
from hxp_enterprise_llm.gateway.upstream import Client, Pool, Upstream, build_pools
from hxp_enterprise_llm.schemas.gateway import GatewayConfig, Listen

# After the drain deadline every answer has been ended; this only bounds slow readers.
_AFTER_DRAIN = 5
_BACKLOG = 2048


def run(config: GatewayConfig, worker: int) -> int:
    """Serve until SIGTERM or SIGINT, then drain.

    Args:
        config: The gateway's configuration.
        worker: Number of this worker, from 1; it chooses the metrics port.

    Raises:
        CitadelError: The key is missing, or a port is taken.
    """
    key = keys.read(config.credential)
    with (
        _listen(config.listen, 0, shared=True) as users,
        _listen(config.metrics, worker - 1, shared=False) as operators,
    ):
        log.configure(worker)
        asyncio.Runner(loop_factory=uvloop.new_event_loop).run(
            _serve(config, key, users, operators)
        )
    log.event("stop", worker=worker)
    return 0


def _listen(where: Listen, offset: int, *, shared: bool) -> socket.socket:
    """Bind a port; a shared one takes connections beside the other workers' sockets."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        bound.bind((where.host, where.port + offset))
    except OSError as error:
        bound.close()
        raise CitadelError(
            f"cannot listen on {where.host}:{where.port + offset}: {error.strerror}",
            next_step="Stop what holds the port, or change it in the configuration.",
        ) from None
    return bound


async def _serve(
    config: GatewayConfig, key: keys.Key, users: socket.socket, operators: socket.socket
) -> None:
    measures = Metrics(config.models)
    pools = build_pools(config, lambda one: _show(measures, one))
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client(config.timeouts))
        relay = Relay(client, config.timeouts, measures)
        gateway = Gateway(key, pools, relay, config.limits, measures)
        watchers = _watch(client, config, pools)
        public = _Listener(gateway, config, http=protocol_for(config, key))
        private = _Listener(gateway.operations, config, http="httptools")
        beside = asyncio.create_task(private.serve(sockets=[operators]))
        _on_signals(lambda: _drain(gateway, relay, public, config.timeouts.drain))
        await public.serve(sockets=[users])
        private.should_exit = True
        await beside
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)


def _show(measures: Metrics, upstream: Upstream) -> None:
    measures.upstream_up.labels(upstream.model, upstream.address).set(upstream.up)


def _watch(
    client: Client, config: GatewayConfig, pools: dict[str, Pool]
) -> list[asyncio.Task[None]]:
    return [
        asyncio.create_task(client.watch(upstream, config.health))
        for pool in pools.values()
        for upstream in pool.upstreams
    ]


def _drain(gateway: Gateway, relay: Relay, public: _Listener, seconds: float) -> None:
    if gateway.draining:
        return
    log.event("drain", seconds=seconds, connections=len(public.server_state.connections))
    gateway.draining = True
    public.should_exit = True
    asyncio.get_running_loop().call_later(seconds, relay.end_all)


def _on_signals(handler: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, handler)


class _Listener(uvicorn.Server):
    """A uvicorn server beside another one in the same loop; signals are the worker's business."""

    def __init__(self, app: Callable[..., Any], config: GatewayConfig, *, http: Any) -> None:
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
                backlog=_BACKLOG,
                timeout_keep_alive=round(config.timeouts.keep_alive),
                timeout_graceful_shutdown=round(config.timeouts.drain) + _AFTER_DRAIN,
            )
        )

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the process' signal handlers alone."""
        yield
