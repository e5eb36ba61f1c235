"""Environment → role `prometheus`: a target for every daemon of the environment."""

from __future__ import annotations

from collections.abc import Iterator

from hxp_enterprise_llm.orchestration.resolvers.context import Context
from hxp_enterprise_llm.orchestration.resolvers.exporters import watched
from hxp_enterprise_llm.schemas.roles.prometheus import PrometheusRole, ScrapeJob, Target


def resolve(context: Context, host: str) -> PrometheusRole:
    """Return the data of the Prometheus server of a host."""
    environment = context.environment
    monitoring = environment.infrastructure_services.monitoring
    storage = environment.infrastructure_services.storage
    return PrometheusRole(
        address=context.host(host).address,
        port=environment.port("prometheus"),
        data=f"{storage.data_storage_path}/prometheus",
        retention_days=environment.integration_services.metrics.retention_days,
        scrape_interval_s=max(1, round(monitoring.metrics_collection_interval)),
        jobs=jobs(context),
        alertmanagers=tuple(
            context.endpoint(name, "alertmanager")
            for name in environment.hosts_with("alertmanager")
            if monitoring.alerting_enabled
        ),
    )


def jobs(context: Context) -> tuple[ScrapeJob, ...]:
    """Return a job for each kind of daemon that the environment has, with all its targets."""
    kinds = {
        "base": _every(context, "base", "node_exporter", tuple(context.environment.hosts)),
        "vllm": _engines(context),
        "engine_proxy": _every(context, "vllm", "engine_proxy_metrics"),
        "gateway": _workers(context),
        "configuration": _every(context, "configuration", "configuration"),
        "postgres": _stores(context, "postgres"),
        "redis": _stores(context, "redis"),
        "prometheus": _every(context, "prometheus", "prometheus"),
        "alertmanager": _every(context, "alertmanager", "alertmanager"),
    }
    found = {name: tuple(targets) for name, targets in kinds.items()}
    return tuple(
        ScrapeJob(name=name, targets=targets) for name, targets in found.items() if targets
    )


def _target(address: str, context: Context, host: str, role: str, **labels: str) -> Target:
    own = {"environment": context.name, "host": host, "role": role}
    return Target(address=address, labels=own | labels)


def _every(
    context: Context, role: str, listener: str, hosts: tuple[str, ...] | None = None
) -> Iterator[Target]:
    for host in context.environment.hosts_with(role) if hosts is None else hosts:
        yield _target(context.endpoint(host, listener), context, host, role)


def _engines(context: Context) -> Iterator[Target]:
    for host in context.environment.hosts_with("vllm"):
        for index, (name, model) in enumerate(context.environment.models_on(host).items()):
            address = context.endpoint(host, "engine_proxy", index)
            served = model.served_name or name
            yield _target(address, context, host, "vllm", model=served)


def _workers(context: Context) -> Iterator[Target]:
    workers = context.environment.infrastructure_services.api_gateway.workers
    for host in context.environment.hosts_with("gateway"):
        for index in range(workers):
            yield _target(
                context.endpoint(host, "gateway_metrics", index), context, host, "gateway"
            )


def _stores(context: Context, store: str) -> Iterator[Target]:
    for exporter in context.environment.hosts_with("exporters"):
        host = watched(context, store, exporter)
        if host is not None:
            address = context.endpoint(exporter, f"{store}_exporter")
            yield _target(address, context, host, store)
