"""Data of role `exporters`: what turns the stores' statistics into metrics."""

from __future__ import annotations

from pydantic import Field

from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.schemas.reference import SecretReference
from hxp_enterprise_llm.schemas.roles.role import RoleData


class StoreExporter(CitadelModel):
    """An exporter and the store that it watches."""

    store_address: str = Field(description="Address of the store; loopback on its own host.")
    store_port: int = Field(ge=1, le=65535, description="Port of the store.")
    port: int = Field(ge=1, le=65535, description="Port that the exporter serves metrics on.")
    user: str = Field(default="citadel_monitor", description="Whom it logs in as.")
    password: SecretReference = Field(description="Reference to that user's password.")


class ExportersRole(RoleData):
    """The exporters of one host; a store that the environment lacks has none."""

    packages: tuple[str, ...] = ("prometheus-postgres-exporter", "prometheus-redis-exporter")
    address: str = Field(description="Address of the host that the exporters bind.")
    postgres: StoreExporter | None = Field(default=None, description="Watches PostgreSQL.")
    redis: StoreExporter | None = Field(default=None, description="Watches Redis.")
