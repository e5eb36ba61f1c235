"""Every port that something of ours listens on; each has a `tls` field (D9)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from hxp_enterprise_llm.schemas.base import WrittenModel
from hxp_enterprise_llm.schemas.effect import Effect


class Tls(WrittenModel):
    """Transport security of one listener."""

    enabled: Annotated[bool, Effect.DANGEROUS] = Field(
        default=False, description="Serve TLS; needs the environment's CA."
    )


class Listener(WrittenModel):
    """A port and its transport security."""

    port: int = Field(ge=1, le=65535, description="TCP port.")
    tls: Tls = Field(default=Tls(), description="Transport security.")


class NamedListener(WrittenModel):
    """A listener whose port has its authoritative key in another section."""

    tls: Tls = Field(default=Tls(), description="Transport security.")


class Listeners(WrittenModel):
    """All listeners. Several engines, proxies or workers of a host count up from the port."""

    gateway: NamedListener = Field(
        default=NamedListener(),
        description="Door of users; port: infrastructure_services.api_gateway.port.",
    )
    gateway_metrics: Listener = Field(
        default=Listener(port=9101),
        description="Metrics and health of gateway workers, counted up from the port.",
    )
    configuration: Listener = Field(
        default=Listener(port=8080),
        description="API, metrics and health of the configuration service.",
    )
    engine: Listener = Field(
        default=Listener(port=8101),
        description="vLLM on loopback, counted up from the port in the order of models.",
    )
    engine_proxy: Listener = Field(
        default=Listener(port=8201),
        description="Allow-list proxy before each engine, counted up in the same order.",
    )
    engine_proxy_metrics: Listener = Field(
        default=Listener(port=8404), description="Metrics of the proxy."
    )
    postgres: NamedListener = Field(
        default=NamedListener(), description="PostgreSQL; port: integration_services.database.port."
    )
    redis: NamedListener = Field(
        default=NamedListener(), description="Redis; port: integration_services.cache.port."
    )
    prometheus: NamedListener = Field(
        default=NamedListener(),
        description="Prometheus; port: infrastructure_services.monitoring.prometheus_port.",
    )
    alertmanager: Listener = Field(
        default=Listener(port=9093), description="Alertmanager's API and page."
    )
    node_exporter: Listener = Field(
        default=Listener(port=9100), description="Node exporter, on every host."
    )
    postgres_exporter: Listener = Field(
        default=Listener(port=9187), description="Exporter of PostgreSQL."
    )
    redis_exporter: Listener = Field(default=Listener(port=9121), description="Exporter of Redis.")

    @model_validator(mode="before")
    @classmethod
    def _keep_default_ports(cls, data: Any) -> Any:
        """Whoever writes `tls` of a listener must not have to repeat its port."""
        if not isinstance(data, dict):
            return data
        return {name: _with_port(cls, name, value) for name, value in data.items()}


def _with_port(listeners: type[Listeners], name: Any, value: Any) -> Any:
    field = listeners.model_fields.get(name)
    if field is None or not isinstance(value, dict) or not isinstance(field.default, Listener):
        return value
    return {"port": field.default.port, **value}
