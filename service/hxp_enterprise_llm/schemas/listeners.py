"""Every port that something of ours listens on; each has a `tls` field (D9)."""

from __future__ import annotations

from pydantic import Field

from hxp_enterprise_llm.schemas.base import CitadelModel


class Tls(CitadelModel):
    """Transport security of one listener."""

    enabled: bool = Field(default=False, description="Serve TLS; needs the environment's CA.")


class Listener(CitadelModel):
    """A port and its transport security."""

    port: int = Field(ge=1, le=65535, description="TCP port.")
    tls: Tls = Tls()


class NamedListener(CitadelModel):
    """A listener whose port has its authoritative key in another section."""

    tls: Tls = Tls()


class Listeners(CitadelModel):
    """All listeners of an environment. Several engines, proxies or workers count up from the port."""

    gateway: NamedListener = NamedListener()
    gateway_metrics: Listener = Listener(port=9101)
    engine: Listener = Listener(port=8101)
    engine_proxy: Listener = Listener(port=8201)
    engine_proxy_metrics: Listener = Listener(port=8404)
    postgres: NamedListener = NamedListener()
    redis: NamedListener = NamedListener()
    prometheus: NamedListener = NamedListener()
    alertmanager: Listener = Listener(port=9093)
    node_exporter: Listener = Listener(port=9100)
    postgres_exporter: Listener = Listener(port=9187)
    redis_exporter: Listener = Listener(port=9121)
