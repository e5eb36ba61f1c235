"""What Prometheus sees of one worker. Label sets are bounded: an unknown model is never a label."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from hxp_enterprise_llm.core.metrics import MetricsRegistry

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The series of one worker, beside those that every service has.

    Args:
        models: Served names; their series are there before their first request.
        registry: Where all series are; one of its own when not given.
    """

    def __init__(self, models: Iterable[str] = (), registry: MetricsRegistry | None = None) -> None:
        metrics = self._metrics = registry or MetricsRegistry()
        metrics.show_process("citadel_gateway")
        by_route = ("model", "route")
        self.requests: Counter = metrics.counter(
            "citadel_gateway_requests",
            "Requests by outcome; 499: the client left.",
            (*by_route, "code"),
        )
        self.seconds = Histogram(
            "citadel_gateway_request_seconds",
            "From the request's head to the answer's last byte.",
            by_route,
            buckets=_SECONDS,
            registry=metrics.registry,
        )
        self.first_byte = Histogram(
            "citadel_gateway_first_byte_seconds",
            "From the request's head to the first byte of the model's answer.",
            by_route,
            buckets=_SECONDS,
            registry=metrics.registry,
        )
        self.in_flight: Gauge = metrics.gauge(
            "citadel_gateway_requests_in_flight",
            "Requests that wait for, or get, an engine's answer.",
            ("model",),
        )
        self.upstream_up: Gauge = metrics.gauge(
            "citadel_gateway_upstream_up",
            "1: the upstream passed its last health check.",
            ("model", "upstream"),
        )
        self.upstream_failures: Counter = metrics.counter(
            "citadel_gateway_upstream_failures",
            "Tries that an upstream failed, by reason.",
            ("model", "upstream", "reason"),
        )
        self.serve(models)

    def serve(self, models: Iterable[str]) -> None:
        """Show models before their first request."""
        for model in models:
            self.in_flight.labels(model)

    def expose(self) -> bytes:
        """Return all series in Prometheus' text form."""
        return self._metrics.expose()
