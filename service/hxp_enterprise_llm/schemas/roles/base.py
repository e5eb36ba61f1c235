"""Data of role `base`: what every host has, whatever else it does."""

from __future__ import annotations

from pydantic import Field

from hxp_enterprise_llm.schemas.roles.role import RoleData


class BaseRole(RoleData):
    """Paths, journal limits, kernel settings, time and the node exporter."""

    packages: tuple[str, ...] = ("prometheus-node-exporter", "systemd-timesyncd")
    address: str = Field(description="Address of the host, where its exporter listens.")
    exporter_port: int = Field(default=9100, ge=1, le=65535, description="TCP port.")
    paths: tuple[str, ...] = Field(
        description="Folders that every host has: code, configuration, models, data, cache, backups."
    )
    journal_max_mib: int = Field(default=512, ge=16, description="Mebibytes that the journal keeps.")
    journal_max_days: int = Field(default=14, ge=1, description="Days that the journal keeps.")
    shared_kernel: bool = Field(
        default=False,
        description="A container: clock and kernel settings are its machine's, not applicable here.",
    )
    sysctl: dict[str, int] = Field(
        default={
            "net.core.somaxconn": 4096,
            "net.ipv4.tcp_max_syn_backlog": 8192,
            "vm.swappiness": 10,
            "vm.overcommit_memory": 1,
        },
        description="Kernel settings of a host with a kernel of its own.",
    )
