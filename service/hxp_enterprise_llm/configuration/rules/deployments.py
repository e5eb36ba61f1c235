"""Deployments: they fit their hosts, and agree with what the services' own files say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from hxp_enterprise_llm.configuration.rules.memory import MIB, SYSTEM, gib
from hxp_enterprise_llm.configuration.rules.registry import Finding, rule
from hxp_enterprise_llm.schemas.deployment import DeploymentConfigSchema, ResourceLimits
from hxp_enterprise_llm.schemas.hosts import Host
from hxp_enterprise_llm.schemas.services import ServiceConfigSchema
from hxp_enterprise_llm.schemas.waivers import Waiver

_SECTIONS = ("systemd", "docker", "kubernetes")


@dataclass(frozen=True, slots=True)
class DeploymentSubject:
    """A deployment; hosts and the services' own configuration as far as they are known."""

    config: DeploymentConfigSchema
    today: date
    hosts: Mapping[str, Host] = field(default_factory=dict)
    services: Mapping[str, ServiceConfigSchema] = field(default_factory=dict)

    @property
    def waivers(self) -> tuple[Waiver, ...]:
        """Return the document's waivers."""
        return self.config.waivers


def room_for(host: Host, limits: ResourceLimits) -> int:
    """Return how many replicas of such limits a host has room for."""
    rooms = [(host.memory - SYSTEM) // (limits.memory_mb * MIB)]
    if host.cpus is not None:
        rooms.append(int(host.cpus / limits.cpu_cores))
    if limits.gpu_enabled:
        rooms.append(host.accelerators)
    return max(0, min(rooms))


@rule(
    "C410",
    "All replicas of a deployment find room on the hosts.",
    "`resource_limits` are those of one replica: mixtral-deployment (limits of 16384 MiB, 8 cores "
    "and a GPU, 3 replicas) takes 48 GiB, 24 cores and 3 GPUs. A replica runs on one host, so room "
    "is counted host by host; 256 MiB of each are kept for the system. Without hosts nothing is "
    "counted.",
    waivable=True,
    about=DeploymentSubject,
)
def finds_room(subject: DeploymentSubject) -> Iterator[Finding]:
    """Find deployments that are too big for their hosts."""
    config, hosts = subject.config, subject.hosts.values()
    limits = config.resource_limits
    room = sum(room_for(host, limits) for host in hosts)
    if not hosts or room >= config.replicas:
        return
    gpus = f", {config.replicas} GPUs" if limits.gpu_enabled else ""
    yield Finding(
        ("resource_limits",),
        f"{config.replicas} replicas take {gib(config.replicas * limits.memory_mb * MIB)}, "
        f"{config.replicas * limits.cpu_cores:g} cores{gpus}; the hosts have room for {room}.",
        "Lower the replicas or the limits, or add hosts.",
    )


@rule(
    "C411",
    "A deployment names each service once.",
    "Two entries of one name would replace one another, or run in two versions side by side.",
    about=DeploymentSubject,
)
def named_once(subject: DeploymentSubject) -> Iterator[Finding]:
    """Find services that stand twice."""
    seen: set[str] = set()
    for index, service in enumerate(subject.config.services):
        if service.service_name in seen:
            yield Finding(
                ("services", index, "service_name"),
                "the service stands twice.",
                "Keep one entry, and raise its replicas.",
            )
        seen.add(service.service_name)


@rule(
    "C412",
    "A deployment agrees with the configuration of its services.",
    "A replica that may take less than its service needs is killed under load; another version or "
    "environment than the service's own file says is a mistake in one of the two.",
    about=DeploymentSubject,
)
def agrees(subject: DeploymentSubject) -> Iterator[Finding]:
    """Find deployed services whose own configuration says something else."""
    limits = subject.config.resource_limits
    for index, deployed in enumerate(subject.config.services):
        own = subject.services.get(deployed.service_name)
        if own is None:
            continue
        path = ("services", index)
        if own.service_version != deployed.service_version:
            yield Finding(
                (*path, "service_version"),
                f"the service's own file says {own.service_version}.",
                "Write the same version in both.",
            )
        if own.environment != subject.config.environment:
            yield Finding(
                (*path, "service_name"),
                f"this service is of environment {own.environment}.",
                "Deploy it there, or correct one of the two files.",
            )
        yield from _too_small(own, limits)


def _too_small(own: ServiceConfigSchema, limits: ResourceLimits) -> Iterator[Finding]:
    for key in ("memory_mb", "cpu_cores"):
        wanted = getattr(own.resources, key)
        if wanted > getattr(limits, key):
            yield Finding(
                ("resource_limits", key),
                f"{own.service_name} needs {wanted:g}.",
                f"Write {wanted:g} or more.",
            )
    if own.resources.gpu_enabled and not limits.gpu_enabled:
        yield Finding(
            ("resource_limits", "gpu_enabled"),
            f"{own.service_name} needs a GPU.",
            "Write `gpu_enabled: true`.",
        )


@rule(
    "C413",
    "A deployment has the options of what runs it, and of nothing else.",
    "Options of another type have no effect.",
    about=DeploymentSubject,
)
def own_options(subject: DeploymentSubject) -> Iterator[Finding]:
    """Find options of another deployment type."""
    config = subject.config
    for section in _SECTIONS:
        if section != config.deployment_type and getattr(config, section) is not None:
            yield Finding(
                (section,),
                f"deployment_type is {config.deployment_type}.",
                "Remove this section, or change deployment_type.",
            )
