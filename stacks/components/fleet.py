"""All hosts of an environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi

from components.host import Host
from components.site import HostArguments, Site
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.outputs import FleetOutputs

# Listeners that users reach from outside, by the role that opens them.
LISTENERS = {"gateway": "gateway", "prometheus": "prometheus", "alertmanager": "alertmanager"}


class Fleet(pulumi.ComponentResource):
    """Hosts of an environment on one site.

    Args:
        name: Name of the environment.
        environment: What it shall be.
        site: Builds the site under this component.
    """

    def __init__(
        self, name: str, environment: Environment, site: Callable[[pulumi.Resource], Site]
    ) -> None:
        super().__init__("citadel:index:Fleet", name)
        place = site(self)
        hosts = {
            host: Host(_arguments(environment, host), place, self) for host in environment.hosts
        }
        records = {host: made.record for host, made in hosts.items()}
        self.outputs: pulumi.Output[dict[str, Any]] = pulumi.Output.all(**records).apply(
            lambda known: _outputs(name, environment, known)
        )
        self.register_outputs({})


def _arguments(environment: Environment, name: str) -> HostArguments:
    host = environment.hosts[name]
    return HostArguments(
        name=name,
        roles=host.roles,
        memory=host.memory,
        cpus=host.cpus,
        listeners=tuple(LISTENERS[role] for role in host.roles if role in LISTENERS),
        address=host.address,
        host_key=host.host_key,
    )


def _outputs(name: str, environment: Environment, hosts: dict[str, Any]) -> dict[str, Any]:
    fleet = FleetOutputs.model_validate(
        {"environment": name, "provider": environment.provider.kind, "hosts": hosts}
    )
    return fleet.model_dump(mode="json")
