"""Role `base`: what every host has."""

from __future__ import annotations

from pydantic import Field

from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.schemas.roles.role import RoleData
from hxp_enterprise_llm.schemas.text import AbsolutePath


class Journal(CitadelModel):
    """How much the journal keeps."""

    max_use_mib: int = Field(default=512, ge=16, description="Mebibytes on disk.")
    retention_days: int = Field(default=30, ge=1, description="Days.")


class NodeExporter(CitadelModel):
    """Where the exporter of the host listens."""

    address: str = Field(description="Address of the host in the environment's network.")
    port: int = Field(ge=1, le=65535)


class BaseRole(RoleData):
    """Paths, journal, kernel settings, time and the host's exporter."""

    packages: tuple[str, ...] = ("prometheus-node-exporter",)
    paths: tuple[AbsolutePath, ...] = Field(description="Directories of every host (H-06).")
    shared_kernel: bool = Field(
        description="A container: kernel settings and clock are not its own, and are left alone."
    )
    journal: Journal = Journal()
    node_exporter: NodeExporter
    sysctl: dict[str, str] = Field(
        default={
            "fs.protected_fifos": "2",
            "fs.protected_regular": "2",
            "kernel.dmesg_restrict": "1",
            "kernel.kptr_restrict": "2",
            "net.core.somaxconn": "4096",
            "net.ipv4.tcp_syncookies": "1",
            "vm.max_map_count": "262144",
            "vm.overcommit_memory": "1",
            "vm.swappiness": "10",
        },
        description="Kernel settings, where the kernel is the host's own.",
    )
    time_servers: tuple[str, ...] = Field(
        default=("0.debian.pool.ntp.org", "1.debian.pool.ntp.org"),
        description="NTP servers, where the clock is the host's own.",
    )
