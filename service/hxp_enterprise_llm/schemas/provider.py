"""Who makes the hosts: podman on this machine, or somebody already (ssh)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hxp_enterprise_llm.schemas.base import WrittenModel
from hxp_enterprise_llm.schemas.text import JumpHost, KeyFile, SshUser


class LocalProvider(WrittenModel):
    """Hosts are podman containers that run systemd, on the controller itself."""

    kind: Literal["local"] = Field(description="Containers on this machine.")
    slot: int | None = Field(
        default=None,
        ge=0,
        le=511,
        description="Subnet 10.{200 + slot // 256}.{slot % 256}.0/24 and ports 10000 + 40 × slot "
        "up. Derived from the checkout and the environment when not given.",
    )
    image: Literal["full", "bare"] = Field(
        default="full",
        description="`full` has the Debian packages of roles; `bare` has systemd, Python and SSH.",
    )
    internal: bool = Field(
        default=False,
        description="Hosts reach each other and the controller only; no port is published.",
    )


class SshProvider(WrittenModel):
    """Hosts exist already; they are checked and recorded, never made or destroyed."""

    kind: Literal["ssh"] = Field(description="Hosts that exist already.")
    user: SshUser = Field(
        description="Account on every host that may become root without a password."
    )
    port: int = Field(default=22, ge=1, le=65535, description="TCP port of SSH.")
    identity_file: KeyFile = Field(description="Private key, absolute or relative to the checkout.")
    bastion: JumpHost | None = Field(default=None, description="`user@host:port` to jump through.")


Provider = Annotated[LocalProvider | SshProvider, Field(discriminator="kind")]
