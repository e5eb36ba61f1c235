"""Configuration of one service, by its kind. Sizes in MiB and GiB, as their names' users mean them.

Rules C401 and on look at what lies between keys (docs/reference/rules.md).
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from hxp_enterprise_llm.schemas.base import Seconds, WrittenModel
from hxp_enterprise_llm.schemas.effect import Effect
from hxp_enterprise_llm.schemas.hosts import HostName
from hxp_enterprise_llm.schemas.reference import SecretReference
from hxp_enterprise_llm.schemas.text import AbsolutePath, Address, VariableName
from hxp_enterprise_llm.schemas.waivers import Waiver
from hxp_enterprise_llm.utilities.breaker import BreakerPolicy
from hxp_enterprise_llm.utilities.retry import RetryPolicy

# https://semver.org, less build data, which names no other version
_VERSION = r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?"
_NAME = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"


def _version(text: str) -> str:
    if re.fullmatch(_VERSION, text) is None:
        raise ValueError("write a version of three numbers, such as 1.0.0")
    return text


def _name(text: str) -> str:
    if re.fullmatch(_NAME, text) is None:
        raise ValueError("write small letters, digits and dashes, at most 63")
    return text


ServiceVersion = Annotated[
    str, AfterValidator(_version), WithJsonSchema({"type": "string", "pattern": f"^{_VERSION}$"})
]
ServiceName = Annotated[
    str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME}$"})
]
ServiceType = Literal["ai_model", "infrastructure", "integration", "monitoring"]
Port = Annotated[int, Field(ge=1, le=65535)]
UrlPath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._~/-]*$")]


class Resources(WrittenModel):
    """What one instance of a service may take."""

    memory_mb: int = Field(ge=1, description="Memory of the host, in MiB.")
    cpu_cores: float = Field(gt=0, description="CPU cores; parts of one are allowed.")
    gpu_enabled: bool = Field(default=False, description="Whether it takes a GPU.")
    gpu_memory_gb: float | None = Field(
        default=None, gt=0, description="Memory of one GPU, in GiB; needed with gpu_enabled."
    )


class ServiceSecurity(WrittenModel):
    """How well a service is guarded."""

    security_level: Literal["low", "medium", "high", "critical"] = Field(
        default="medium", description="From high on, both switches below are on (C401)."
    )
    encryption_enabled: bool = Field(default=True, description="What it stores is encrypted.")
    ssl_enabled: bool = Field(default=True, description="What it serves goes over TLS.")


class Network(WrittenModel):
    """Where a service listens."""

    host: Address = Field(default="127.0.0.1", description="Address that it binds.")
    port: Port = Field(description="TCP port.")


class ServiceHealthCheck(WrittenModel):
    """How others look after a service."""

    path: UrlPath = Field(default="/health", description="Path that answers 200 or 503.")
    interval: Seconds = Field(default=30.0, gt=0, description="Seconds between two looks.")
    timeout: Seconds = Field(default=5.0, gt=0, description="Seconds until a look has failed.")


class ServiceConfigSchema(WrittenModel):
    """What the configuration of every service has."""

    schema_version: Annotated[Literal[1], Effect.LIVE] = Field(
        default=1, alias="schema", description="Version of this document's form: 1."
    )
    service_name: Annotated[ServiceName, Effect.DANGEROUS] = Field(
        description="Name of the service, such as mixtral-service."
    )
    service_version: Annotated[ServiceVersion, Effect.DRAIN] = Field(
        description="Version of the service, such as 1.0.0."
    )
    service_type: Annotated[ServiceType, Effect.DANGEROUS] = Field(description="Kind of service.")
    environment: Annotated[HostName, Effect.DANGEROUS] = Field(
        description="Name of the environment that it is a part of, such as production."
    )
    resources: Annotated[Resources, Effect.RESTART] = Field(
        description="What one instance may take."
    )
    security: Annotated[ServiceSecurity, Effect.DANGEROUS] = Field(
        default=ServiceSecurity(), description="How well it is guarded."
    )
    network: Annotated[Network | None, Effect.RESTART] = Field(
        default=None, description="Where it listens; absent: nowhere."
    )
    health: Annotated[ServiceHealthCheck, Effect.LIVE] = Field(
        default=ServiceHealthCheck(), description="How others look after it."
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Effect.LIVE] = Field(
        default="info", description="The least that it logs."
    )
    depends_on: Annotated[tuple[ServiceName, ...], Effect.RESTART] = Field(
        default=(), description="Services that are started before it."
    )
    secrets: Annotated[dict[VariableName, SecretReference], Effect.RESTART] = Field(
        default_factory=dict, description="References to secrets, by the names that it knows."
    )
    waivers: Annotated[tuple[Waiver, ...], Effect.LIVE] = Field(
        default=(), description="Rules that do not hold here, why, and until when."
    )


class ServedWeights(WrittenModel):
    """The model behind an AI model service; says whether it fits (C403)."""

    name: str | None = Field(
        default=None,
        max_length=128,
        description="Name of the model, such as Mixtral-8x7B; absent: the service's name tells.",
    )
    parameters_billion: float | None = Field(
        default=None, gt=0, description="Parameters, in billions; absent: the name tells."
    )
    quantization: Literal["fp8", "awq", "gptq"] | None = Field(
        default=None, description="How weights are stored; absent: two bytes a parameter."
    )
    tensor_parallel_size: int = Field(default=1, ge=1, description="GPUs that share the weights.")
    max_model_len: int | None = Field(
        default=None, ge=1, description="Tokens of the longest request; absent: the model's own."
    )


class AIModelServiceConfigSchema(ServiceConfigSchema):
    """A service that serves a model."""

    service_type: Annotated[Literal["ai_model"], Effect.DANGEROUS] = Field(
        description="Kind of service: ai_model."
    )
    model: Annotated[ServedWeights, Effect.DRAIN] = Field(
        default=ServedWeights(), description="The model."
    )
    max_concurrent_requests: Annotated[int, Effect.DRAIN] = Field(
        default=256, ge=1, description="Requests in work at once."
    )
    timeout: Annotated[Seconds, Effect.DRAIN] = Field(
        default=300.0, gt=0, description="Seconds a request may take in all."
    )


class ServiceStorage(WrittenModel):
    """What a service keeps on its host."""

    data_storage_path: AbsolutePath = Field(
        default="/opt/data", description="Folder of what cannot be made again."
    )
    backup_storage_path: AbsolutePath = Field(
        default="/opt/backups", description="Folder of backups."
    )
    max_storage_gb: int = Field(default=10, ge=1, description="Gigabytes that both may take.")
    compression_enabled: bool = Field(default=True, description="Whether backups are compressed.")


class InfrastructureServiceConfigSchema(ServiceConfigSchema):
    """A service that others stand on: gateway, configuration, storage."""

    service_type: Annotated[Literal["infrastructure"], Effect.DANGEROUS] = Field(
        description="Kind of service: infrastructure."
    )
    workers: Annotated[int, Effect.DRAIN] = Field(
        default=1, ge=1, le=64, description="Processes on a host."
    )
    max_connections: Annotated[int, Effect.DRAIN] = Field(
        default=1000, ge=1, description="Open connections of a process."
    )
    timeout: Annotated[Seconds, Effect.DRAIN] = Field(
        default=300.0, gt=0, description="Seconds a request may take in all."
    )
    hot_reload: Annotated[bool, Effect.LIVE] = Field(
        default=True, description="Whether it takes a changed file without a restart."
    )
    backup_enabled: Annotated[bool, Effect.LIVE] = Field(
        default=True, description="Whether what it keeps is backed up."
    )
    storage: Annotated[ServiceStorage | None, Effect.DANGEROUS] = Field(
        default=None, description="What it keeps on its host; absent: nothing."
    )


class ServiceConnection(WrittenModel):
    """How a service reaches the system that it integrates."""

    host: Address = Field(description="Address of the system.")
    port: Port = Field(description="TCP port of the system.")
    ssl_enabled: bool = Field(default=True, description="Whether the connection goes over TLS.")
    connection_pool_size: int = Field(default=10, ge=1, description="Connections a client pool.")
    connection_timeout: Seconds = Field(
        default=30.0, gt=0, description="Seconds until a connection must stand."
    )
    timeout: Seconds = Field(default=30.0, gt=0, description="Seconds that a call may take.")


class IntegrationServiceConfigSchema(ServiceConfigSchema):
    """A service that reaches another system: database, vector database, cache."""

    service_type: Annotated[Literal["integration"], Effect.DANGEROUS] = Field(
        description="Kind of service: integration."
    )
    connection: Annotated[ServiceConnection, Effect.DRAIN] = Field(
        description="How the system is reached."
    )
    retry: Annotated[RetryPolicy, Effect.LIVE] = Field(
        default=RetryPolicy(), description="How calls are tried again."
    )
    breaker: Annotated[BreakerPolicy, Effect.LIVE] = Field(
        default=BreakerPolicy(), description="When calls are held back."
    )


class Observability(WrittenModel):
    """What is kept of what services say."""

    tracing_enabled: bool = Field(default=False, description="Whether traces are taken in.")
    alerting_enabled: bool = Field(default=True, description="Whether alerts are evaluated.")
    retention_days: int = Field(default=30, ge=1, description="Days that samples are kept.")


class MetricsCollection(WrittenModel):
    """How metrics are collected."""

    enabled: bool = Field(default=True, description="Whether metrics are collected.")
    path: UrlPath = Field(default="/metrics", description="Path that services show them under.")
    collection_interval: Seconds = Field(
        default=15.0, gt=0, le=120, description="Seconds between two scrapes; more gives gaps."
    )
    targets: tuple[ServiceName, ...] = Field(
        default=(), description="Services that are watched; none: all of the environment."
    )


class MonitoringServiceConfigSchema(ServiceConfigSchema):
    """A service that watches others."""

    service_type: Annotated[Literal["monitoring"], Effect.DANGEROUS] = Field(
        description="Kind of service: monitoring."
    )
    observability: Annotated[Observability, Effect.LIVE] = Field(
        default=Observability(), description="What is kept."
    )
    metrics: Annotated[MetricsCollection, Effect.LIVE] = Field(
        default=MetricsCollection(), description="How metrics are collected."
    )
