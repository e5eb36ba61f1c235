"""Data of role `redis`: one Redis server, for counters, cache and events."""

from __future__ import annotations

from pydantic import Field

from hxp_enterprise_llm.schemas.reference import SecretReference
from hxp_enterprise_llm.schemas.roles.role import RoleData
from hxp_enterprise_llm.schemas.text import AbsolutePath


class RedisRole(RoleData):
    """Redis 7 of Debian under our own unit."""

    packages: tuple[str, ...] = ("redis-server", "redis-tools")
    address: str = Field(description="Address of the host; the server also listens on loopback.")
    port: int = Field(default=6379, ge=1, le=65535, description="TCP port.")
    data: AbsolutePath = Field(
        default="/opt/data/redis", description="Volume of the append-only file."
    )
    password: SecretReference = Field(description="Reference to the password of user `default`.")
    monitor_user: str = Field(
        default="citadel_monitor", description="User of the exporter; reads no key."
    )
    monitor_password: SecretReference = Field(
        default="generated:redis/citadel_monitor", description="Reference to its password."
    )
    max_clients: int = Field(default=50, ge=1, description="Connections of clients.")
    maxmemory_mib: int = Field(
        ge=16, description="Memory of keys: half the server's share, so that a fork fits."
    )
    databases: int = Field(default=16, ge=1, description="Numbered databases.")
