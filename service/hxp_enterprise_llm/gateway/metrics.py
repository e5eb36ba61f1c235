"""What Prometheus sees of one worker. Label sets are bounded: an unknown model is never a label."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from resource import getpagesize

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The series of one worker, in a registry of their own.

    Args:
        models: Served names; their series are there before their first request.
    """

    def __init__(self, models: Iterable[str] = ()) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # theirs
        self.registry = CollectorRegistry()
        _process(self.registry)
        by_route = ("model", "route")
        self.requests = Counter(
            "citadel_gateway_requests",
            "Requests by outcome; 499: the client left.",
            (*by_route, "code"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "citadel_gateway_request_seconds",
            "From the request's head to the answer's last byte.",
            by_route,
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.first_byte = Histogram(
            "citadel_gateway_first_byte_seconds",
            "From the request's head to the first byte of the model's answer.",
            by_route,
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "citadel_gateway_requests_in_flight",
            "Requests that wait for, or get, an engine's answer.",
            ("model",),
            registry=self.registry,
        )
        self.upstream_up = Gauge(
            "citadel_gateway_upstream_up",
            "1: the upstream passed its last health check.",
            ("model", "upstream"),
            registry=self.registry,
        )
        self.upstream_failures = Counter(
            "citadel_gateway_upstream_failures",
            "Tries that an upstream failed, by reason.",
            ("model", "upstream", "reason"),
            registry=self.registry,
        )

        for model in models:
            self.in_flight.labels(model)

    def expose(self) -> bytes:
        """Return all series in Prometheus' text form."""
        return generate_latest(self.registry)


def _process(registry: CollectorRegistry) -> None:
    # prometheus_client's own collector reads /proc/stat, which the unit's sandbox hides.
    started = "citadel_gateway_process_start_time_seconds"
    Gauge(started, "When the worker began, in Unix time.", registry=registry).set(time.time())
    memory = "citadel_gateway_process_resident_memory_bytes"
    gauge = Gauge(memory, "Memory of the worker.", registry=registry)
    gauge.set_function(_resident)


def _resident() -> float:
    pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    return float(pages) * getpagesize()
