"""What a resolver may look at."""

from __future__ import annotations

from dataclasses import dataclass

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.outputs import FleetOutputs, HostOutput


@dataclass(frozen=True)
class Context:
    """An environment and the hosts that its provider made."""

    name: str
    environment: Environment
    fleet: FleetOutputs

    def host(self, name: str) -> HostOutput:
        """Return a host's outputs.

        Raises:
            CitadelError: The stack does not have it (yet).
        """
        try:
            return self.fleet.hosts[name]
        except KeyError:
            raise CitadelError(
                f"host {name} is not in the outputs of stack {self.name}",
                next_step=f"run: citadel up {self.name}",
            ) from None

    def endpoint(self, host: str, listener: str, index: int = 0) -> str:
        """Return `address:port` of a listener of a host, as other hosts reach it."""
        return f"{self.host(host).address}:{self.environment.port(listener) + index}"
