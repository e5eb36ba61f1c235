"""What Prometheus measured, held against what the configuration allows: hints on capacity."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hxp_enterprise_llm.configuration.report.form import Item, Level, Section
from hxp_enterprise_llm.configuration.report.sizes import (
    CONNECTIONS_POSTGRES,
    CONNECTIONS_REDIS,
    CPUS,
    KV_CACHE,
    MEMORY,
    WORKERS,
    Size,
)
from hxp_enterprise_llm.core.exceptions import CitadelError, RefusedError
from hxp_enterprise_llm.schemas.environment import Environment

Samples = Sequence[tuple[Mapping[str, str], float]]
"""Labels and value of each series."""
Query = Callable[[str], Samples]
"""Asks Prometheus an instant query."""
WINDOW = "24h"
_NEAR = 0.8
_FULL = 0.9
_IDLE = 0.3
_IDLE_FIX = "Give what is not needed to another host."
_WEEK = 7 * 86_400
"""How far trends are drawn on: a line of least squares through the window (`predict_linear`)."""
_FILES = 'fstype!~"tmpfs|ramfs|squashfs|iso9660",mountpoint!~"/etc/.+"'


@dataclass(frozen=True)
class Measure:
    """One quantity and its limit.

    Attributes:
        title: What is measured.
        query: PromQL; WINDOW stands for the time that is looked at.
        label: Which label names the subject.
        key: The key to change; `{subject}` stands for host or model.
        limit: What it may be, by the configuration.
        fix: What to do beyond it.
        unit: `%` for shares, which are shown times a hundred.
        worse: On which side of the limit it is bad.
        idle: Below this there is more than is needed; None where that says nothing.
        level: Of an item beyond the limit.
        size: What the key says, where more of it means proportionally more room.
    """

    title: str
    query: str
    label: str
    key: str
    limit: Callable[[Environment], float]
    fix: str
    unit: str = "%"
    worse: Literal["above", "below"] = "above"
    idle: float | None = None
    level: Level = Level.RISK
    size: Size | None = None

    def shown(self, value: float) -> str:
        """Return a value with its unit."""
        return f"{value * 100:.0f} %" if self.unit == "%" else f"{value:.4g} {self.unit}".rstrip()

    def beyond(self, value: float, limit: float) -> bool:
        """Return whether a value is on the wrong side of its limit."""
        return value > limit if self.worse == "above" else value < limit


MEASURES = (
    Measure(
        "KV cache in use, at most",
        "max by (model_name) (max_over_time(vllm:kv_cache_usage_perc[WINDOW]))",
        "model_name",
        "models.{subject}.engine.kv_cache_memory_bytes",
        lambda _: _FULL,
        "Give the model more KV cache, a smaller max_model_len, or another replica.",
        size=KV_CACHE,
    ),
    Measure(
        "requests that wait for an engine, mean",
        "max by (model_name) (avg_over_time(vllm:num_requests_waiting[WINDOW]))",
        "model_name",
        "models.{subject}.replicas",
        lambda _: 1.0,
        "Let the model run on one more host.",
        unit="",
    ),
    Measure(
        "requests a second of a gateway, at most",
        "max by (host) (max_over_time(host:citadel_gateway_requests:rate5m[WINDOW]))",
        "host",
        "performance_targets.api_gateway.target_throughput_rps",
        lambda e: _NEAR * e.performance_targets.api_gateway.target_throughput_rps,
        "Add a host with role gateway before the target is reached.",
        unit="1/s",
    ),
    Measure(
        "requests a second of a gateway in a week, by their trend",
        f"max by (host) (predict_linear(host:citadel_gateway_requests:rate5m[WINDOW], {_WEEK}))",
        "host",
        "performance_targets.api_gateway.target_throughput_rps",
        lambda e: e.performance_targets.api_gateway.target_throughput_rps,
        "Add a host with role gateway within the week.",
        unit="1/s",
        level=Level.ADVICE,
    ),
    Measure(
        "requests in flight of a worker, at most",
        "max by (host) (max_over_time(citadel_gateway_requests_in_flight[WINDOW]))",
        "host",
        "infrastructure_services.api_gateway.workers",
        lambda e: _NEAR * e.infrastructure_services.api_gateway.max_connections,
        "Give the gateway more workers.",
        unit="",
        size=WORKERS,
    ),
    Measure(
        "memory of a host in use, at most",
        "max by (host) (max_over_time((1 - node_memory_MemAvailable_bytes"
        " / node_memory_MemTotal_bytes)[WINDOW:5m]))",
        "host",
        "hosts.{subject}.memory",
        lambda _: _FULL,
        "Give the host more memory.",
        idle=_IDLE,
        size=MEMORY,
    ),
    Measure(
        "processors of a host in use, 95th percentile",
        "max by (host) (quantile_over_time(0.95, (1 - avg by (host)"
        ' (rate(node_cpu_seconds_total{mode="idle"}[5m])))[WINDOW:5m]))',
        "host",
        "hosts.{subject}.cpus",
        lambda _: _FULL,
        "Give the host more processors, or spread its roles.",
        level=Level.ADVICE,
        size=CPUS,
    ),
    Measure(
        "fullest disk of a host",
        f"max by (host) (max_over_time((1 - node_filesystem_avail_bytes{{{_FILES}}}"
        f" / node_filesystem_size_bytes{{{_FILES}}})[WINDOW:5m]))",
        "host",
        "integration_services.metrics.retention_days",
        lambda _: _FULL,
        "Make room, or keep samples for fewer days.",
    ),
    Measure(
        "fullest disk of a host in a week, by its trend",
        f"max by (host) (1 - predict_linear(node_filesystem_avail_bytes{{{_FILES}}}[WINDOW],"
        f" {_WEEK}) / node_filesystem_size_bytes{{{_FILES}}})",
        "host",
        "integration_services.metrics.retention_days",
        lambda _: 1.0,
        "Make room, or keep samples for fewer days, before it is full.",
        level=Level.ADVICE,
    ),
    Measure(
        "connections of PostgreSQL in use, at most",
        "max by (host) (max_over_time((sum by (host) (pg_stat_activity_count)"
        " / max by (host) (pg_settings_max_connections))[WINDOW:5m]))",
        "host",
        "integration_services.database.max_connections",
        lambda _: _NEAR,
        "Raise max_connections, and see who holds connections.",
        size=CONNECTIONS_POSTGRES,
    ),
    Measure(
        "connections of Redis in use, at most",
        "max by (host) (max_over_time((redis_connected_clients"
        " / redis_config_maxclients)[WINDOW:5m]))",
        "host",
        "integration_services.cache.max_connections",
        lambda _: _NEAR,
        "Raise max_connections.",
        size=CONNECTIONS_REDIS,
    ),
    Measure(
        "reads of Redis that find their key",
        "sum by (host) (increase(redis_keyspace_hits_total[WINDOW])) / (sum by (host)"
        " (increase(redis_keyspace_hits_total[WINDOW])"
        " + increase(redis_keyspace_misses_total[WINDOW])) > 0)",
        "host",
        "performance_targets.cache.hit_rate",
        lambda e: e.performance_targets.cache.hit_rate,
        "Give the host of Redis more memory.",
        worse="below",
        level=Level.ADVICE,
    ),
    Measure(
        "slowest scrape",
        "1000 * max by (job) (max_over_time(scrape_duration_seconds[WINDOW]))",
        "job",
        "performance_targets.metrics.collection_latency_ms",
        lambda e: e.performance_targets.metrics.collection_latency_ms,
        "Collect less often: metrics_collection_interval.",
        unit="ms",
        level=Level.ADVICE,
    ),
)


def capacity(
    environment: Environment, query: Query | None, window: str = WINDOW, *, why: str = ""
) -> Section:
    """Return what was measured, and what to change where it is beyond its limit.

    Args:
        environment: Says the limits.
        query: Asks the environment's Prometheus; None where there is none to ask.
        window: The time that is looked at, such as `24h`.
        why: Why there is none to ask.

    Raises:
        RefusedError: The window is no time.
    """
    if not re.fullmatch(r"[1-9][0-9]{0,3}[mhdw]", window):
        raise RefusedError(f"{window!r} is no time", next_step="Write 30m, 24h, 7d or 4w.")
    found = _measured(environment, query, window) if query is not None else why
    if isinstance(found, str):
        return Section("capacity", _TITLE, note=f"not measured: {found}")
    items = [item for row in found for item in _items(environment, *row)]
    rows = [
        (measure.title, subject, measure.shown(value), _limit(measure, environment))
        for measure, subject, value in found
    ]
    note = f"measured over {window}" if rows else f"no series in the last {window}"
    headings = ("measure", "of", "measured", "limit")
    return Section("capacity", _TITLE, tuple(items), headings, tuple(rows), note)


_TITLE = "Performance and capacity"


def _measured(
    environment: Environment, query: Query, window: str
) -> list[tuple[Measure, str, float]] | str:
    """Return what each measure says of each subject, or why nobody answers."""
    names = {model.served_name or key: key for key, model in environment.models.items()}
    rows = []
    try:
        for measure in MEASURES:
            for labels, value in query(measure.query.replace("WINDOW", window)):
                subject = labels.get(measure.label, "")
                rows.append((measure, names.get(subject, subject), value))
    except CitadelError as error:
        return error.message
    # NaN is what Prometheus says where nothing happened.
    return [(measure, subject, value) for measure, subject, value in rows if value == value]


def _items(
    environment: Environment, measure: Measure, subject: str, value: float
) -> tuple[Item, ...]:
    key, limit = measure.key.format(subject=subject), measure.limit(environment)
    seen = f"{measure.title}, {subject}: {measure.shown(value)}"
    if measure.beyond(value, limit):
        fix = measure.fix + _sized(environment, measure, subject, value / limit)
        return (Item(measure.level, key, f"{seen}; {_limit(measure, environment)}.", fix),)
    if measure.idle is not None and value < measure.idle:
        # Half of what is allowed: a share that is measured has its own ups and downs.
        fix = _IDLE_FIX + _sized(environment, measure, subject, 2 * value / limit)
        return (Item(Level.NOTE, key, f"{seen}; less would do.", fix),)
    return ()


def _sized(environment: Environment, measure: Measure, subject: str, factor: float) -> str:
    """Return the value of the key that would bring the measure to its limit, as a sentence."""
    size = measure.size.scaled(environment, subject, factor) if measure.size is not None else ""
    return f" By this measure {size} would do." if size else ""


def _limit(measure: Measure, environment: Environment) -> str:
    limit = measure.limit(environment)
    return f"at {'most' if measure.worse == 'above' else 'least'} {measure.shown(limit)}"
