"""What the configuration service counts beside what every service and every manager does."""

from __future__ import annotations

from hxp_enterprise_llm.core.metrics import MetricsRegistry


class RequestMetrics:
    """Requests by route, and who watches; no label has a value that a caller chooses.

    Args:
        metrics: Where the series are registered.
    """

    def __init__(self, metrics: MetricsRegistry) -> None:
        from prometheus_client import Histogram

        self._requests = metrics.counter(
            "citadel_configuration_service_requests",
            "Requests by route, method and status.",
            ("route", "method", "status"),
        )
        self._seconds = Histogram(
            "citadel_configuration_service_request_seconds",
            "Duration of requests until their answer began.",
            ("route",),
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=metrics.registry,
        )
        self._watchers = metrics.gauge(
            "citadel_configuration_service_watchers", "Open event streams.", ()
        )
        self._documents = metrics.gauge(
            "citadel_configuration_service_documents", "Documents that are served.", ()
        )
        self._revision = metrics.gauge(
            "citadel_configuration_service_revision",
            "Number of the revision that serves; equal on all servers of an environment.",
            ("document",),
        )

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def watching(self, number: int) -> None:
        """Show how many watch."""
        self._watchers.set(number)

    def serves(self, document: str, number: int, documents: int) -> None:
        """Show which revision of a document serves, and how many documents there are."""
        self._revision.labels(document).set(number)
        self._documents.set(documents)
