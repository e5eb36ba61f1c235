"""What Prometheus sees of secrets: counts and times, never a path or a value."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from hxp_enterprise_llm.configuration.secrets.leases import Told

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.secrets.rotation import Ages

_SECONDS = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)


class AgeSeries:
    """Series of the ages of secrets and keys.

    Args:
        registry: Takes them.
        environment: Value of label `environment`; the label is left out when not given, since a
            scrape adds its own.
    """

    def __init__(self, registry: CollectorRegistry, environment: str = "") -> None:
        labels = {"environment": environment} if environment else {}

        def gauge(name: str, text: str) -> Gauge:
            series = Gauge(name, text, tuple(labels), registry=registry)
            return series.labels(**labels) if labels else series

        self._due = gauge(
            "citadel_secrets_due",
            "Secrets and keys that are older than the rotation policy allows.",
        )
        self._oldest = gauge(
            "citadel_secret_oldest_age_seconds", "Age of the oldest secret or key that is known."
        )
        self._unknown = gauge(
            "citadel_secrets_unknown_age",
            "Secrets whose age nobody knows: the backend does not say, cannot be asked, or a clock "
            "was wrong.",
        )
        self._looked_at = gauge(
            "citadel_secrets_looked_at_timestamp_seconds", "When the ages were last looked at."
        )

    def show(self, found: Ages, now: datetime) -> None:
        """Show what a look at the ages found."""
        self._due.set(len(found.due))
        self._oldest.set(found.oldest.total_seconds())
        self._unknown.set(len(found.unknown) + len(found.ahead) + len(found.failed))
        self._looked_at.set(now.timestamp())


def ages_text(found: Ages, now: datetime, environment: str) -> str:
    """Return the ages of an environment in Prometheus' text format, for a textfile."""
    registry = CollectorRegistry()
    AgeSeries(registry, environment).show(found, now)
    return generate_latest(registry).decode()


class SecretMetrics:
    """Series of a secret manager.

    Args:
        registry: Takes them; one of its own when not given.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.reads = Counter(
            "citadel_secret_reads_total",
            "Reads by backend and outcome (read, cached, stale, denied, missing, failed).",
            ("backend", "outcome"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "citadel_secret_read_seconds",
            "Time that a read took.",
            ("backend",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.rotations = Counter(
            "citadel_secret_rotations_total",
            "Secrets that got a new value.",
            registry=self.registry,
        )
        self.renewals = Counter(
            "citadel_secret_lease_renewals_total",
            "Leases and tokens renewed, by outcome (renewed, issued, failed).",
            ("backend", "outcome"),
            registry=self.registry,
        )
        self.lease_seconds = Gauge(
            "citadel_secret_lease_seconds",
            "Time to live of the lease or token, as the backend gave it last.",
            ("backend",),
            registry=self.registry,
        )

    @cached_property
    def ages(self) -> AgeSeries:
        """Series of ages, from the first look on: without one there is nothing to show."""
        return AgeSeries(self.registry)

    def told(self, backend: str) -> Told:
        """Return what takes the outcomes of a backend's lease watcher."""

        def take(outcome: str, seconds: float) -> None:
            self.renewals.labels(backend, outcome).inc()
            self.lease_seconds.labels(backend).set(seconds)

        return take
