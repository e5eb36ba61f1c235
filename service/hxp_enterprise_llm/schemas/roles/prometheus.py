"""Data of role `prometheus`: what is scraped, how often, and how long it is kept."""

from __future__ import annotations

from pydantic import Field

from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.schemas.roles.role import RoleData
from hxp_enterprise_llm.schemas.text import AbsolutePath


class Target(CitadelModel):
    """One address that is scraped."""

    address: str = Field(description="`address:port`.")
    labels: dict[str, str] = Field(
        description="`environment`, `host`, `role` and, for an engine, `model`."
    )


class ScrapeJob(CitadelModel):
    """Daemons of one kind; `name` becomes the label `job`."""

    name: str = Field(description="Role that the daemon belongs to; `engine_proxy` for the proxy.")
    metrics_path: str = Field(default="/metrics", description="Path of the metrics.")
    targets: tuple[Target, ...]


class PrometheusRole(RoleData):
    """Prometheus 2.42 of Debian under our own unit."""

    packages: tuple[str, ...] = ("prometheus",)
    address: str = Field(description="Address of the host that Prometheus binds.")
    port: int = Field(default=9090, ge=1, le=65535, description="TCP port.")
    data: AbsolutePath = Field(default="/opt/data/prometheus", description="Volume of the samples.")
    retention_days: int = Field(default=30, ge=1, description="Days that samples are kept.")
    scrape_interval_s: int = Field(default=15, ge=1, description="Seconds between two scrapes.")
    jobs: tuple[ScrapeJob, ...] = Field(description="Every daemon of the environment.")
    alertmanagers: tuple[str, ...] = Field(
        default=(), description="`address:port` of each Alertmanager; none: alerts are only shown."
    )
