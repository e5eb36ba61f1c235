"""The series that every service has, in a registry that is handed in."""

from __future__ import annotations

import time
from functools import cached_property
from pathlib import Path
from resource import getpagesize
from typing import TYPE_CHECKING

from hxp_enterprise_llm.core.lifecycle import State
from hxp_enterprise_llm.utilities.breaker import BreakerState

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge


class MetricsRegistry:
    """A Prometheus registry of one process, with the series that its services share.

    prometheus_client is imported at the first use.

    Args:
        registry: Where series are registered; a new one when not given, never the global one.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._given = registry
        self._gauges: dict[str, Gauge] = {}
        self._counters: dict[str, Counter] = {}

    @cached_property
    def registry(self) -> CollectorRegistry:
        """Return the registry, for series of a service's own."""
        if self._given is not None:
            return self._given
        from prometheus_client import CollectorRegistry, disable_created_metrics

        # Prometheus finds resets of counters by itself: these would be as many series again.
        disable_created_metrics()  # type: ignore[no-untyped-call] # theirs
        return CollectorRegistry()

    def expose(self) -> bytes:
        """Return all series in Prometheus' text form."""
        from prometheus_client.exposition import generate_latest

        return generate_latest(self.registry)

    def gauge(self, name: str, text: str, labels: tuple[str, ...]) -> Gauge:
        """Return a gauge of this registry; several services may ask for the same one."""
        if name not in self._gauges:
            from prometheus_client import Gauge

            self._gauges[name] = Gauge(name, text, labels, registry=self.registry)
        return self._gauges[name]

    def counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        """Return a counter of this registry; several services may ask for the same one."""
        if name not in self._counters:
            from prometheus_client import Counter

            self._counters[name] = Counter(name, text, labels, registry=self.registry)
        return self._counters[name]

    def show_process(self, prefix: str) -> None:
        """Show since when the process runs, and its memory, as `PREFIX_process_…`; once."""
        # prometheus_client's own collector reads /proc/stat, which the units' sandbox hides.
        started = f"{prefix}_process_start_time_seconds"
        self.gauge(started, "When the process began, in Unix time.", ()).set(time.time())
        memory = f"{prefix}_process_resident_memory_bytes"
        self.gauge(memory, "Memory of the process.", ()).set_function(_resident)

    @cached_property
    def families(self) -> Families:
        """Return the families that all services of the process share."""
        return Families(self)


class Families:
    """Metric families by label `service`; no label has a value that a caller chooses."""

    def __init__(self, metrics: MetricsRegistry) -> None:
        self.state = metrics.gauge(
            "citadel_service_state",
            "1 for the state that the service is in.",
            ("service", "state"),
        )
        self.faults = metrics.counter(
            "citadel_service_faults",
            "Errors by code, and what was done: failed-open, failed-closed, reported.",
            ("service", "code", "handling"),
        )
        self.retries = metrics.counter(
            "citadel_service_retries",
            "Tries that failed and were followed by another.",
            ("service", "operation"),
        )
        self.breaker = metrics.gauge(
            "citadel_service_breaker_state",
            "1 for the state that the circuit breaker of a dependency is in.",
            ("service", "dependency", "state"),
        )
        self.check = metrics.gauge(
            "citadel_service_check_up",
            "1: the health check passed when it last ran.",
            ("service", "check"),
        )
        self.check_seconds = metrics.gauge(
            "citadel_service_check_seconds",
            "How long the health check took when it last ran.",
            ("service", "check"),
        )
        self.reloads = metrics.counter(
            "citadel_service_reloads",
            "Configurations handed to the running service: applied, refused.",
            ("service", "outcome"),
        )


class ServiceMetrics:
    """The shared families, with the name of one service filled in."""

    def __init__(self, metrics: MetricsRegistry, service: str) -> None:
        self._families, self._service = metrics.families, service

    def entered(self, state: State) -> None:
        """Show the state that the service is in."""
        for one in State:
            self._families.state.labels(self._service, one.value).set(float(one is state))

    def fault(self, code: str, handling: str) -> None:
        """Count an error."""
        self._families.faults.labels(self._service, code, handling).inc()

    def retried(self, operation: str) -> None:
        """Count a try that failed and is followed by another."""
        self._families.retries.labels(self._service, operation).inc()

    def breaker(self, dependency: str, state: BreakerState) -> None:
        """Show the state of a circuit breaker."""
        for one in BreakerState:
            gauge = self._families.breaker.labels(self._service, dependency, one.value)
            gauge.set(float(one is state))

    def checked(self, check: str, *, ok: bool, seconds: float) -> None:
        """Show the outcome of a health check."""
        self._families.check.labels(self._service, check).set(float(ok))
        self._families.check_seconds.labels(self._service, check).set(seconds)

    def reloaded(self, outcome: str) -> None:
        """Count a configuration that was applied or refused."""
        self._families.reloads.labels(self._service, outcome).inc()


def _resident() -> float:
    pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    return float(pages) * getpagesize()
