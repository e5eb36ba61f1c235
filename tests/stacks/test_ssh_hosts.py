"""Provider ssh on hosts that exist: checked, recorded, left as they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.stacks.conftest import Make

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.paths import environment_state
from hxp_enterprise_llm.testing.hosts import TestHosts, objects, podman, quiet


@pytest.fixture
def existing(pair: TestHosts, make: Make) -> Iterator[TestHosts]:
    """The pair again, as hosts that somebody else made; forgotten after the test."""
    fleet = pair.fleet
    key = environment_state(pair.name) / fleet.hosts["one"].ssh.identity_file
    lines = [
        f"      {name}: {{roles: [{host.roles[0]}], memory: 200MiB, address: {host.address}, "
        f"host_key: {host.ssh.host_key}}}"
        for name, host in fleet.hosts.items()
    ]
    hosts = make(
        "stacks-ssh",
        f"""
    schema: 1
    provider: {{kind: ssh, user: citadel, identity_file: {key}}}
    hosts:
"""
        + "\n".join(lines)
        + "\n",
    )
    before = hosts.file.read_text()
    yield hosts
    hosts.file.write_text(before)
    hosts.down()


def edit(hosts: TestHosts, old: str, new: str) -> None:
    text = hosts.file.read_text()
    assert old in text
    hosts.file.write_text(text.replace(old, new, 1))


def test_existing_hosts_are_recorded_and_left_alone(existing: TestHosts, pair: TestHosts) -> None:
    before = objects(pair.name)
    existing.up()
    fleet = existing.fleet
    assert fleet.provider == "ssh"
    assert fleet.hosts["one"].memory_bytes == 256 * 2**20
    assert fleet.hosts["one"].store == "copied"
    assert existing.run("two", "hostname").strip() == "two"
    assert existing.up() == "no changes"
    existing.down()
    assert objects(pair.name) == before
    assert pair.run("one", "id", "-u").strip() == "0"


def test_a_host_that_is_too_small_is_refused(existing: TestHosts) -> None:
    edit(existing, "200MiB", "64GiB")
    with pytest.raises(CitadelError, match=r"it has 0\.2 GiB of memory, hosts\.one\.memory says"):
        existing.up()


def test_a_host_with_another_key_is_refused(existing: TestHosts, pair: TestHosts) -> None:
    hosts = pair.fleet.hosts
    edit(existing, hosts["one"].ssh.host_key, hosts["two"].ssh.host_key)
    with pytest.raises(CitadelError, match=r"shows another key than hosts\.one\.host_key"):
        existing.up()


def test_a_host_without_python_and_sudo_is_refused_with_every_reason(
    existing: TestHosts, pair: TestHosts
) -> None:
    hide = "mv /usr/bin/python3.11 /usr/bin/hidden; mv /etc/sudoers.d/citadel /root"
    pair.run("one", "sh", "-s", stdin=hide)
    try:
        with pytest.raises(CitadelError) as caught:
            existing.up()
        assert "its Python is none" in str(caught.value)
        assert "its account may not become root" in str(caught.value)
    finally:
        name = next(item for item in objects(pair.name)["container"] if item.endswith("-one"))
        show = "mv /usr/bin/hidden /usr/bin/python3.11; mv /root/citadel /etc/sudoers.d/"
        podman("exec", name, "sh", "-c", show)


def test_an_unreachable_host_says_so(existing: TestHosts, pair: TestHosts) -> None:
    existing.up()
    pair.run("one", "systemctl", "stop", "ssh.service", "ssh.socket")
    done = existing.pulumi("preview", "--refresh", "--expect-no-changes")
    name = next(item for item in objects(pair.name)["container"] if item.endswith("-one"))
    podman("exec", name, "systemctl", "start", "ssh.service")
    assert done.returncode == 7
    assert "host one (citadel@" in done.stdout
    assert "does not answer" in done.stdout


def test_a_host_that_is_gone_keeps_nobody_from_removing_its_environment(
    existing: TestHosts, pair: TestHosts
) -> None:
    existing.up()
    pair.run("one", "systemctl", "stop", "ssh.service", "ssh.socket")
    try:
        warnings = existing.stack.destroy(quiet).warnings
    finally:
        name = next(item for item in objects(pair.name)["container"] if item.endswith("-one"))
        podman("exec", name, "systemctl", "start", "ssh.service")
    assert len(warnings) == 1
    assert "does not answer" in warnings[0]
    assert "what Citadel put there is still there" in warnings[0]
    assert existing.stack.outputs() is None


def test_a_corrected_address_is_taken_though_the_old_one_is_dead(
    existing: TestHosts, pair: TestHosts
) -> None:
    existing.up()
    hosts = pair.fleet.hosts
    podman("stop", next(item for item in objects(pair.name)["container"] if item.endswith("-one")))
    lines = existing.file.read_text().splitlines()
    existing.file.write_text("\n".join(line for line in lines if " two: " not in line) + "\n")
    edit(existing, hosts["one"].address, hosts["two"].address)
    edit(existing, hosts["one"].ssh.host_key, hosts["two"].ssh.host_key)
    try:
        existing.up()
        assert existing.run("one", "hostname").strip() == "two"
    finally:
        pair.up()


def test_memory_that_changed_is_seen(existing: TestHosts, pair: TestHosts) -> None:
    existing.up()
    name = next(item for item in objects(pair.name)["container"] if item.endswith("-two"))
    podman("update", "--memory", "300m", name)
    try:
        assert existing.drift() == 7
        assert existing.up() == "~1"
        assert existing.fleet.hosts["two"].memory_bytes == 300 * 2**20
    finally:
        pair.up()


def test_a_key_must_be_pinned(existing: TestHosts) -> None:
    key = existing.file.read_text().partition("host_key: ")[2].partition("}")[0]
    edit(existing, f", host_key: {key}", "")
    with pytest.raises(CitadelError, match="host_key"):
        existing.up()
