"""FleetOutputs: what the Pulumi program tells the rest. The only bridge between the two."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.schemas.hosts import HostName, RoleName
from hxp_enterprise_llm.schemas.text import Address, HostKey, JumpHost, LocalPath, SshUser

_Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]


class SshEndpoint(CitadelModel):
    """How the controller reaches a host over SSH."""

    host: Address = Field(description="Address or name that the controller connects to.")
    port: int = Field(default=22, ge=1, le=65535)
    user: SshUser = Field(description="Account that may become root without a password.")
    host_key: HostKey = Field(description="Public host key, `type base64`, pinned by the provider.")
    identity_file: LocalPath = Field(
        description="Path of the private key, relative to the state folder of the environment."
    )
    bastion: JumpHost | None = Field(default=None, description="`user@host:port` to jump through.")


class HostOutput(CitadelModel):
    """One host as its provider made it."""

    name: HostName
    roles: tuple[RoleName, ...]
    address: Address = Field(description="Address that the other hosts of the environment use.")
    ssh: SshEndpoint
    published: dict[_Name, int] = Field(
        default_factory=dict,
        description="Listener name → port on 127.0.0.1 of the controller.",
    )
    memory_bytes: int = Field(description="Memory of the host in bytes.")
    cpus: float = Field(description="CPUs of the host.")
    shared_kernel: bool = Field(
        default=False, description="A container: kernel settings are not its own (D16)."
    )
    store: Literal["mounted", "copied"] = Field(
        description="Whether /opt/citadel/store is a read-only mount or filled by copying."
    )


class FleetOutputs(CitadelModel):
    """The typed, versioned output `fleet` of a stack. Holds no secret.

    Whoever can write the state can write this: every text has a form that no command line,
    known_hosts file or inventory can be broken by.
    """

    version: Literal[1] = 1
    environment: HostName
    provider: _Name
    hosts: dict[HostName, HostOutput]
