"""The local provider as components see it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pulumi

from components.site import HostArguments, Machine
from hxp_enterprise_llm.orchestration.paths import cache, checkout, environment_state
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.provider import LocalProvider
from providers.local import keys, recipe, slots
from providers.local.naming import VOLUMES, container_name, network_name, volume_name

_SSH = 22


class _Local(pulumi.CustomResource):
    """A resource of plugin `citadel-local`; its properties are its inputs and `outputs`."""

    def __init__(
        self,
        kind: str,
        name: str,
        properties: dict[str, Any],
        opts: pulumi.ResourceOptions,
        outputs: tuple[str, ...] = (),
    ) -> None:
        super().__init__(
            f"citadel-local:index:{kind}", name, properties | dict.fromkeys(outputs), opts
        )


class Host(_Local):
    """A container; `host_key` is known once it runs."""

    host_key: pulumi.Output[str]


class LocalSite:
    """Makes hosts of one environment on this machine.

    Args:
        name: Name of the environment.
        environment: What it shall be.
        provider: Its section `provider`.
        parent: The component that owns what is made.
    """

    def __init__(
        self,
        name: str,
        environment: Environment,
        provider: LocalProvider,
        parent: pulumi.Resource,
    ) -> None:
        self._environment, self._name, self._provider = environment, name, provider
        self._checkout = checkout()
        self._lease = slots.lease(
            cache() / "slots", self._checkout, name, environment.hosts, slot=provider.slot
        )
        self._owner = {"checkout": str(self._checkout), "environment": name}
        self._image = recipe.reference(provider.image)
        child = pulumi.ResourceOptions(parent=parent)
        self._needs = [
            _Local(
                "Image",
                "image",
                {"flavour": provider.image, "reference": self._image},
                child,
            ),
            _Local("Network", "network", self._network(), child),
        ]

    def host(self, arguments: HostArguments, parent: pulumi.Resource) -> Machine:
        """Make one host with its volumes; see `components.site.Site`."""
        lease, name = self._lease, arguments.name
        inside = pulumi.ResourceOptions(parent=parent)
        volumes = {use: volume_name(self._checkout, self._name, name, use) for use in VOLUMES}
        needs = [
            _Local("Volume", f"{name}-{use}", {"name": volume, **self._owner}, inside)
            for use, volume in volumes.items()
        ]
        published = {
            listener: lease.port(name, listener)
            for listener in arguments.listeners
            if listener in slots.PUBLISHED and not self._provider.internal
        }
        reach = self._reach(name)
        # All of the machine's when none are named: a limit that is there can be taken back.
        cpus = round(arguments.cpus or float(os.cpu_count() or 1), 2)
        properties = {
            "name": name,
            "container": container_name(self._checkout, self._name, name),
            **self._owner,
            "image": self._image,
            "network": network_name(self._checkout, self._name),
            "address": lease.address(name),
            "ports": self._ports(name, published),
            "ssh_address": reach[0],
            "ssh_port": reach[1],
            "memory": arguments.memory,
            "cpus": cpus,
            "volumes": volumes,
            "store": _folder("store"),
            "venvs": _folder("venvs"),
            "authorized_key": keys.ensure_key(environment_state(self._name)),
            "running": True,
        }
        options = pulumi.ResourceOptions(parent=parent, depends_on=[*self._needs, *needs])
        host = Host("Host", name, properties, options, ("host_key",))
        return Machine(
            address=lease.address(name),
            ssh_host=reach[0],
            ssh_port=reach[1],
            user=recipe.USER,
            host_key=host.host_key,
            identity_file=keys.FILE,
            published=published,
            memory=arguments.memory,
            cpus=cpus,
            shared_kernel=True,
            store="mounted",
        )

    def _network(self) -> dict[str, Any]:
        return {
            "name": network_name(self._checkout, self._name),
            **self._owner,
            "subnet": self._lease.subnet,
            "gateway": self._lease.gateway,
            "internal": self._provider.internal,
        }

    def _reach(self, host: str) -> tuple[str, int]:
        """Return where the controller finds sshd: an internal network publishes nothing."""
        if self._provider.internal:
            return self._lease.address(host), _SSH
        return "127.0.0.1", self._lease.port(host)

    def _ports(self, host: str, published: dict[str, int]) -> dict[str, int]:
        if self._provider.internal:
            return {}
        inside = {str(outside): self._environment.port(name) for name, outside in published.items()}
        return {str(self._lease.port(host)): _SSH} | inside


def _folder(name: str) -> str:
    folder: Path = cache() / name
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)
