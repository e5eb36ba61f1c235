"""Data of role `postgres`: one PostgreSQL server with one database for the gateway."""

from __future__ import annotations

from pydantic import Field

from hxp_enterprise_llm.schemas.reference import SecretReference
from hxp_enterprise_llm.schemas.roles.role import RoleData
from hxp_enterprise_llm.schemas.text import AbsolutePath, DatabaseName, DatabaseUser


class PostgresRole(RoleData):
    """PostgreSQL 15 of Debian under our own unit."""

    packages: tuple[str, ...] = ("postgresql-15",)
    address: str = Field(description="Address of the host; the server also listens on loopback.")
    port: int = Field(default=5433, ge=1, le=65535, description="TCP port.")
    data: AbsolutePath = Field(
        default="/opt/data/postgres", description="Volume; the cluster lies in its folder `15`."
    )
    database: DatabaseName = Field(description="Database that is made for the gateway.")
    user: DatabaseUser = Field(description="Owner of the database; the only one who may enter it.")
    password: SecretReference = Field(description="Reference to the owner's password.")
    monitor_user: str = Field(
        default="citadel_monitor", description="Role of the exporter; has pg_monitor, no data."
    )
    monitor_password: SecretReference = Field(
        default="generated:postgres/citadel_monitor", description="Reference to its password."
    )
    clients: tuple[str, ...] = Field(
        default=(),
        description="Networks of the hosts that may use the database; nobody else gets in.",
    )
    monitors: tuple[str, ...] = Field(
        default=(), description="Networks of the hosts whose exporter may ask for statistics."
    )
    max_connections: int = Field(default=100, ge=1, description="Connections in all.")
    connection_timeout_s: int = Field(
        default=30, ge=1, description="Seconds that a client has to authenticate."
    )
    query_timeout_ms: int = Field(
        default=60_000, ge=0, description="Milliseconds a statement may run; 0 for no limit."
    )
    shared_buffers_mib: int = Field(ge=16, description="A quarter of the server's share of memory.")
    effective_cache_mib: int = Field(ge=16, description="Three quarters of that share.")
    maintenance_work_mib: int = Field(ge=1, description="Memory of one maintenance operation.")
    work_kib: int = Field(ge=64, description="Memory of one sort or hash of one connection.")
