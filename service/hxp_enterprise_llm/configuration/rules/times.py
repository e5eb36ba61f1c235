"""Times that must fit each other: drains, starts and intervals."""

from __future__ import annotations

from collections.abc import Iterator

from hxp_enterprise_llm.configuration.rules.registry import Finding, Subject, rule

# vLLM's own processes need up to 15 s after the drain; reference: vLLM's shutdown path.
AFTER_DRAIN = 15
MAX_DRAIN = 900
MAX_START = 7200
MAX_TIMEOUT = 3600


@rule(
    "C330",
    "A drain ends within a quarter of an hour.",
    "On a stop vLLM gives requests in flight `shutdown_timeout` seconds; the unit's TimeoutStopSec "
    "is that and 30 s more, above the 15 s that vLLM's processes need to end. A converge waits "
    "that long, and so does a reboot.",
    waivable=True,
)
def long_drain(subject: Subject) -> Iterator[Finding]:
    """Find drains that hold up a stop for too long."""
    for name, model in subject.environment.models.items():
        if model.shutdown_timeout > MAX_DRAIN:
            yield Finding(
                ("models", name, "shutdown_timeout"),
                f"a stop would take more than {MAX_DRAIN + AFTER_DRAIN} s.",
                f"Write {MAX_DRAIN}s or less; 30s to 60s is usual.",
            )


@rule(
    "C331",
    "An engine has between ten seconds and two hours to start.",
    "Loading weights takes seconds to minutes. A unit that may start for longer hides a hang; one "
    "with less is killed while it loads, again and again.",
    waivable=True,
)
def start_timeout(subject: Subject) -> Iterator[Finding]:
    """Find start times that are too short or too long."""
    for name, model in subject.environment.models.items():
        if not 10 <= model.start_timeout <= MAX_START:
            yield Finding(
                ("models", name, "start_timeout"),
                "an engine starts in more than 10 s and in less than two hours.",
                "Write 600s, or what you measured and as much again.",
            )


@rule(
    "C332",
    "A request ends within an hour.",
    "The gateway keeps a connection and an engine's slot for as long as `timeout` says.",
    waivable=True,
)
def gateway_timeout(subject: Subject) -> Iterator[Finding]:
    """Find gateway timeouts that keep connections for hours."""
    if subject.environment.infrastructure_services.api_gateway.timeout > MAX_TIMEOUT:
        yield Finding(
            ("infrastructure_services", "api_gateway", "timeout"),
            "a stuck request would hold its connection for more than an hour.",
            "Write 300s, or what your longest answer takes.",
        )


@rule(
    "C333",
    "A drain is not longer than a request may take.",
    "Nothing can be in flight any more after the gateway's timeout; a longer drain only waits.",
    severity="warning",
    waivable=True,
)
def drain_beyond_timeout(subject: Subject) -> Iterator[Finding]:
    """Find drains that outlast the gateway's timeout."""
    limit = subject.environment.infrastructure_services.api_gateway.timeout
    for name, model in subject.served():
        if model.shutdown_timeout > limit:
            yield Finding(
                ("models", name, "shutdown_timeout"),
                "the drain is longer than infrastructure_services.api_gateway.timeout "
                f"({limit:g} s).",
                f"Write {limit:g}s or less.",
            )


@rule(
    "C334",
    "Metrics are collected at least every two minutes.",
    "Prometheus takes a series for gone after five minutes without a sample, and alerts look at "
    "windows of five minutes: fewer than two samples say nothing.",
)
def collection_interval(subject: Subject) -> Iterator[Finding]:
    """Find scrape intervals that alerts cannot work with."""
    interval = subject.environment.infrastructure_services.monitoring.metrics_collection_interval
    if not 1 <= interval <= 120:
        yield Finding(
            ("infrastructure_services", "monitoring", "metrics_collection_interval"),
            "the interval is not between 1 s and 120 s.",
            "Write 15s.",
        )
