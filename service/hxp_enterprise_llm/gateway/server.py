"""`GatewayService`: one worker, from its sockets to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Unpack

from hxp_enterprise_llm.configuration.diagnostics import dotted
from hxp_enterprise_llm.configuration.diff import changes
from hxp_enterprise_llm.core.exceptions import (
    DependencyError,
    InvalidConfigurationError,
    LifecycleError,
)
from hxp_enterprise_llm.core.health import Check
from hxp_enterprise_llm.core.infrastructure_service import BaseInfrastructureService
from hxp_enterprise_llm.core.link import Link
from hxp_enterprise_llm.core.policy import ServicePolicy
from hxp_enterprise_llm.core.tasks import settled
from hxp_enterprise_llm.gateway.app import Gateway
from hxp_enterprise_llm.gateway.keys import Key
from hxp_enterprise_llm.gateway.metrics import Metrics
from hxp_enterprise_llm.gateway.protocol import protocol_for
from hxp_enterprise_llm.gateway.relay import Relay
from hxp_enterprise_llm.gateway.serving import Serving, build
from hxp_enterprise_llm.gateway.upstream import Upstream
from hxp_enterprise_llm.schemas.effect import Effect
from hxp_enterprise_llm.schemas.gateway import GatewayConfig
from hxp_enterprise_llm.utilities.listener import Listener, bind

if TYPE_CHECKING:
    from hxp_enterprise_llm.core.service import ServiceOptions

_AFTER_DRAIN = 5
"""Seconds beyond the drain deadline: every answer has been ended; this only bounds slow readers."""
_MARGIN = 1
_BACKLOG = 2048


class GatewayService(BaseInfrastructureService[GatewayConfig]):
    """One worker: the users' listener, the operators', and an eye on every engine.

    Args:
        config: What its file says.
        key: Who may come in.
        worker: Its number, from 1; it chooses the port of its metrics.
        on_level: Told the level to log at, when a reload may have changed it.
        options: What every service takes.
    """

    kind = "gateway"

    def __init__(
        self,
        config: GatewayConfig,
        *,
        key: Key,
        worker: int = 1,
        on_level: Callable[[str], None] = lambda _: None,
        **options: Unpack[ServiceOptions],
    ) -> None:
        options["policy"] = _policy(config, options.get("policy") or ServicePolicy())
        super().__init__(config, **options)
        self._key, self._worker, self._on_level = key, worker, on_level
        self._measures = Metrics(config.models, self.metrics)
        self._protocol = protocol_for(config, key)
        self._watching: list[asyncio.Task[None]] = []
        self._links: set[Link[Relay]] = set()
        self._app: Gateway | None = None
        self._public: Listener | None = None
        self.checks.add(Check("models", self._usable))

    async def on_start(self, resources: AsyncExitStack) -> None:
        """Bind both ports, look at the engines, then listen.

        Raises:
            ListenError: A port is taken.
        """
        config = self.config
        users = resources.enter_context(bind(config.listen, shared=True))
        operators = resources.enter_context(bind(config.metrics, offset=self._worker - 1))
        serving = await build(config, self._measures, self._judged)
        resources.push_async_callback(self._close)
        self._links.add(serving.link)
        app = self._app = Gateway(
            self._key,
            serving,
            self._measures,
            health=self.health,
            faults=self.faults,
            log=self.log,
        )
        resources.push_async_callback(self._unwatch)
        self._show(serving)
        times = {"keep_alive": config.timeouts.keep_alive, "drain": _ended(config)}
        private = Listener(app.operations, backlog=_BACKLOG, **times)
        public = self._public = Listener(app, http=self._protocol, backlog=_BACKLOG, **times)
        for listener, bound in ((private, operators), (public, users)):
            resources.push_async_callback(listener.cut)
            listener.begin(bound, self.ask_stop)
        # First of all when it stops: whoever still waits is told so before connections close.
        resources.callback(self._end_all)

    async def on_drain(self) -> None:
        """Refuse new connections; end what is in flight when its time is over."""
        if self._public is None:
            return
        seconds = self.config.timeouts.drain
        self.log.info("drain", seconds=seconds, connections=self._public.connections)
        ending = asyncio.get_running_loop().call_later(seconds, self._end_all)
        try:
            await self._public.end()
        finally:
            ending.cancel()

    async def on_prepare(self, config: GatewayConfig) -> Serving:
        """Build what a new configuration needs, and look at new engines.

        Raises:
            InvalidConfigurationError: It changes what needs a restart.
        """
        if self._app is None:
            raise LifecycleError(f"service {self.name} does not run", next_step="Start it first.")
        fixed = [one for one in changes(self.config, config) if one.effect is not Effect.LIVE]
        if fixed:
            keys = ", ".join(dotted(one.path) for one in fixed)
            raise InvalidConfigurationError(
                f"{keys}: this change needs a restart",
                next_step="Restart the worker; until then it serves as it did.",
            )
        return await build(config, self._measures, self._judged, self._app.serving)

    def on_commit(self, built: Serving) -> None:
        """Serve by it from the next request on; requests in flight keep what they began with."""
        if self._app is None or self._public is None:
            return
        old, config = self._app.serving, built.config
        self._app.serving = built
        self._links.add(built.link)
        self.policy = _policy(config, self.policy)
        self._protocol.adopt(config)
        self._public.retime(keep_alive=config.timeouts.keep_alive, drain=_ended(config))
        self._on_level(config.log_level)
        for model, address in old.upstreams.keys() - built.upstreams.keys():
            self._measures.upstream_up.remove(model, address)
        for model in old.pools.keys() - built.pools.keys():
            self.recover(f"model {model}")
        for task in self._watching:
            task.cancel()
            # What a watch said of itself goes with it.
            self.recover(task.get_name())
        self._show(built)
        if old.link is not built.link:
            self.background.once("end of old connections", partial(self._retire, old.link))

    async def on_abandon(self, built: Serving) -> None:
        """Close the connections that nobody is going to use."""
        if built.link not in self._links:
            await built.link.connection.client.close()

    def _show(self, serving: Serving) -> None:
        """Show how the engines are, and look after them from now on."""
        self._measures.serve(serving.pools)
        for upstream in serving.upstreams.values():
            self._reflect(upstream)
        self._watching = [
            self.background.keep(_watch_of(one), partial(serving.watch, one))
            for one in serving.upstreams.values()
        ]

    def _judged(self, upstream: Upstream) -> None:
        tell = self.log.warning if upstream.fault else self.log.info
        tell("upstream", model=upstream.model, upstream=upstream.address, fault=upstream.fault)
        serving = self._app.serving if self._app is not None else None
        if serving is not None and serving.has(upstream):
            self._reflect(upstream)

    def _reflect(self, upstream: Upstream) -> None:
        """Show an engine that serves, and what its health makes of its model."""
        self._measures.upstream_up.labels(upstream.model, upstream.address).set(upstream.up)
        if self._app is None:
            return
        cause, fault = f"model {upstream.model}", self._app.serving.pools[upstream.model].fault
        if fault:
            self.degrade(cause, fault)
        else:
            self.recover(cause)

    async def _usable(self) -> str:
        """Pass while any model can be used.

        Raises:
            DependencyError: None can.
        """
        pools = self._app.serving.pools if self._app is not None else {}
        faults = {name: pool.fault for name, pool in pools.items() if pool.fault}
        if faults and len(faults) == len(pools):
            why = "; ".join(f"{name}: {fault}" for name, fault in faults.items())
            raise DependencyError(f"no model can be used: {why}", next_step="See the engines.")
        return f"{len(pools) - len(faults)} of {len(pools)} models"

    def _end_all(self) -> None:
        for link in self._links:
            link.connection.end_all()

    async def _unwatch(self) -> None:
        for task in self._watching:
            task.cancel()
        await settled(self._watching)

    async def _retire(self, link: Link[Relay]) -> None:
        await link.idle()
        await link.connection.client.close()
        self._links.discard(link)

    async def _close(self) -> None:
        # A copy: a link that has become idle goes by itself meanwhile.
        for link in tuple(self._links):
            await link.connection.client.close()
        self._links.clear()
        self._app = self._public = None


def _watch_of(upstream: Upstream) -> str:
    return f"watch of {upstream.model} at {upstream.address}"


def _ended(config: GatewayConfig) -> float:
    """Return the seconds after which a drain is over, slow readers included."""
    return config.timeouts.drain + _AFTER_DRAIN


def _policy(config: GatewayConfig, policy: ServicePolicy) -> ServicePolicy:
    return policy.model_copy(update={"drain_timeout": _ended(config) + _MARGIN})
