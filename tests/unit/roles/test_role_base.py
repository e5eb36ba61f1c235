"""What role base puts on a host: kernel settings and clock only where they are the host's own."""

from __future__ import annotations

from typing import Any

import pytest

from hxp_enterprise_llm.orchestration.bundle.render import render
from hxp_enterprise_llm.orchestration.bundle.spec import RenderedBundle
from hxp_enterprise_llm.orchestration.paths import checkout
from hxp_enterprise_llm.orchestration.resolvers.base import resolve
from hxp_enterprise_llm.orchestration.resolvers.context import Context
from hxp_enterprise_llm.schemas.roles.base import BaseRole
from hxp_enterprise_llm.testing.factories import context

SYSCTL = "/etc/sysctl.d/60-citadel.conf"
SYSCTL_UNIT = "/etc/systemd/system/citadel-sysctl.service"
CLOCK = "/etc/systemd/timesyncd.conf.d/citadel.conf"
OWN_KERNEL = {SYSCTL, SYSCTL_UNIT, CLOCK}


def role(*, shared_kernel: bool) -> BaseRole:
    made = context()
    host = made.host("data-1").model_copy(update={"shared_kernel": shared_kernel})
    fleet = made.fleet.model_copy(update={"hosts": {**made.fleet.hosts, "data-1": host}})
    return resolve(Context(made.name, made.environment, fleet), "data-1")


def bundle(*, shared_kernel: bool, **data: Any) -> RenderedBundle:
    given = role(shared_kernel=shared_kernel).model_dump(mode="json") | data
    return render("base", given, "data-1", "test", root=checkout())


def lines(rendered: RenderedBundle, path: str) -> list[str]:
    """Return the lines of a file that say something."""
    (content,) = [file.content for file in rendered.files if file.path == path]
    assert content.startswith("# Managed by Citadel, role base")
    return [line for line in content.splitlines() if line and not line.startswith("#")]


def test_a_host_with_a_kernel_of_its_own_gets_the_kernel_settings() -> None:
    assert lines(bundle(shared_kernel=False), SYSCTL) == [
        "fs.protected_fifos = 2",
        "fs.protected_regular = 2",
        "kernel.dmesg_restrict = 1",
        "kernel.kptr_restrict = 2",
        "net.core.somaxconn = 4096",
        "net.ipv4.tcp_syncookies = 1",
        "vm.max_map_count = 262144",
        "vm.overcommit_memory = 1",
        "vm.swappiness = 10",
    ]


def test_its_kernel_settings_come_from_the_roles_data() -> None:
    rendered = bundle(shared_kernel=False, sysctl={"vm.swappiness": "1"})
    assert lines(rendered, SYSCTL) == ["vm.swappiness = 1"]


def test_its_settings_are_put_in_force_at_once_again_at_boot_and_when_they_change() -> None:
    rendered = bundle(shared_kernel=False)
    unit = lines(rendered, SYSCTL_UNIT)
    assert f"ExecStart=/usr/lib/systemd/systemd-sysctl {SYSCTL}" in unit
    assert "WantedBy=sysinit.target" in unit
    units = {one.name: one for one in rendered.units}
    assert "/etc/sysctl.d/*" in (units["citadel-sysctl.service"].restart_on or ())


def test_its_clock_follows_the_time_servers_by_timesyncd() -> None:
    rendered = bundle(shared_kernel=False, time_servers=["ntp1.example.org", "ntp2.example.org"])
    assert lines(rendered, CLOCK) == ["[Time]", "NTP=ntp1.example.org ntp2.example.org"]
    (unit,) = [one for one in rendered.units if one.name == "systemd-timesyncd.service"]
    assert unit.keep
    assert unit.restart_on == ("/etc/systemd/timesyncd.conf.d/*",)
    assert "systemd-timesyncd" in role(shared_kernel=False).packages


@pytest.mark.parametrize("shared_kernel", [True, False])
def test_only_a_host_with_a_kernel_of_its_own_gets_any_of_it(*, shared_kernel: bool) -> None:
    rendered = bundle(shared_kernel=shared_kernel)
    found = OWN_KERNEL & {file.path for file in rendered.files}
    assert found == (set() if shared_kernel else OWN_KERNEL)
    names = {unit.name for unit in rendered.units}
    own = {"citadel-sysctl.service", "systemd-timesyncd.service"}
    assert names & own == (set() if shared_kernel else own)
    packages = role(shared_kernel=shared_kernel).packages
    assert ("systemd-timesyncd" in packages) is not shared_kernel


def test_every_host_bounds_its_journal() -> None:
    rendered = bundle(shared_kernel=True, journal={"max_use_mib": 64, "retention_days": 3})
    found = lines(rendered, "/etc/systemd/journald.conf.d/citadel.conf")
    assert {"SystemMaxUse=64M", "RuntimeMaxUse=64M", "MaxRetentionSec=3day"} <= set(found)
