"""The ssh provider as components see it."""

from __future__ import annotations

import os
from pathlib import Path

import pulumi

from components.site import HostArguments, Machine
from hxp_enterprise_llm.orchestration.paths import checkout, environment_state
from hxp_enterprise_llm.schemas.provider import SshProvider


class Host(pulumi.CustomResource):
    """A host that exists; what it really is gets known once it was asked."""

    memory_found: pulumi.Output[int]
    cpus_found: pulumi.Output[float]
    container_found: pulumi.Output[bool]

    def __init__(
        self, name: str, properties: dict[str, object], opts: pulumi.ResourceOptions
    ) -> None:
        found = {"memory_found": None, "cpus_found": None, "container_found": None}
        super().__init__("citadel-ssh:index:Host", name, properties | found, opts)


class SshSite:
    """Records hosts that exist.

    Args:
        name: Name of the environment.
        provider: Its section `provider`.
    """

    def __init__(self, name: str, provider: SshProvider) -> None:
        self._name, self._provider = name, provider
        self._identity = checkout() / Path(provider.identity_file).expanduser()

    def host(self, arguments: HostArguments, parent: pulumi.Resource) -> Machine:
        """Check and record one host; see `components.site.Site`."""
        address, key = arguments.address or "", arguments.host_key or ""
        properties: dict[str, object] = {
            "name": arguments.name,
            "address": address,
            "port": self._provider.port,
            "user": self._provider.user,
            "identity_file": str(self._identity),
            "host_key": key,
            "memory": arguments.memory,
            "bastion": self._provider.bastion,
            "reachable": True,
        }
        options = pulumi.ResourceOptions(parent=parent)
        host = Host(arguments.name, properties, options)
        return Machine(
            address=address,
            ssh_host=address,
            ssh_port=self._provider.port,
            user=self._provider.user,
            host_key=pulumi.Output.from_input(key),
            identity_file=self._identity_file(),
            published={},
            memory=host.memory_found,
            cpus=host.cpus_found,
            shared_kernel=host.container_found,
            store="copied",
            bastion=self._provider.bastion,
        )

    def _identity_file(self) -> str:
        """Return the key as outputs name it: from the state folder, so that checkouts may move."""
        if Path(self._provider.identity_file).expanduser().is_absolute():
            return str(self._identity)
        return os.path.relpath(self._identity, environment_state(self._name))
