"""Section `performance_targets` (KT-04): what monitoring measures against. Not a setting of any."""

from __future__ import annotations

from pydantic import Field

from hxp_enterprise_llm.schemas.base import Seconds, WrittenModel


class GatewayTargets(WrittenModel):
    """What the gateway adds to a request, generation excluded."""

    target_latency_ms: float = Field(
        default=100.0, gt=0, description="Milliseconds that the gateway may add, 99th percentile."
    )
    target_throughput_rps: float = Field(
        default=1000.0, gt=0, description="Requests a second that a gateway must carry."
    )
    max_concurrent_requests: int = Field(
        default=1000, ge=1, description="Requests in flight that a worker must carry."
    )
    connection_timeout: Seconds = Field(
        default=30.0, gt=0, description="Seconds until a connection to an engine must stand."
    )


class MonitoringTargets(WrittenModel):
    """Monitoring itself."""

    metrics_collection_interval: Seconds | None = Field(
        default=None,
        description="Derived, seconds: "
        "infrastructure_services.monitoring.metrics_collection_interval.",
    )
    health_check_timeout: Seconds = Field(
        default=30.0, gt=0, description="Seconds until a health check must have answered."
    )
    alert_response_time: Seconds = Field(
        default=60.0, gt=0, description="Seconds from a condition to its alert."
    )
    dashboard_load_time: Seconds = Field(
        default=5.0, gt=0, description="Seconds until a dashboard is shown."
    )


class ConfigurationTargets(WrittenModel):
    """Loading, checking, reloading and saving configuration."""

    config_load_time: Seconds = Field(default=1.0, gt=0, description="Seconds to load.")
    validation_time: Seconds = Field(default=0.5, gt=0, description="Seconds to validate.")
    hot_reload_time: Seconds = Field(
        default=2.0, gt=0, description="Seconds from a change to its effect."
    )
    backup_time: Seconds = Field(default=300.0, gt=0, description="Seconds for a backup.")


class StorageTargets(WrittenModel):
    """Files of models and data."""

    read_latency_ms: float = Field(default=10.0, gt=0, description="Milliseconds to a first byte.")
    write_latency_ms: float = Field(default=50.0, gt=0, description="Milliseconds to a sync.")
    cache_hit_rate: float = Field(
        default=0.9, ge=0, le=1, description="Share of reads that the cache answers, 0 to 1."
    )
    compression_ratio: float = Field(
        default=0.7, ge=0, le=1, description="Share of bytes that compression saves, 0 to 1."
    )


class DatabaseTargets(WrittenModel):
    """PostgreSQL."""

    query_latency_ms: float = Field(default=10.0, gt=0, description="Milliseconds of a query.")
    connection_pool_efficiency: float = Field(
        default=0.9, ge=0, le=1, description="Share of acquires that do not wait, 0 to 1."
    )
    query_throughput_rps: float = Field(default=1000.0, gt=0, description="Queries a second.")
    connection_timeout: Seconds | None = Field(
        default=None,
        description="Derived, seconds: integration_services.database.connection_timeout.",
    )


class VectorDatabaseTargets(WrittenModel):
    """Qdrant."""

    search_latency_ms: float = Field(default=100.0, gt=0, description="Milliseconds of a search.")
    index_efficiency: float = Field(
        default=0.95, ge=0, le=1, description="Recall of the ten nearest, 0 to 1."
    )
    search_throughput_rps: float = Field(default=100.0, gt=0, description="Searches a second.")
    batch_processing_time: float = Field(
        default=500.0, gt=0, description="Milliseconds to store a batch of batch_size vectors."
    )


class CacheTargets(WrittenModel):
    """Redis."""

    read_latency_ms: float = Field(default=5.0, gt=0, description="Milliseconds of a read.")
    write_latency_ms: float = Field(default=10.0, gt=0, description="Milliseconds of a write.")
    hit_rate: float = Field(
        default=0.9, ge=0, le=1, description="Share of reads that find their key, 0 to 1."
    )
    memory_usage_gb: float | None = Field(
        default=None, gt=0, description="Gigabytes that keys may take; no default, it is a size."
    )


class MetricsTargets(WrittenModel):
    """Prometheus and Grafana as their users see them."""

    collection_latency_ms: float = Field(
        default=1000.0, gt=0, description="Milliseconds that a scrape may take."
    )
    storage_efficiency: float = Field(
        default=0.8, gt=0, description="Share of Prometheus' raw bytes a sample that is saved."
    )
    query_response_time: float = Field(
        default=500.0, gt=0, description="Milliseconds until a query is answered."
    )
    dashboard_load_time: float = Field(
        default=3000.0, gt=0, description="Milliseconds until a panel is drawn."
    )


class PerformanceTargets(WrittenModel):
    """KT-04."""

    api_gateway: GatewayTargets = Field(
        default=GatewayTargets(), description="What the gateway adds to a request."
    )
    monitoring: MonitoringTargets = Field(
        default=MonitoringTargets(), description="Monitoring itself."
    )
    configuration: ConfigurationTargets = Field(
        default=ConfigurationTargets(), description="Loading, checking and reloading."
    )
    storage: StorageTargets = Field(default=StorageTargets(), description="Files.")
    database: DatabaseTargets = Field(default=DatabaseTargets(), description="PostgreSQL.")
    vector_database: VectorDatabaseTargets = Field(
        default=VectorDatabaseTargets(), description="Qdrant."
    )
    cache: CacheTargets = Field(default=CacheTargets(), description="Redis.")
    metrics: MetricsTargets = Field(default=MetricsTargets(), description="Prometheus and Grafana.")
