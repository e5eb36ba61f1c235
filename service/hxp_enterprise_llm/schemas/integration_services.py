"""Section `integration_services` (KT-03). Hosts are derived from roles when not given."""

from __future__ import annotations

from pydantic import Field

from hxp_enterprise_llm.schemas.base import CitadelModel, Seconds
from hxp_enterprise_llm.schemas.reference import SecretReference


class Database(CitadelModel):
    """PostgreSQL."""

    host: str | None = Field(
        default=None, description="Derived from the host with role postgres; refused when it differs."
    )
    port: int = Field(default=5433, ge=1, le=65535)
    database: str = "citadel_ai"
    user: str = "citadel_admin"
    password: SecretReference = "generated:postgres/citadel_admin"
    connection_pool_size: int = Field(default=20, ge=1)
    max_connections: int = Field(default=100, ge=1)
    connection_timeout: Seconds = Field(default=30.0, gt=0)
    query_timeout: Seconds = Field(default=60.0, gt=0)


class VectorDatabase(CitadelModel):
    """Qdrant."""

    host: str | None = None
    port: int = Field(default=6333, ge=1, le=65535)
    grpc_port: int = Field(default=6334, ge=1, le=65535)
    prefer_grpc: bool = True
    connection_pool_size: int = Field(default=10, ge=1)
    max_connections: int = Field(default=50, ge=1)
    timeout: Seconds = Field(default=30.0, gt=0)
    batch_size: int = Field(default=1000, ge=1)


class Cache(CitadelModel):
    """Redis."""

    host: str | None = Field(
        default=None, description="Derived from the host with role redis; refused when it differs."
    )
    port: int = Field(default=6379, ge=1, le=65535)
    db: int = Field(default=0, ge=0, le=15)
    password: SecretReference = "generated:redis/default"
    connection_pool_size: int = Field(default=10, ge=1)
    max_connections: int = Field(default=50, ge=1)
    timeout: Seconds = Field(default=30.0, gt=0)
    key_prefix: str = "citadel:"
    ttl_default: Seconds = Field(default=3600.0, gt=0)


class Metrics(CitadelModel):
    """Prometheus and Grafana as their clients see them."""

    prometheus_host: str | None = None
    prometheus_port: int | None = Field(
        default=None, description="Derived from infrastructure_services.monitoring.prometheus_port."
    )
    grafana_host: str | None = None
    grafana_port: int | None = Field(
        default=None, description="Derived from infrastructure_services.monitoring.grafana_port."
    )
    collection_interval: Seconds | None = Field(
        default=None,
        description="Derived from infrastructure_services.monitoring.metrics_collection_interval.",
    )
    retention_days: int = Field(default=30, ge=1, description="Days that samples are kept.")
    alerting_enabled: bool | None = Field(
        default=None, description="Derived from infrastructure_services.monitoring.alerting_enabled."
    )


class IntegrationServices(CitadelModel):
    """KT-03."""

    database: Database = Database()
    vector_database: VectorDatabase = VectorDatabase()
    cache: Cache = Cache()
    metrics: Metrics = Metrics()
