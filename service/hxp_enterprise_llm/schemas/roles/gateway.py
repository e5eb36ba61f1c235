"""Data of role `gateway`: the workers of one gateway host."""

from __future__ import annotations

from pydantic import Field

from hxp_enterprise_llm.schemas.artifacts import ArtifactRef
from hxp_enterprise_llm.schemas.gateway import GatewayConfig
from hxp_enterprise_llm.schemas.reference import SecretReference
from hxp_enterprise_llm.schemas.roles.role import RoleData


class GatewayRole(RoleData):
    """Workers that share a port, from one virtual environment and one `gateway.yaml`."""

    packages: tuple[str, ...] = ("python3",)
    artifacts: tuple[ArtifactRef, ...] = Field(description="The gateway's virtual environment.")
    venv: str = Field(description="Where that virtual environment lies on the host.")
    workers: int = Field(ge=1, le=64, description="Processes; unit instances 1 to N.")
    key: SecretReference = Field(description="Reference to the first virtual key.")
    config: GatewayConfig = Field(description="What `gateway.yaml` says.")
