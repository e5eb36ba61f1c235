"""Section `integration_services` (KT-03). Hosts are derived from roles when not given."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hxp_enterprise_llm.schemas.base import Seconds, WrittenModel
from hxp_enterprise_llm.schemas.effect import Effect
from hxp_enterprise_llm.schemas.reference import SecretReference
from hxp_enterprise_llm.schemas.text import DatabaseName, DatabaseUser, KeyPrefix


class Database(WrittenModel):
    """PostgreSQL."""

    host: str | None = Field(
        default=None,
        description="Derived from the host with role postgres; refused when it differs.",
    )
    port: int = Field(default=5433, ge=1, le=65535, description="TCP port.")
    database: Annotated[DatabaseName, Effect.DANGEROUS] = Field(
        default="citadel_ai", description="Name of the database."
    )
    user: Annotated[DatabaseUser, Effect.DANGEROUS] = Field(
        default="citadel_admin", description="Owner of the database."
    )
    password: Annotated[SecretReference, Effect.DANGEROUS] = Field(
        default="generated:postgres/citadel_admin", description="Password of that owner."
    )
    connection_pool_size: Annotated[int, Effect.DRAIN] = Field(
        default=20, ge=1, description="Connections a client pool."
    )
    max_connections: int = Field(default=100, ge=1, description="Connections of the server.")
    connection_timeout: Annotated[Seconds, Effect.DRAIN] = Field(
        default=30.0, gt=0, description="Seconds until a connection must stand."
    )
    query_timeout: Annotated[Seconds, Effect.DRAIN] = Field(
        default=60.0, gt=0, description="Seconds that a statement may run."
    )


class VectorDatabase(WrittenModel):
    """Qdrant."""

    host: str | None = Field(
        default=None, description="Derived: no role carries Qdrant yet; refused when written."
    )
    port: int = Field(default=6333, ge=1, le=65535, description="TCP port of HTTP.")
    grpc_port: int = Field(default=6334, ge=1, le=65535, description="TCP port of gRPC.")
    prefer_grpc: Annotated[bool, Effect.DRAIN] = Field(
        default=True, description="Whether clients take gRPC."
    )
    connection_pool_size: Annotated[int, Effect.DRAIN] = Field(
        default=10, ge=1, description="Connections a client pool."
    )
    max_connections: int = Field(default=50, ge=1, description="Connections of the server.")
    timeout: Annotated[Seconds, Effect.DRAIN] = Field(
        default=30.0, gt=0, description="Seconds that a call may take."
    )
    batch_size: Annotated[int, Effect.DRAIN] = Field(
        default=1000, ge=1, description="Vectors stored in one call."
    )


class Cache(WrittenModel):
    """Redis."""

    host: str | None = Field(
        default=None, description="Derived from the host with role redis; refused when it differs."
    )
    port: int = Field(default=6379, ge=1, le=65535, description="TCP port.")
    db: Annotated[int, Effect.DANGEROUS] = Field(
        default=0, ge=0, le=15, description="Number of the database."
    )
    password: Annotated[SecretReference, Effect.DANGEROUS] = Field(
        default="generated:redis/default", description="Password of user default."
    )
    connection_pool_size: Annotated[int, Effect.DRAIN] = Field(
        default=10, ge=1, description="Connections a client pool."
    )
    max_connections: int = Field(default=50, ge=1, description="Connections of the server.")
    timeout: Annotated[Seconds, Effect.DRAIN] = Field(
        default=30.0, gt=0, description="Seconds that a call may take."
    )
    key_prefix: Annotated[KeyPrefix, Effect.DANGEROUS] = Field(
        default="citadel:", description="Start of every key's name."
    )
    ttl_default: Annotated[Seconds, Effect.DRAIN] = Field(
        default=3600.0, gt=0, description="Seconds that an entry lives when nothing else is said."
    )


class Metrics(WrittenModel):
    """Prometheus and Grafana as their clients see them."""

    prometheus_host: str | None = Field(
        default=None, description="Derived from the host with role prometheus."
    )
    prometheus_port: int | None = Field(
        default=None, description="Derived from infrastructure_services.monitoring.prometheus_port."
    )
    grafana_host: str | None = Field(
        default=None, description="Derived: no role carries Grafana yet; refused when written."
    )
    grafana_port: int | None = Field(
        default=None, description="Derived from infrastructure_services.monitoring.grafana_port."
    )
    collection_interval: Annotated[Seconds | None, Effect.LIVE] = Field(
        default=None,
        description="Derived from infrastructure_services.monitoring.metrics_collection_interval.",
    )
    retention_days: int = Field(default=30, ge=1, description="Days that samples are kept.")
    alerting_enabled: Annotated[bool | None, Effect.LIVE] = Field(
        default=None,
        description="Derived from infrastructure_services.monitoring.alerting_enabled.",
    )


class IntegrationServices(WrittenModel):
    """KT-03."""

    database: Database = Field(default=Database(), description="PostgreSQL.")
    vector_database: VectorDatabase = Field(default=VectorDatabase(), description="Qdrant.")
    cache: Cache = Field(default=Cache(), description="Redis.")
    metrics: Metrics = Field(default=Metrics(), description="Prometheus and Grafana.")
