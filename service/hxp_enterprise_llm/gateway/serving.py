"""What one configuration is at work: its engines, and the way to them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from hxp_enterprise_llm.core.link import Link
from hxp_enterprise_llm.core.tasks import settled
from hxp_enterprise_llm.gateway.metrics import Metrics
from hxp_enterprise_llm.gateway.relay import Relay
from hxp_enterprise_llm.gateway.upstream import Client, OnChange, Pool, Upstream
from hxp_enterprise_llm.schemas.gateway import GatewayConfig, Timeouts

_FIRST_LOOK = 1.0
"""Seconds that a start, or a reload, waits for what new engines say of themselves."""


@dataclass(frozen=True)
class Serving:
    """What serves; a request keeps the one that it began with.

    Attributes:
        config: What it was built from.
        pools: Served name → its engines.
        link: The way to them, and whether requests are on it.
    """

    config: GatewayConfig
    pools: Mapping[str, Pool]
    link: Link[Relay]

    @property
    def upstreams(self) -> dict[tuple[str, str], Upstream]:
        """Return all engines by model and address."""
        return {
            (one.model, one.address): one for pool in self.pools.values() for one in pool.upstreams
        }

    def has(self, upstream: Upstream) -> bool:
        """Tell whether an engine is one of these."""
        pool = self.pools.get(upstream.model)
        return pool is not None and upstream in pool.upstreams

    async def look(self, upstream: Upstream) -> None:
        """Look at an engine once."""
        upstream.judge(await self.link.connection.client.look(upstream, self.config.health))

    async def watch(self, upstream: Upstream) -> None:
        """Look after an engine until cancelled."""
        while True:
            await self.look(upstream)
            await asyncio.sleep(self.config.health.interval)


async def build(
    config: GatewayConfig, measures: Metrics, on_change: OnChange, old: Serving | None = None
) -> Serving:
    """Build what a configuration needs; new engines have been looked at when it returns.

    Args:
        config: The configuration.
        measures: Where failures of engines are counted.
        on_change: Told of each engine whose health changed.
        old: What serves: engines, and connections to them, that stay are taken over.
    """
    known = old.upstreams if old is not None else {}
    pools = {
        name: Pool(
            [
                known.get((name, address)) or Upstream(name, address, on_change)
                for address in model.upstreams
            ],
            model.task,
        )
        for name, model in config.models.items()
    }
    serving = Serving(config, pools, _link(config.timeouts, measures, old))
    try:
        await _looked_at(serving)
    except BaseException:
        if old is None or serving.link is not old.link:
            await serving.link.connection.client.close()
        raise
    return serving


def _link(timeouts: Timeouts, measures: Metrics, old: Serving | None) -> Link[Relay]:
    if old is not None and old.config.timeouts == timeouts:
        return old.link
    return Link(Relay(Client(timeouts), timeouts, measures))


async def _looked_at(serving: Serving) -> None:
    """Look at new engines; the first requests shall not find out by themselves who is away."""
    new = [one for one in serving.upstreams.values() if one.fault is None]
    looks = [asyncio.create_task(serving.look(one)) for one in new]
    try:
        if looks:
            await asyncio.wait(looks, timeout=_FIRST_LOOK)
    finally:
        for look in looks:
            look.cancel()
        await settled(looks)
