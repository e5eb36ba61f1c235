"""Keys that the spec states twice: where the one that counts stands, and what it says (A-list)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hxp_enterprise_llm.configuration.diagnostics import KeyPath
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.listeners import Listeners


@dataclass(frozen=True, slots=True)
class Derived:
    """A derived key, its value, and the keys that it comes from, in words."""

    path: KeyPath
    value: Any
    source: str


def derived(name: str, environment: Environment) -> Iterator[Derived]:
    """Yield every derived key of an environment with its value."""
    for path, value, source in (
        *_services(name, environment),
        *_stores(environment),
        *_addresses(environment),
        *_connections(environment),
        *_requirements(environment),
    ):
        yield Derived(tuple(path.split(".")), value, source)


_Rows = Iterator[tuple[str, Any, str]]


def _host(environment: Environment, role: str) -> str | None:
    hosts = environment.hosts_with(role)
    return environment.hosts[hosts[0]].address or hosts[0] if hosts else None


def _address(environment: Environment, role: str) -> str | None:
    host = _host(environment, role)
    return f"{host}:{environment.port(role)}" if host else None


def _tls(environment: Environment, listener: str) -> bool:
    enabled: bool = getattr(environment.listeners, listener).tls.enabled
    return enabled


def _services(name: str, environment: Environment) -> _Rows:
    services, stores = environment.infrastructure_services, environment.integration_services
    interval = services.monitoring.metrics_collection_interval
    interval_key = "infrastructure_services.monitoring.metrics_collection_interval"
    yield (
        "infrastructure_services.api_gateway.enable_ssl",
        _tls(environment, "gateway"),
        "listeners.gateway.tls.enabled",
    )
    yield "infrastructure_services.configuration.environment", name, "the name of the file"
    yield "performance_targets.monitoring.metrics_collection_interval", interval, interval_key
    yield (
        "performance_targets.database.connection_timeout",
        stores.database.connection_timeout,
        "integration_services.database.connection_timeout",
    )


def _stores(environment: Environment) -> _Rows:
    monitoring = environment.infrastructure_services.monitoring
    base = "integration_services."
    yield f"{base}database.host", _host(environment, "postgres"), "the host with role postgres"
    yield f"{base}cache.host", _host(environment, "redis"), "the host with role redis"
    yield f"{base}vector_database.host", None, "a role for Qdrant, which is not there yet"
    host = _host(environment, "prometheus")
    yield f"{base}metrics.prometheus_host", host, "the host with role prometheus"
    yield f"{base}metrics.grafana_host", None, "a role for Grafana, which is not there yet"
    for key, field in (
        ("prometheus_port", "prometheus_port"),
        ("grafana_port", "grafana_port"),
        ("collection_interval", "metrics_collection_interval"),
        ("alerting_enabled", "alerting_enabled"),
    ):
        source = f"infrastructure_services.monitoring.{field}"
        yield f"{base}metrics.{key}", getattr(monitoring, field), source


def _addresses(environment: Environment) -> _Rows:
    base = "service_network."
    roles = {
        "internal_services.api_gateway": "gateway",
        "internal_services.configuration": "configuration",
        "internal_services.monitoring": "prometheus",
        "external_integration.database": "postgres",
        "external_integration.metrics_server": "prometheus",
        "metrics_connection.prometheus": "prometheus",
    }
    for key, role in roles.items():
        yield base + key, _address(environment, role), f"the host and the port of role {role}"
    for key, service in {
        "internal_services.storage": "the storage service",
        "external_integration.vector_database": "Qdrant",
        "external_integration.grafana_server": "Grafana",
        "metrics_connection.grafana": "Grafana",
    }.items():
        yield base + key, None, f"a role for {service}, which is not there yet"


def _connections(environment: Environment) -> _Rows:
    stores = environment.integration_services
    for section, role, store in (
        ("database_connection", "postgres", stores.database),
        ("cache_connection", "redis", stores.cache),
    ):
        base = f"service_network.{section}."
        key = "database" if role == "postgres" else "cache"
        pool = f"integration_services.{key}.connection_pool_size"
        yield f"{base}host", _host(environment, role), f"the host with role {role}"
        yield f"{base}port", store.port, f"integration_services.{key}.port"
        yield f"{base}ssl_enabled", _tls(environment, role), f"listeners.{role}.tls.enabled"
        yield f"{base}connection_pooling", store.connection_pool_size > 1, pool
        several = len(environment.hosts_with(role)) > 1
        last = "load_balancing" if role == "postgres" else "clustering"
        yield f"{base}{last}", several, f"the number of hosts with role {role}"
    yield from _vectors(environment)


def _vectors(environment: Environment) -> _Rows:
    vectors = environment.integration_services.vector_database
    base, source = "service_network.vector_db_connection.", "integration_services.vector_database."
    yield f"{base}host", None, "a role for Qdrant, which is not there yet"
    yield f"{base}port", vectors.port, f"{source}port"
    yield f"{base}grpc_port", vectors.grpc_port, f"{source}grpc_port"
    yield f"{base}ssl_enabled", False, "a listener of Qdrant, which is not there yet"
    pooling = vectors.connection_pool_size > 1
    yield f"{base}connection_pooling", pooling, f"{source}connection_pool_size"


def _requirements(environment: Environment) -> _Rows:
    gateway = environment.infrastructure_services.api_gateway
    base = "service_network.security_requirements."
    every = all(_tls(environment, name) for name in Listeners.model_fields)
    service = "infrastructure_services.api_gateway."
    yield f"{base}ssl_enabled", every, "`tls.enabled` of all listeners"
    yield f"{base}authentication_required", gateway.enable_auth, f"{service}enable_auth"
    limited = gateway.rate_limit_rps is not None
    yield f"{base}rate_limiting", limited, f"{service}rate_limit_rps"
    yield f"{base}request_validation", True, "the gateway, which checks every request"
    audited = bool(environment.hosts_with("configuration"))
    yield f"{base}audit_logging", audited, "the audit log of a host with role configuration"
    metrics = "service_network.metrics_connection."
    yield f"{metrics}ssl_enabled", _tls(environment, "prometheus"), "listeners.prometheus.tls"
    yield f"{metrics}authentication", False, "a password for Prometheus, which is not there yet"
