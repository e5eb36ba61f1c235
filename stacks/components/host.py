"""One host of the fleet."""

from __future__ import annotations

from typing import Any

import pulumi

from components.site import HostArguments, Site


class Host(pulumi.ComponentResource):
    """A host with everything that only it uses.

    Args:
        arguments: What the environment asks of it.
        site: Where it stands.
        parent: The fleet.
    """

    record: pulumi.Output[dict[str, Any]]

    def __init__(self, arguments: HostArguments, site: Site, parent: pulumi.Resource) -> None:
        options = pulumi.ResourceOptions(parent=parent)
        super().__init__("citadel:index:Host", arguments.name, None, options)
        machine = site.host(arguments, self)
        self.record = pulumi.Output.all(
            host_key=machine.host_key,
            memory=machine.memory,
            cpus=machine.cpus,
            shared_kernel=machine.shared_kernel,
        ).apply(
            lambda known: {
                "name": arguments.name,
                "roles": list(arguments.roles),
                "address": machine.address,
                "ssh": {
                    "host": machine.ssh_host,
                    "port": machine.ssh_port,
                    "user": machine.user,
                    "host_key": known["host_key"],
                    "identity_file": machine.identity_file,
                    "bastion": machine.bastion,
                },
                "published": machine.published,
                "memory_bytes": int(known["memory"]),
                "cpus": float(known["cpus"]),
                "shared_kernel": bool(known["shared_kernel"]),
                "store": machine.store,
            }
        )
        self.register_outputs({})
