"""Targets and limits: what is asked for must be possible with what is given."""

from __future__ import annotations

from collections.abc import Iterator

from hxp_enterprise_llm.configuration.rules.memory import gib
from hxp_enterprise_llm.configuration.rules.registry import Finding, Subject, rule

GB = 10**9
# Redis' own need, copy-on-write while it saves, and the system of its host.
REDIS_SHARE = 0.6


@rule(
    "C213",
    "The keys of Redis fit the memory of its host.",
    "`memory_usage_gb` is what keys may take. While Redis saves, pages that change are there "
    "twice, so three fifths of the host's memory is the most that holds.",
    waivable=True,
)
def keys_beyond_memory(subject: Subject) -> Iterator[Finding]:
    """Find a size of keys that the host of Redis cannot hold."""
    wanted = subject.environment.performance_targets.cache.memory_usage_gb
    for name in subject.environment.hosts_with("redis"):
        memory = subject.environment.hosts[name].memory
        most = memory * REDIS_SHARE
        if wanted is not None and wanted * GB > most:
            yield Finding(
                ("performance_targets", "cache", "memory_usage_gb"),
                f"{name} has {gib(memory)}, of which keys may take {most / GB:.1f} GB.",
                "Write less, or give the host more memory.",
            )


@rule(
    "C360",
    "Limits of the gateway allow what its targets ask for.",
    "A rate limit below the target's throughput, or fewer connections than requests that a worker "
    "must carry, make the target impossible to meet.",
    severity="warning",
    waivable=True,
)
def limit_below_target(subject: Subject) -> Iterator[Finding]:
    """Find limits that make a target impossible."""
    gateway = subject.environment.infrastructure_services.api_gateway
    target = subject.environment.performance_targets.api_gateway
    section = ("infrastructure_services", "api_gateway")
    if gateway.rate_limit_rps is not None and gateway.rate_limit_rps < target.target_throughput_rps:
        yield Finding(
            (*section, "rate_limit_rps"),
            f"{gateway.rate_limit_rps} requests a second are less than the target of "
            f"{target.target_throughput_rps:g}.",
            "Raise the limit, or lower performance_targets.api_gateway.target_throughput_rps.",
        )
    if gateway.max_connections < target.max_concurrent_requests:
        yield Finding(
            (*section, "max_connections"),
            f"{gateway.max_connections} connections a worker cannot carry "
            f"{target.max_concurrent_requests} requests at once.",
            "Raise it, or lower performance_targets.api_gateway.max_concurrent_requests.",
        )


@rule(
    "C361",
    "Alerts can be as quick as their target says.",
    "A condition is seen with the next scrape and alerted on with the one after it: two intervals "
    "of collection must fit into `alert_response_time`.",
    severity="warning",
    waivable=True,
)
def alert_beyond_target(subject: Subject) -> Iterator[Finding]:
    """Find an interval of collection that makes alerts later than their target."""
    interval = subject.environment.infrastructure_services.monitoring.metrics_collection_interval
    wanted = subject.environment.performance_targets.monitoring.alert_response_time
    if 2 * interval > wanted:
        yield Finding(
            ("performance_targets", "monitoring", "alert_response_time"),
            f"alerts need two collections, {2 * interval:g} s, and may take {wanted:g} s.",
            f"Write {2 * interval:g}s or more, or collect more often.",
        )


@rule(
    "C362",
    "The weights of all models fit the storage that is allowed for them.",
    "`max_storage_gb` is what models and data may take in all.",
    severity="warning",
    waivable=True,
)
def weights_beyond_storage(subject: Subject) -> Iterator[Finding]:
    """Find weights that take more than all storage."""
    limit = subject.environment.infrastructure_services.storage.max_storage_gb
    weights = sum(model.weights or 0 for _, model in subject.served())
    if weights > limit * GB:
        yield Finding(
            ("infrastructure_services", "storage", "max_storage_gb"),
            f"the models take {weights / GB:.0f} GB, and {limit} GB are allowed.",
            "Raise the limit, or serve fewer models.",
        )


@rule(
    "C363",
    "A gateway host has a CPU for each worker.",
    "Workers share nothing and keep a CPU busy each under load; more of them than CPUs only wait "
    "for each other.",
    severity="warning",
    waivable=True,
)
def workers_beyond_cpus(subject: Subject) -> Iterator[Finding]:
    """Find gateways with more workers than CPUs."""
    workers = subject.environment.infrastructure_services.api_gateway.workers
    for name in subject.environment.hosts_with("gateway"):
        cpus = subject.environment.hosts[name].cpus
        if cpus is not None and workers > cpus:
            yield Finding(
                ("hosts", name, "cpus"),
                f"{workers} workers share {cpus:g} CPUs.",
                "Give the host more CPUs, or lower infrastructure_services.api_gateway.workers.",
            )
