"""Where the controller and users reach what an environment serves."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from dataclasses import dataclass

from hxp_enterprise_llm.core.exceptions import CitadelError, UnreachableError
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.outputs import FleetOutputs

_TIMEOUT = 10.0
_SHOWN_BYTES = 500


@dataclass(frozen=True)
class Served:
    """What a role serves to users over HTTP.

    Attributes:
        role: The role.
        listener: Its listener.
        health: Paths that answer 200 while all is well.
        base: Path that users' programs start from.
    """

    role: str
    listener: str
    health: tuple[str, ...]
    base: str = ""


SERVED = (
    Served("gateway", "gateway", ("/health/live", "/health/ready"), base="/v1"),
    Served("configuration", "configuration", ("/health/live", "/health/ready"), base="/v1"),
    Served("prometheus", "prometheus", ("/-/healthy", "/-/ready")),
    Served("alertmanager", "alertmanager", ("/-/healthy", "/-/ready")),
)


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

    def get(self, path: str) -> bytes:
        """Return what a GET answers; never through a proxy, for these are hosts of ours.

        Raises:
            UnreachableError: Nobody answers.
            CitadelError: The answer is an error.
        """
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self.url + path, timeout=_TIMEOUT) as response:
                content: bytes = response.read()
        except urllib.error.HTTPError as error:
            with error:
                text = error.read(_SHOWN_BYTES).decode(errors="replace").strip()
            raise CitadelError(f"{self.url}{path} answered {error.code}: {text}") from None
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(f"{self.url}{path} does not answer: {error}") from None
        return content


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


def urls(environment: Environment, fleet: FleetOutputs) -> dict[str, str]:
    """Return where users reach each role of `SERVED` that has a host: of the first one."""
    found = {}
    for served in SERVED:
        doors = endpoints(environment, fleet, served.role, served.listener)
        if doors:
            found[served.role] = doors[0].url + served.base
    return found


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
