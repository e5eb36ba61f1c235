"""What the configuration manager counts."""

from __future__ import annotations

from collections.abc import Callable

from hxp_enterprise_llm.core.metrics import MetricsRegistry


class ConfigurationMetrics:
    """The series of all managers of a process, by label `name`.

    Args:
        metrics: Where they are registered; a registry of its own when not given.
    """

    def __init__(self, metrics: MetricsRegistry | None = None) -> None:
        from prometheus_client import Counter, Gauge, Histogram

        self.metrics = metrics or MetricsRegistry()
        registry = self.metrics.registry
        self._reloads = Counter(
            "citadel_configuration_reloads",
            "Reloads by outcome: applied, unchanged, held, failed, rolled-back.",
            ("name", "outcome"),
            registry=registry,
        )
        self._failures = Counter(
            "citadel_configuration_reload_failures",
            "Reloads that failed, by phase.",
            ("name", "phase"),
            registry=registry,
        )
        self._seconds = Histogram(
            "citadel_configuration_reload_seconds",
            "Duration of reloads that were applied, subscribers told.",
            ("name",),
            buckets=(0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5),
            registry=registry,
        )
        self._ok = Gauge(
            "citadel_configuration_newest_serves",
            "1: the newest configuration serves; 0: it was refused, an older one serves.",
            ("name",),
            registry=registry,
        )
        self._number = Gauge(
            "citadel_configuration_snapshot",
            "Number of the snapshot that serves.",
            ("name",),
            registry=registry,
        )
        self._info = Gauge(
            "citadel_configuration_info",
            "1 for the revision that serves.",
            ("name", "revision"),
            registry=registry,
        )
        self._events = Counter(
            "citadel_configuration_events",
            "Reasons to look for a change: file, poll, signal.",
            ("name", "cause"),
            registry=registry,
        )
        self._subscribers = Counter(
            "citadel_configuration_subscriber_errors",
            "Subscribers that failed when they were told of a change.",
            ("name",),
            registry=registry,
        )
        self._hit_rate = Gauge(
            "citadel_configuration_cache_hit_rate",
            "Share of look-ups that the cache answered, 0 to 1.",
            ("name",),
            registry=registry,
        )
        self._revisions: dict[str, str] = {}

    def cache(self, name: str, hit_rate: Callable[[], float]) -> None:
        """Show the hit rate of a manager's cache from now on."""
        self._hit_rate.labels(name).set_function(hit_rate)

    def reloaded(self, name: str, outcome: str, seconds: float | None = None) -> None:
        """Count what came of a reload."""
        self._reloads.labels(name, outcome).inc()
        if seconds is not None:
            self._seconds.labels(name).observe(seconds)

    def failed(self, name: str, phase: str) -> None:
        """Count a reload that failed."""
        self._reloads.labels(name, "failed").inc()
        self._failures.labels(name, phase).inc()

    def serves(self, name: str, revision: str, number: int, *, ok: bool) -> None:
        """Show what serves, and whether it is the newest."""
        before = self._revisions.get(name)
        if before is not None and before != revision:
            self._info.remove(name, before)
        if revision:
            self._revisions[name] = revision
            self._info.labels(name, revision).set(1)
        self._number.labels(name).set(number)
        self._ok.labels(name).set(float(ok))

    def event(self, name: str, cause: str) -> None:
        """Count a reason to look for a change."""
        self._events.labels(name, cause).inc()

    def subscriber_failed(self, name: str) -> None:
        """Count a subscriber that failed."""
        self._subscribers.labels(name).inc()
