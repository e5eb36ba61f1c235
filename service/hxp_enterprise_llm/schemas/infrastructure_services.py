"""Section `infrastructure_services` (KT-01)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hxp_enterprise_llm.schemas.access import Principal, Role
from hxp_enterprise_llm.schemas.base import Seconds, WrittenModel
from hxp_enterprise_llm.schemas.effect import Effect
from hxp_enterprise_llm.schemas.key import Key
from hxp_enterprise_llm.schemas.reference import SecretReference
from hxp_enterprise_llm.schemas.security import SecuritySettings
from hxp_enterprise_llm.schemas.text import AbsolutePath, Address, WebUrl


class ApiGateway(WrittenModel):
    """The gateway: the one door for users."""

    port: int = Field(default=8000, ge=1, le=65535, description="TCP port of the gateway.")
    host: Address = Field(
        default="0.0.0.0",  # noqa: S104 - the one door for users, by design
        description="Address that it binds on its host.",
    )
    workers: Annotated[int, Effect.DRAIN] = Field(
        default=4, ge=1, le=64, description="Processes on a gateway host."
    )
    # The gateway takes it as it runs; the engines' proxies drain.
    timeout: Annotated[Seconds, Effect.DRAIN] = Field(
        default=300.0, gt=0, description="Seconds a request may take in all."
    )
    max_connections: Annotated[int, Effect.DRAIN] = Field(
        default=1000, ge=1, description="Open connections a worker that have shown the key."
    )
    rate_limit_rps: Annotated[int | None, Effect.LIVE] = Field(
        default=1000, ge=1, description="Requests a second of a gateway; null for no limit."
    )
    enable_ssl: Annotated[bool | None, Effect.DANGEROUS] = Field(
        default=None, description="Derived from listeners.gateway.tls; refused when it differs."
    )
    enable_auth: Annotated[Literal[True], Effect.DANGEROUS] = Field(
        default=True, description="A key is always required."
    )
    key: Annotated[SecretReference, Effect.DANGEROUS] = Field(
        default="generated:gateway/key", description="The first virtual key."
    )


class Monitoring(WrittenModel):
    """Prometheus, Alertmanager and, later, Grafana."""

    prometheus_port: int = Field(default=9090, ge=1, le=65535, description="TCP port.")
    grafana_port: int = Field(default=3000, ge=1, le=65535, description="TCP port.")
    health_check_interval: Annotated[Seconds, Effect.LIVE] = Field(
        default=30.0, gt=0, description="Seconds between two health checks."
    )
    metrics_collection_interval: Annotated[Seconds, Effect.LIVE] = Field(
        default=15.0, gt=0, description="Seconds between two scrapes."
    )
    alerting_enabled: Annotated[bool, Effect.LIVE] = Field(
        default=True, description="Whether alerts are evaluated."
    )
    alert_webhook_url: Annotated[WebUrl | None, Effect.LIVE] = Field(
        default=None, description="Where Alertmanager posts alerts as JSON; nowhere when absent."
    )
    alert_webhook_token: Annotated[SecretReference | None, Effect.LIVE] = Field(
        default=None, description="Bearer token of that webhook."
    )
    dashboard_auto_discovery: Annotated[bool, Effect.LIVE] = Field(
        default=True, description="Whether dashboards of each role are found by themselves."
    )


class Configuration(WrittenModel):
    """The configuration of services on their hosts."""

    config_path: AbsolutePath = Field(
        default="/opt/citadel/config", description="Folder of configuration on hosts."
    )
    environment: str | None = Field(
        default=None, description="Derived: the environment's name; refused when it differs."
    )
    hot_reload: Annotated[bool, Effect.RESTART] = Field(
        default=True, description="Whether services take a changed file without a restart."
    )
    validation_enabled: Annotated[Literal[True], Effect.DANGEROUS] = Field(
        default=True, description="Files are always validated before they are used."
    )
    secret_management: Annotated[Literal[True], Effect.DANGEROUS] = Field(
        default=True, description="Secrets are always references."
    )
    backup_enabled: Annotated[bool, Effect.RESTART] = Field(
        default=True, description="Whether older revisions are kept, and backed up each day."
    )
    key: Annotated[SecretReference, Effect.DANGEROUS] = Field(
        default="generated:configuration/key",
        description="Key of the first administrator of the configuration service.",
    )
    signing_key: Annotated[SecretReference, Effect.DANGEROUS] = Field(
        default="generated:configuration/signing-key",
        description="What the key that signs revisions is made of.",
    )
    audit_key: Annotated[SecretReference, Effect.DANGEROUS] = Field(
        default="generated:configuration/audit-key",
        description="What the key of the audit log's chain is made of.",
    )
    sealing_keys: Annotated[tuple[SecretReference, ...], Effect.DANGEROUS] = Field(
        default=(),
        description="What stored revisions are sealed with: the first seals, all open.",
    )
    security: SecuritySettings = Field(
        default=SecuritySettings(), description="How the configuration service guards them."
    )
    roles: Annotated[tuple[Role, ...], Effect.LIVE] = Field(
        default=(), description="Roles of the configuration service beside the standard ones."
    )
    principals: Annotated[tuple[Principal, ...], Effect.LIVE] = Field(
        default=(), description="People and services that it knows, with their roles."
    )
    keys: Annotated[tuple[Key, ...], Effect.LIVE] = Field(
        default=(), description="Digests of the keys that they come in with."
    )


class Storage(WrittenModel):
    """Paths of models, data, cache and backups on hosts (H-06)."""

    model_storage_path: AbsolutePath = Field(
        default="/opt/models", description="Folder of weights on hosts."
    )
    data_storage_path: AbsolutePath = Field(
        default="/opt/data", description="Folder of the stores' data on hosts."
    )
    cache_storage_path: AbsolutePath = Field(
        default="/opt/cache", description="Folder of what can be made again, on hosts."
    )
    backup_storage_path: AbsolutePath = Field(
        default="/opt/backups", description="Folder of backups on hosts."
    )
    max_storage_gb: Annotated[int, Effect.LIVE] = Field(
        default=1000, ge=1, description="Gigabytes that models and data may take in all."
    )
    compression_enabled: Annotated[bool, Effect.LIVE] = Field(
        default=True, description="Whether backups are compressed."
    )


class InfrastructureServices(WrittenModel):
    """KT-01."""

    api_gateway: ApiGateway = Field(default=ApiGateway(), description="The gateway.")
    monitoring: Monitoring = Field(default=Monitoring(), description="Metrics and alerts.")
    configuration: Configuration = Field(
        default=Configuration(), description="The configuration of services on hosts."
    )
    storage: Annotated[Storage, Effect.DANGEROUS] = Field(
        default=Storage(), description="Paths on hosts."
    )
