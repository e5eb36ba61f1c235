"""What Prometheus sees of one worker. Label sets are bounded: an unknown model is never a label."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

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
        self._routes: dict[tuple[str, str], _Route] = {}
        self.serve(models)

    def answered(
        self, model: str, route: str, code: int, *, seconds: float, first_byte: float | None
    ) -> None:
        """Count a request and its times."""
        series = self._routes.get((model, route))
        if series is None:
            series = self._routes[model, route] = _Route(self, model, route)
        series.code(code).inc()
        series.seconds.observe(seconds)
        if first_byte is not None:
            series.first_byte.observe(first_byte)

    def serve(self, models: Iterable[str]) -> None:
        """Show models before their first request."""
        for model in models:
            self.in_flight.labels(model)

    def expose(self) -> bytes:
        """Return all series in Prometheus' text form."""
        return self._metrics.expose()


class _Route:
    """The series of one model and route, found once: each request needs them."""

    def __init__(self, metrics: Metrics, model: str, route: str) -> None:
        self._metrics, self._labels = metrics, (model, route)
        self._codes: dict[int, Counter] = {}
        self.seconds = metrics.seconds.labels(model, route)

    @cached_property
    def first_byte(self) -> Histogram:
        """Return the series of first bytes; it is there when there was one."""
        return self._metrics.first_byte.labels(*self._labels)

    def code(self, code: int) -> Counter:
        """Return the series of a status."""
        series = self._codes.get(code)
        if series is None:
            series = self._codes[code] = self._metrics.requests.labels(*self._labels, code)
        return series
