"""Stores and monitoring on real hosts: what is broken is refused, repaired, or outlived."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hxp_enterprise_llm.testing.hosts import TestHosts, environment_file, podman, wait_until

CHECKOUT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
NEEDED = ("Pulumi.yaml", "ansible.cfg", "playbooks", "roles", "stacks", "templates", "tools")
ENVIRONMENT = """
    schema: 1
    provider: {kind: local, image: full}
    hosts:
      data-1: {roles: [postgres, redis, exporters], memory: 1GiB}
      metrics-1: {roles: [prometheus, alertmanager], memory: 512MiB}
    infrastructure_services:
      monitoring: {metrics_collection_interval: 1s}
"""
PSQL = "/usr/lib/postgresql/15/bin/psql -XAt -h /run/citadel-postgres -p 5433 -U postgres"
READY = (
    'python3 -c "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).status)" '
    'http://$(hostname -I | cut -d" " -f1):%d/-/ready'
)
# Role → a question on its host, and what a service that serves says to it.
ANSWERS = {
    "postgres": (f"{PSQL} -c 'SELECT 6 * 7'", "42"),
    "redis": ("redis-cli -h 127.0.0.1 -p 6379 PING", "NOAUTH Authentication required."),
    "prometheus": (READY % 9090, "200"),
    "alertmanager": (READY % 9093, "200"),
}


@dataclass(frozen=True)
class Site:
    """Hosts that are up and converged; tests leave them so."""

    hosts: TestHosts

    def converge(self, *options: str, root: Path = CHECKOUT) -> subprocess.CompletedProcess[str]:
        command = [str(BIN / "ansible-playbook"), "playbooks/site.yml", "-i", str(self.hosts.file)]
        path = f"{BIN}:{os.environ['PATH']}"
        return subprocess.run(
            [*command, *options],
            cwd=root,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    def shell(self, host: str, line: str) -> str:
        return self.hosts.run(host, "sh", "-s", stdin=line)

    def process(self, host: str, unit: str) -> str:
        return self.shell(host, f"systemctl show -p MainPID --value {unit}").strip()

    def answer(self, role: str, host: str) -> str:
        return self.shell(host, ANSWERS[role][0]).strip()

    def manifest(self, role: str, host: str) -> str:
        return self.shell(host, f"cat /opt/citadel/{role}/manifest.json")

    def address(self, host: str) -> str:
        return self.hosts.fleet.hosts[host].address

    def series(self, query: str) -> list[str]:
        server = f"http://{self.address('metrics-1')}:9090"
        line = f"promtool query instant {server} {shlex.quote(query)}"
        return self.shell("metrics-1", line).splitlines()


def changed(done: subprocess.CompletedProcess[str]) -> int:
    """Return how many tasks changed something, on all hosts; the run must have gone well."""
    assert done.returncode == 0, done.stdout[-4000:]
    return sum(int(number) for number in re.findall(r"changed=(\d+)", done.stdout))


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    from hxp_enterprise_llm.orchestration.toolchain import ensure

    file = environment_file("roles-stores")
    file.write_text(textwrap.dedent(ENVIRONMENT))
    hosts = TestHosts(file, ensure(print))
    hosts.up()
    made = Site(hosts)
    assert changed(made.converge()) > 0
    yield made
    hosts.down()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout whose roles may be broken; its state is the real one."""
    for name in NEEDED:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name)
        else:
            shutil.copy(source, tmp_path / name)
    (tmp_path / ".citadel").symlink_to(CHECKOUT / ".citadel")
    return tmp_path


def test_a_second_converge_changes_nothing(site: Site) -> None:
    assert changed(site.converge()) == 0


def test_every_target_is_up_and_only_the_watchdog_fires(site: Site) -> None:
    up = "count(up == 1) == count(up) and on () count(group by (job) (up)) == 5"
    wait_until(lambda: any(site.series(up)), "all targets of five jobs are up")
    firing = site.series('ALERTS{alertstate="firing"}')
    assert [re.findall(r'alertname="(\w+)"', line) for line in firing] == [["Watchdog"]]


@pytest.mark.parametrize(
    ("role", "host", "unit", "file", "line", "complaint"),
    [
        ("postgres", "data-1", "citadel-postgres", "pg_hba.conf.j2", "host all x", "pg_hba.conf"),
        ("postgres", "data-1", "citadel-postgres", "reload.conf.j2", "work_mem = x", "work_mem"),
        ("redis", "data-1", "citadel-redis", "redis.conf.j2", "hz x", "FATAL CONFIG FILE ERROR"),
        ("redis", "data-1", "citadel-redis", "users.json.j2", "x", "users.py"),
        ("prometheus", "metrics-1", "citadel-prometheus", "rules/hosts.yml", "x", "promtool check"),
        ("alertmanager", "metrics-1", "citadel-alertmanager", "alertmanager.yml.j2", "x", "amtool"),
        # Found on the controller: a name that is not there, and what is no template.
        ("redis", "data-1", "citadel-redis", "redis.conf.j2", "{{ nowhere }}", "is undefined"),
        ("postgres", "data-1", "citadel-postgres", "bundle.yml.j2", "{% if %}", "bundle.yml.j2:"),
    ],
)
def test_a_bad_file_is_refused_and_the_service_goes_on(
    site: Site, copy: Path, role: str, host: str, unit: str, file: str, line: str, complaint: str
) -> None:
    template = copy / "roles" / role / "templates" / file
    template.write_text(f"{template.read_text()}\n{line}\n")
    assert site.answer(role, host) == ANSWERS[role][1]
    before = site.process(host, unit), site.manifest(role, host)
    done = site.converge("--tags", role, root=copy)
    assert done.returncode != 0
    assert complaint in done.stdout
    assert (site.process(host, unit), site.manifest(role, host)) == before
    assert site.answer(role, host) == ANSWERS[role][1]
    assert changed(site.converge("--tags", role)) == 0


def test_what_was_tampered_with_is_reported_and_repaired_and_nothing_else(site: Site) -> None:
    path = "/opt/citadel/redis/current/redis.conf"
    site.shell("data-1", f"sed -i 's/^maxclients.*/maxclients 9/' {path}")
    other = site.process("data-1", "citadel-postgres")
    seen = site.converge("--check", "--diff")
    assert changed(seen) == 1
    assert path in seen.stdout
    assert changed(site.converge()) == 1
    assert "maxclients 82" in site.shell("data-1", f"cat {path}")
    assert site.process("data-1", "citadel-postgres") == other
    assert changed(site.converge()) == 0


def test_a_row_outlives_its_host(site: Site) -> None:
    rows = "CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)"
    site.shell("data-1", f"{PSQL} -c '{rows}'")
    container = podman("ps", "--filter", "label=citadel.environment=roles-stores",
                       "--filter", "name=data-1", "--format", "{{.Names}}")  # fmt: skip
    podman("rm", "--force", "--time", "0", container)
    site.hosts.up()
    assert changed(site.converge()) > 0
    assert site.shell("data-1", f"{PSQL} -c 'SELECT n FROM kept'").strip() == "42"
