"""Data of role `configuration`: one server of the configuration service."""

from __future__ import annotations

from pydantic import Field

from hxp_enterprise_llm.schemas.artifacts import ArtifactRef
from hxp_enterprise_llm.schemas.configuration_service import ConfigurationServiceConfig
from hxp_enterprise_llm.schemas.reference import SecretReference
from hxp_enterprise_llm.schemas.roles.role import RoleData


class ConfigurationRole(RoleData):
    """One server of the configuration service, from one virtual environment and one file."""

    packages: tuple[str, ...] = ("python3",)
    artifacts: tuple[ArtifactRef, ...] = Field(description="The service's virtual environment.")
    venv: str = Field(description="Where that virtual environment lies on the host.")
    key: SecretReference = Field(description="Reference to the first administrator's key.")
    signing: SecretReference = Field(description="Reference to what signs revisions.")
    database: SecretReference | None = Field(
        default=None, description="Reference to the database's password, when there is one."
    )
    audit: SecretReference = Field(description="Reference to the key of the audit log's chain.")
    sealing: tuple[SecretReference, ...] = Field(
        default=(), description="References to what stored revisions are sealed with."
    )
    config: ConfigurationServiceConfig = Field(description="What `configuration.yaml` says.")
