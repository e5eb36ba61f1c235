"""Provider local when it is interrupted, when others are in the way, and when it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.stacks.conftest import Make

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration import stack_locks
from hxp_enterprise_llm.orchestration.paths import cache, checkout, state
from hxp_enterprise_llm.testing.hosts import TestHosts, objects, podman, quiet, wait_until
from providers.local import slots
from providers.local.naming import container_name

ONE_HOST = """
    schema: 1
    provider: {kind: local, image: bare}
    hosts:
      one: {roles: [gateway], memory: 256MiB}
"""
ISOLATED = ONE_HOST.replace("image: bare", "image: bare, internal: true")


@pytest.fixture
def single(make: Make, request: pytest.FixtureRequest) -> Iterator[TestHosts]:
    """One host that is not up yet; gone after the test."""
    short = re.sub(r"[^a-z]", "", request.node.name.removeprefix("test_"))[:20]
    hosts = make(f"stacks-{short}", ONE_HOST)
    yield hosts
    hosts.down()


def lease(hosts: TestHosts) -> slots.Lease:
    return slots.lease(cache() / "slots", checkout(), hosts.name, ["one"])


def kill_when_container_appears(hosts: TestHosts) -> None:
    child = hosts.start_up()
    wait_until(lambda: bool(objects(hosts.name)["container"]), "a container")
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def test_up_killed_in_the_middle_ends_well_when_run_again(single: TestHosts) -> None:
    kill_when_container_appears(single)
    assert stack_locks.holders(state() / "pulumi", single.name), "the kill left no lock"
    single.stack.recover()
    single.up()
    assert single.run("one", "id", "-u").strip() == "0"
    assert single.drift() == 0


def test_destroy_after_a_killed_up_leaves_nothing(single: TestHosts) -> None:
    kill_when_container_appears(single)
    single.down()
    assert objects(single.name) == {"container": [], "volume": [], "network": []}


def test_recover_twice_and_on_nothing_does_no_harm(single: TestHosts) -> None:
    single.stack.recover()
    single.up()
    single.stack.recover()
    single.stack.recover()
    assert single.drift() == 0


def test_destroy_leaves_nothing(single: TestHosts) -> None:
    single.up()
    assert all(objects(single.name).values())
    single.down()
    assert objects(single.name) == {"container": [], "volume": [], "network": []}
    assert single.stack.outputs() is None
    assert not list((cache() / "slots").glob(f"{lease_number(single)}.json"))
    assert not (state() / single.name / "ssh").exists()


def lease_number(hosts: TestHosts) -> int:
    return slots.preferred(checkout(), hosts.name)


def test_a_busy_port_is_an_error_that_names_its_holder(single: TestHosts) -> None:
    port = lease(single).port("one")
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(CitadelError) as caught:
            single.up()
        assert f"port 127.0.0.1:{port} is busy" in str(caught.value)
        assert f"pid {os.getpid()}" in str(caught.value)
    single.stack.recover()
    single.up()
    assert single.drift() == 0


def test_a_foreign_container_of_our_name_is_left_alone_and_named(single: TestHosts) -> None:
    name = container_name(checkout(), single.name, "one")
    image = podman("images", "--quiet", "--filter", "reference=localhost/citadel-base").split()[0]
    podman("create", "--name", name, image, "true")
    try:
        with pytest.raises(CitadelError, match=f"container {name} already"):
            single.up()
        assert podman("inspect", "--format", "{{.State.Status}}", name) == "created"
    finally:
        podman("rm", name)


def test_a_subnet_in_use_names_the_network_that_has_it(single: TestHosts) -> None:
    podman("network", "create", "--subnet", lease(single).subnet, "stacks-foreign")
    try:
        with pytest.raises(CitadelError, match="already used by podman network stacks-foreign"):
            single.up()
    finally:
        podman("network", "rm", "stacks-foreign")


def test_an_internal_network_has_no_way_out_but_the_controller_gets_in(make: Make) -> None:
    hosts = make("stacks-internal", ISOLATED)
    hosts.up()
    routes = hosts.run("one", "ip", "route")
    assert "default" not in routes
    assert hosts.fleet.hosts["one"].published == {}
    assert hosts.drift() == 0
    hosts.down()


def test_a_backend_of_the_environments_own_holds_the_state(make: Make, tmp_path: Path) -> None:
    hosts = make("stacks-backend", ONE_HOST + f"    state: {{backend: 'file://{tmp_path}'}}\n")
    hosts.up()
    assert list(tmp_path.glob(".pulumi/stacks/citadel/stacks-backend.json"))
    assert not list((state() / "pulumi").glob(".pulumi/stacks/citadel/stacks-backend.json"))
    assert hosts.fleet.hosts["one"].name == "one"
    hosts.down()


def test_a_passphrase_in_the_shell_does_not_matter(
    single: TestHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    single.stack.prepare()
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "somebody's own")
    assert single.stack.preview().changed


def locked(hosts: TestHosts, pid: int, machine: str) -> Path:
    """Leave a lock as an engine does."""
    folder = state() / "pulumi" / ".pulumi" / "locks" / "organization" / "citadel" / hosts.name
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / "11111111-1111-1111-1111-111111111111.json"
    lock.write_text(
        f'{{"pid": {pid}, "username": "ann", "hostname": "{machine}", '
        f'"timestamp": "2026-01-01T00:00:00Z"}}'
    )
    return lock


def dead() -> int:
    """Return the number of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        return process.pid


def test_locks_are_cleared_by_what_the_engine_says_where_they_cannot_be_looked_at(
    single: TestHosts,
) -> None:
    # Without `recover`, which looks at the files: a bucket shows its locks only in these words.
    single.stack.prepare()
    lock = locked(single, 7, "elsewhere")
    with pytest.raises(CitadelError, match=r"is locked by ann@elsewhere \(pid 7\)"):
        single.stack.destroy(quiet)
    assert lock.exists()
    lock = locked(single, dead(), socket.gethostname())
    said: list[str] = []
    single.stack.destroy(said.append)
    assert any(line.startswith("clearing the lock of ann@") for line in said)
    assert not lock.exists()


def test_the_lock_of_a_dead_run_is_cleared(single: TestHosts) -> None:
    single.stack.prepare()
    lock = locked(single, dead(), socket.gethostname())
    single.stack.recover()
    assert not lock.exists()
