"""Environment: the only description of an environment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hxp_enterprise_llm.schemas.base import WrittenModel
from hxp_enterprise_llm.schemas.effect import Effect
from hxp_enterprise_llm.schemas.engine import Engine
from hxp_enterprise_llm.schemas.hosts import Host, HostName
from hxp_enterprise_llm.schemas.infrastructure_services import InfrastructureServices
from hxp_enterprise_llm.schemas.integration_services import IntegrationServices
from hxp_enterprise_llm.schemas.listeners import Listener, Listeners
from hxp_enterprise_llm.schemas.models import Model, ModelName
from hxp_enterprise_llm.schemas.performance_targets import PerformanceTargets
from hxp_enterprise_llm.schemas.provider import Provider
from hxp_enterprise_llm.schemas.service_network import ServiceNetwork
from hxp_enterprise_llm.schemas.state import State
from hxp_enterprise_llm.schemas.waivers import Waiver


class Environment(WrittenModel):
    """Everything about one environment, as one YAML file describes it."""

    schema_version: Annotated[Literal[1], Effect.LIVE] = Field(
        alias="schema", description="Version of this document's form: 1."
    )
    provider: Annotated[Provider, Effect.DANGEROUS] = Field(
        description="Who makes the hosts, such as `kind: local`."
    )
    state: Annotated[State, Effect.DANGEROUS] = Field(
        default=State(), description="Where the state of the stack is kept."
    )
    hosts: Annotated[dict[HostName, Host], Effect.DANGEROUS] = Field(
        min_length=1, description="Machines by their names."
    )
    engine: Annotated[Engine, Effect.DRAIN] = Field(
        default=Engine(), description="What holds for vLLM on every host."
    )
    models: Annotated[dict[ModelName, Model], Effect.DRAIN] = Field(
        default_factory=dict, description="What is served, by the names of the models."
    )
    listeners: Annotated[Listeners, Effect.RESTART] = Field(
        default=Listeners(), description="Every port, with its `tls`."
    )
    infrastructure_services: Annotated[InfrastructureServices, Effect.RESTART] = Field(
        default=InfrastructureServices(), description="Our own services (KT-01)."
    )
    service_network: Annotated[ServiceNetwork, Effect.LIVE] = Field(
        default=ServiceNetwork(), description="Addresses; all derived (KT-02)."
    )
    integration_services: Annotated[IntegrationServices, Effect.RESTART] = Field(
        default=IntegrationServices(), description="Stores and metrics (KT-03)."
    )
    performance_targets: Annotated[PerformanceTargets, Effect.LIVE] = Field(
        default=PerformanceTargets(), description="What monitoring measures against (KT-04)."
    )
    waivers: Annotated[tuple[Waiver, ...], Effect.LIVE] = Field(
        default=(), description="Rules that do not hold here, why, and until when."
    )

    def port(self, listener: str) -> int:
        """Return the port of a listener by its name in section `listeners`."""
        own = getattr(self.listeners, listener)
        if isinstance(own, Listener):
            return own.port
        services, stores = self.infrastructure_services, self.integration_services
        return {
            "gateway": services.api_gateway.port,
            "prometheus": services.monitoring.prometheus_port,
            "postgres": stores.database.port,
            "redis": stores.cache.port,
        }[listener]

    def hosts_with(self, role: str) -> tuple[str, ...]:
        """Return the names of the hosts that carry a role, in the file's order."""
        return tuple(name for name, host in self.hosts.items() if role in host.roles)

    def models_on(self, host: str) -> dict[str, Model]:
        """Return the enabled models that a vllm host serves, in the file's order.

        Replicas are dealt round: model number i takes `replicas` hosts from the i-th on.
        """
        engines = self.hosts_with("vllm")
        enabled = [(name, model) for name, model in self.models.items() if model.enabled]
        return {
            name: model
            for index, (name, model) in enumerate(enabled)
            if host
            in {
                engines[(index + k) % len(engines)]
                for k in range(min(model.replicas, len(engines)))
            }
        }
