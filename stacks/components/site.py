"""What a provider offers to components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import pulumi


@dataclass(frozen=True)
class HostArguments:
    """What an environment asks of a host, whoever makes it."""

    name: str
    roles: tuple[str, ...]
    memory: int
    cpus: float | None
    listeners: tuple[str, ...]
    address: str | None = None
    host_key: str | None = None


@dataclass(frozen=True)
class Machine:
    """A host as its provider makes it; what is asked of the host is known once it exists."""

    address: str
    ssh_host: str
    ssh_port: int
    user: str
    host_key: pulumi.Output[str]
    identity_file: str
    published: dict[str, int]
    memory: pulumi.Input[int]
    cpus: pulumi.Input[float]
    shared_kernel: pulumi.Input[bool]
    store: Literal["mounted", "copied"]
    bastion: str | None = None


class Site(Protocol):
    """Where the hosts of an environment stand."""

    def host(self, arguments: HostArguments, parent: pulumi.Resource) -> Machine:
        """Make, or record, one host.

        Args:
            arguments: What is asked of it.
            parent: The component that owns what is made.
        """
        ...
