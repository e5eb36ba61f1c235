"""What Prometheus sees of secrets: counts and times, never a path or a value."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from hxp_enterprise_llm.configuration.secrets.leases import Told

_SECONDS = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)


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
        self.due = Gauge(
            "citadel_secrets_due",
            "Secrets and keys that are older than the rotation policy allows.",
            registry=self.registry,
        )
        self.oldest = Gauge(
            "citadel_secret_oldest_age_seconds",
            "Age of the oldest secret under the rotation policy.",
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

    def told(self, backend: str) -> Told:
        """Return what takes the outcomes of a backend's lease watcher."""

        def take(outcome: str, seconds: float) -> None:
            self.renewals.labels(backend, outcome).inc()
            self.lease_seconds.labels(backend).set(seconds)

        return take
