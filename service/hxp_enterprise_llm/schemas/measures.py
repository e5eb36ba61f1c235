"""Figures of a service: single samples of metrics, and what they come to over a window."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self, get_args

from pydantic import Field, StringConstraints, model_validator

from hxp_enterprise_llm.schemas.base import CitadelModel, Seconds
from hxp_enterprise_llm.schemas.common import Record, Timestamp, now

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

# https://prometheus.io/docs/concepts/data_model/
MetricName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]{0,199}$")]
LabelName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,99}$")]
MetricKind = Literal["counter", "gauge", "histogram", "summary", "untyped"]


class MetricData(CitadelModel):
    """One sample of a metric, as Prometheus has it."""

    name: MetricName = Field(description="Name, with its base unit: `citadel_request_seconds`.")
    value: float = Field(description="The number, in the unit that the name says.")
    kind: MetricKind = Field(default="gauge", description="How the number moves.")
    labels: dict[LabelName, str] = Field(
        default_factory=dict, description="What tells this series from others of the name."
    )
    timestamp: Timestamp = Field(
        default_factory=now, description="When, as ISO 8601 with its zone; now when absent."
    )


class PerformanceMetrics(Record):
    """How a service did over a window of time."""

    service: str = Field(min_length=1, description="Name of the service.")
    window: Seconds = Field(gt=0, description="Seconds that the figures are of.")
    requests: int = Field(ge=0, description="Requests that ended in the window.")
    errors: int = Field(default=0, ge=0, description="Requests that failed.")
    latency_p50_ms: float = Field(default=0, ge=0, description="Milliseconds, median.")
    latency_p95_ms: float = Field(default=0, ge=0, description="Milliseconds, 95th percentile.")
    latency_p99_ms: float = Field(default=0, ge=0, description="Milliseconds, 99th percentile.")
    memory_mb: float | None = Field(default=None, ge=0, description="Resident memory, in MiB.")
    cpu_cores: float | None = Field(default=None, ge=0, description="CPU cores in use, on average.")

    @model_validator(mode="after")
    def _failures_are_requests(self) -> Self:
        if self.errors > self.requests:
            raise ValueError("more `errors` than `requests`; count a failed request in both")
        return self

    @property
    def throughput_rps(self) -> float:
        """Return requests a second."""
        return self.requests / self.window

    @property
    def error_rate(self) -> float:
        """Return the share of requests that failed, 0 to 1; 0 without requests."""
        return self.errors / self.requests if self.requests else 0.0

    @classmethod
    def measured(
        cls, service: str, latencies_ms: Sequence[float], *, window: float, errors: int = 0
    ) -> PerformanceMetrics:
        """Return the figures of single requests.

        Args:
            service: Name of the service.
            latencies_ms: Milliseconds of each request, failed ones included.
            window: Seconds in which they ended.
            errors: How many failed.
        """
        ordered = sorted(latencies_ms)
        return cls(
            service=service,
            window=window,
            requests=len(ordered),
            errors=errors,
            latency_p50_ms=_percentile(ordered, 50),
            latency_p95_ms=_percentile(ordered, 95),
            latency_p99_ms=_percentile(ordered, 99),
        )

    def samples(self) -> tuple[MetricData, ...]:
        """Return the figures as samples, in base units, labelled with the service."""
        figures = {
            "citadel_window_requests_per_second": self.throughput_rps,
            "citadel_window_error_ratio": self.error_rate,
            "citadel_window_latency_p50_seconds": self.latency_p50_ms / 1000,
            "citadel_window_latency_p95_seconds": self.latency_p95_ms / 1000,
            "citadel_window_latency_p99_seconds": self.latency_p99_ms / 1000,
        }
        return tuple(
            MetricData(
                name=name, value=value, labels={"service": self.service}, timestamp=self.timestamp
            )
            for name, value in figures.items()
        )


def collected(registry: CollectorRegistry) -> Iterator[MetricData]:
    """Yield every sample that a Prometheus registry has now."""
    at = now()
    for family in registry.collect():
        kind = family.type if family.type in get_args(MetricKind) else "untyped"
        for sample in family.samples:
            yield MetricData.model_validate(
                {
                    "name": sample.name,
                    "value": sample.value,
                    "kind": kind,
                    "labels": sample.labels,
                    "timestamp": at,
                }
            )


def _percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the nearest-rank percentile of sorted numbers; 0 of none."""
    if not ordered:
        return 0.0
    return ordered[math.ceil(percent * len(ordered) / 100) - 1]
