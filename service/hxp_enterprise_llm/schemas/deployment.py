"""How many of which services run where: under systemd, in containers, on Kubernetes.

Limits are those of one replica. What all replicas take together is held against hosts, when they
are known (C410).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from hxp_enterprise_llm.schemas.base import Seconds, WrittenModel
from hxp_enterprise_llm.schemas.effect import Effect
from hxp_enterprise_llm.schemas.hosts import HostName
from hxp_enterprise_llm.schemas.services import ServiceName, ServiceVersion
from hxp_enterprise_llm.schemas.text import SshUser
from hxp_enterprise_llm.schemas.waivers import Waiver

DeploymentType = Literal["systemd", "docker", "kubernetes"]
Image = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._/:@-]{0,254}$")]
_GPUS = "nvidia.com/gpu"


class DeployedService(WrittenModel):
    """One service of a deployment."""

    service_name: ServiceName = Field(description="Name of the service.")
    service_version: ServiceVersion = Field(description="Version of the service, such as 1.0.0.")
    replicas: int = Field(default=1, ge=1, le=1000, description="How many of it run.")


class ResourceLimits(WrittenModel):
    """What one replica may take at most."""

    memory_mb: int = Field(ge=1, description="Memory of one replica, in MiB.")
    cpu_cores: float = Field(gt=0, description="CPU cores of one replica.")
    gpu_enabled: bool = Field(default=False, description="Whether one replica takes one GPU.")

    def for_systemd(self) -> dict[str, str]:
        """Return the properties of a unit, as systemd.resource-control(5) names them."""
        return {"MemoryMax": f"{self.memory_mb}M", "CPUQuota": f"{self.cpu_cores * 100:g}%"}

    def for_docker(self) -> tuple[str, ...]:
        """Return arguments of `docker run` and `podman run`."""
        limits = (f"--memory={self.memory_mb}m", f"--cpus={self.cpu_cores:g}")
        return (*limits, "--gpus=1") if self.gpu_enabled else limits

    def for_kubernetes(self) -> dict[str, dict[str, str]]:
        """Return `resources` of a container; requests are limits, so that nothing is evicted."""
        limits = {"memory": f"{self.memory_mb}Mi", "cpu": f"{self.cpu_cores:g}"}
        if self.gpu_enabled:
            limits[_GPUS] = "1"
        return {"limits": limits, "requests": dict(limits)}


class SystemdOptions(WrittenModel):
    """What only units of systemd have."""

    user: SshUser = Field(default="citadel", description="Account that services run as.")
    restart: Literal["no", "on-failure", "always"] = Field(
        default="on-failure", description="When a service is started again by itself."
    )
    stop_timeout: Seconds = Field(default=90.0, gt=0, description="Seconds until it is killed.")


class DockerOptions(WrittenModel):
    """What only containers have; podman takes the same."""

    image: Image | None = Field(
        default=None, description="Image; absent: `service_name:service_version`."
    )
    restart: Literal["no", "on-failure", "always", "unless-stopped"] = Field(
        default="unless-stopped", description="When a container is started again by itself."
    )
    read_only: bool = Field(default=True, description="Whether its root cannot be written.")


class KubernetesOptions(WrittenModel):
    """What only Kubernetes has."""

    namespace: HostName = Field(default="default", description="Namespace of all objects.")
    image: Image | None = Field(
        default=None, description="Image; absent: `service_name:service_version`."
    )
    strategy: Literal["rolling", "recreate"] = Field(
        default="rolling", description="How replicas are replaced."
    )
    termination_grace: Seconds = Field(
        default=60.0, gt=0, description="Seconds that requests in flight get to end."
    )


class DeploymentConfigSchema(WrittenModel):
    """A deployment: services, their replicas, and what each replica may take."""

    schema_version: Annotated[Literal[1], Effect.LIVE] = Field(
        default=1, alias="schema", description="Version of this document's form: 1."
    )
    deployment_name: Annotated[ServiceName, Effect.DANGEROUS] = Field(
        description="Name of the deployment, such as mixtral-deployment."
    )
    deployment_type: Annotated[DeploymentType, Effect.DANGEROUS] = Field(
        description="What runs the services."
    )
    environment: Annotated[HostName, Effect.DANGEROUS] = Field(
        description="Name of the environment, such as production."
    )
    services: Annotated[tuple[DeployedService, ...], Effect.DRAIN] = Field(
        min_length=1, description="The services."
    )
    resource_limits: Annotated[ResourceLimits, Effect.RESTART] = Field(
        description="What one replica may take at most; not what all take together."
    )
    systemd: Annotated[SystemdOptions | None, Effect.RESTART] = Field(
        default=None, description="Only with deployment_type systemd."
    )
    docker: Annotated[DockerOptions | None, Effect.RESTART] = Field(
        default=None, description="Only with deployment_type docker."
    )
    kubernetes: Annotated[KubernetesOptions | None, Effect.RESTART] = Field(
        default=None, description="Only with deployment_type kubernetes."
    )
    waivers: Annotated[tuple[Waiver, ...], Effect.LIVE] = Field(
        default=(), description="Rules that do not hold here, why, and until when."
    )

    @property
    def replicas(self) -> int:
        """Return the replicas of all services together."""
        return sum(service.replicas for service in self.services)

    def limits(self) -> Any:
        """Return the limits of one replica in the words of what runs it."""
        own = self.resource_limits
        return {
            "systemd": own.for_systemd,
            "docker": own.for_docker,
            "kubernetes": own.for_kubernetes,
        }[self.deployment_type]()
