"""Where the controller and users reach what an environment serves."""

from __future__ import annotations

from dataclasses import dataclass

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.outputs import FleetOutputs


@dataclass(frozen=True)
class Endpoint:
    """One listener of one host, as the controller reaches it."""

    host: str
    listener: str
    address: str
    port: int

    @property
    def url(self) -> str:
        """Return `http://ADDRESS:PORT`."""
        return f"http://{self.address}:{self.port}"


def endpoints(
    environment: Environment, fleet: FleetOutputs, role: str, listener: str
) -> tuple[Endpoint, ...]:
    """Return a listener of every host with a role; published ports win over addresses."""
    found = []
    for name in environment.hosts_with(role):
        host = fleet.hosts.get(name)
        if host is None:
            continue
        port = host.published.get(listener)
        address = host.address if port is None else "127.0.0.1"
        found.append(Endpoint(name, listener, address, port or environment.port(listener)))
    return tuple(found)


def gateway(environment: Environment, fleet: FleetOutputs) -> Endpoint:
    """Return the first gateway.

    Raises:
        CitadelError: No host of the environment has the role.
    """
    found = endpoints(environment, fleet, "gateway", "gateway")
    if not found:
        raise CitadelError(
            f"environment {fleet.environment} has no gateway",
            next_step="Give a host the role gateway and run: citadel up " + fleet.environment,
        )
    return found[0]
