"""site.yml by itself: bare check, limit, tags, clean diff, and services that leave."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from hxp_enterprise_llm.orchestration.toolchain import ensure
from hxp_enterprise_llm.testing.hosts import TestHosts, environment_file, quiet

CHECKOUT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
BOTH = """
    schema: 1
    provider: {kind: local, image: bare}
    hosts:
      data-1: {roles: [redis, exporters], memory: 512MiB}
"""


def ansible(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / program), *words],
        cwd=CHECKOUT,
        env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def site(hosts: TestHosts, *words: str) -> str:
    done = ansible("ansible-playbook", "playbooks/site.yml", "-i", str(hosts.file), *words)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-4000:]
    assert "[WARNING]" not in output
    return output


def changed(output: str) -> int:
    return sum(int(number) for number in re.findall(r"changed=(\d+)", output))


@pytest.fixture(scope="module")
def hosts() -> Iterator[TestHosts]:
    path = environment_file("roles-site")
    path.write_text(textwrap.dedent(BOTH))
    found = TestHosts(path, ensure(quiet))
    yield found
    found.down()


def test_before_the_stack_exists_the_error_names_the_command(hosts: TestHosts) -> None:
    done = ansible("ansible-inventory", "-i", str(hosts.file), "--graph")
    assert done.returncode != 0
    assert "stack roles-site does not exist yet" in done.stderr
    assert "citadel up roles-site" in done.stderr


def test_a_mistake_in_the_file_is_shown_with_its_line(hosts: TestHosts) -> None:
    wrong = hosts.file.with_name("roles-wrong.yaml")
    wrong.write_text(hosts.file.read_text().replace("memory:", "memroy:"))
    done = ansible("ansible-inventory", "-i", str(wrong), "--graph")
    assert done.returncode != 0
    assert "roles-wrong.yaml:5" in done.stderr.replace("\n", "")


def test_from_bare_host_to_a_service_that_leaves(hosts: TestHosts) -> None:
    hosts.up()
    bare = site(hosts, "--check", "--diff")
    assert changed(bare) > 0
    assert "+ExecStart=/usr/bin/redis-server" in bare
    assert hosts.run("data-1", "sh", "-c", "ls /opt/citadel | grep -c redis; true").strip() == "0"

    partial = site(hosts, "--tags", "redis", "--limit", "data-1")
    assert "TASK [redis : Apply the bundle]" in partial
    assert "TASK [exporters" not in partial
    site(hosts)

    unchanged = site(hosts, "--check", "--diff")
    assert changed(unchanged) == 0
    assert "---" not in unchanged

    hosts.file.write_text(hosts.file.read_text().replace(", exporters", ""))
    says = "data-1: exporters is no longer declared"
    assert f"{says}: would be removed" in site(hosts, "--check")
    gone = site(hosts)
    assert f"{says}: removed" in gone
    assert changed(gone) == 1
    units = hosts.run("data-1", "systemctl", "list-units", "--plain", "--no-legend", "citadel-*")
    assert "citadel-redis.service" in units
    assert "exporter-redis" not in units
    assert "citadel-redis-exporter" not in units
    assert changed(site(hosts)) == 0


def test_no_secret_is_in_any_output(hosts: TestHosts) -> None:
    secret = hosts.run("data-1", "cat", "/etc/citadel/credentials/redis/password")
    hosts.run("data-1", "sh", "-c", "echo other > /etc/citadel/credentials/redis/password")
    seen = site(hosts, "--check", "--diff", "-vvv")
    repaired = site(hosts, "--diff", "-vvv")
    assert changed(repaired) == 1
    assert secret not in seen + repaired
    assert hosts.run("data-1", "cat", "/etc/citadel/credentials/redis/password") == secret


def test_the_inventory_graph_is_clean(hosts: TestHosts) -> None:
    done = ansible("ansible-inventory", "-i", str(hosts.file), "--graph")
    assert done.stderr == ""
    assert "@role_redis" in done.stdout
