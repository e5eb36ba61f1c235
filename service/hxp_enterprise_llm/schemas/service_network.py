"""Section `service_network` (KT-02). Every key is derived; a written one must agree."""

from __future__ import annotations

from pydantic import Field

from hxp_enterprise_llm.schemas.base import WrittenModel


def _address(of: str) -> str | None:
    text: str | None = Field(default=None, description=f"Derived: `host:port` of {of}.")
    return text


class InternalServices(WrittenModel):
    """Addresses of our own services."""

    api_gateway: str | None = _address("the first gateway")
    monitoring: str | None = _address("the first Prometheus")
    configuration: str | None = _address("the configuration service; no role carries it yet")
    storage: str | None = _address("the storage service; no role carries it yet")


class ExternalIntegration(WrittenModel):
    """Addresses of the systems that our services use."""

    database: str | None = _address("the first PostgreSQL")
    vector_database: str | None = _address("Qdrant's HTTP listener; no role carries it yet")
    metrics_server: str | None = _address("the first Prometheus")
    grafana_server: str | None = _address("Grafana; no role carries it yet")


class SecurityRequirements(WrittenModel):
    """What the environment demands of connections and requests."""

    ssl_enabled: bool | None = Field(
        default=None, description="Derived: whether every listener serves TLS."
    )
    authentication_required: bool | None = Field(
        default=None, description="Derived from infrastructure_services.api_gateway.enable_auth."
    )
    rate_limiting: bool | None = Field(
        default=None,
        description="Derived: whether infrastructure_services.api_gateway.rate_limit_rps is set.",
    )
    request_validation: bool | None = Field(
        default=None, description="Derived: true, the gateway checks every request."
    )
    audit_logging: bool | None = Field(
        default=None, description="Derived: whether a host has role configuration."
    )


class Connection(WrittenModel):
    """How services reach one store."""

    host: str | None = Field(default=None, description="Derived: the store's host.")
    port: int | None = Field(default=None, description="Derived: TCP port of the store.")
    ssl_enabled: bool | None = Field(
        default=None, description="Derived from `tls.enabled` of the store's listener."
    )
    connection_pooling: bool | None = Field(
        default=None, description="Derived: whether connection_pool_size is more than 1."
    )


class DatabaseConnection(Connection):
    """PostgreSQL."""

    load_balancing: bool | None = Field(
        default=None, description="Derived: whether several hosts have role postgres."
    )


class VectorDbConnection(Connection):
    """Qdrant."""

    grpc_port: int | None = Field(
        default=None, description="Derived from integration_services.vector_database.grpc_port."
    )


class CacheConnection(Connection):
    """Redis."""

    clustering: bool | None = Field(
        default=None, description="Derived: whether several hosts have role redis."
    )


class MetricsConnection(WrittenModel):
    """Prometheus and Grafana."""

    prometheus: str | None = _address("the first Prometheus")
    grafana: str | None = _address("Grafana; no role carries it yet")
    ssl_enabled: bool | None = Field(
        default=None, description="Derived from listeners.prometheus.tls.enabled."
    )
    authentication: bool | None = Field(
        default=None, description="Derived: false, Prometheus asks nobody for a password yet."
    )


class ServiceNetwork(WrittenModel):
    """KT-02."""

    internal_services: InternalServices = Field(
        default=InternalServices(), description="Addresses of our own services."
    )
    external_integration: ExternalIntegration = Field(
        default=ExternalIntegration(), description="Addresses of the systems that ours use."
    )
    security_requirements: SecurityRequirements = Field(
        default=SecurityRequirements(), description="What is demanded of connections and requests."
    )
    database_connection: DatabaseConnection = Field(
        default=DatabaseConnection(), description="How services reach PostgreSQL."
    )
    vector_db_connection: VectorDbConnection = Field(
        default=VectorDbConnection(), description="How services reach Qdrant."
    )
    cache_connection: CacheConnection = Field(
        default=CacheConnection(), description="How services reach Redis."
    )
    metrics_connection: MetricsConnection = Field(
        default=MetricsConnection(), description="How services reach Prometheus and Grafana."
    )
