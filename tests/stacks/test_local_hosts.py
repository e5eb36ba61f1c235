"""Hosts of provider local: made, looked at, repaired, changed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from hxp_enterprise_llm.orchestration.paths import checkout, environment_state
from hxp_enterprise_llm.schemas.outputs import FleetOutputs
from hxp_enterprise_llm.testing.hosts import TestHosts, objects, podman

DRIFT = 7


def container(hosts: TestHosts, host: str) -> str:
    return next(name for name in objects(hosts.name)["container"] if name.endswith(f"-{host}"))


def identity(hosts: TestHosts, host: str) -> str:
    return podman("inspect", "--format", "{{.Id}}", container(hosts, host))


def test_a_host_answers_over_ssh_with_its_pinned_key_and_lets_us_become_root(
    pair: TestHosts,
) -> None:
    assert pair.run("one", "id", "-u").strip() == "0"
    assert pair.run("one", "systemctl", "is-system-running").strip() == "running"
    assert pair.run("two", "hostname").strip() == "two"


def test_a_host_that_shows_another_key_is_refused(pair: TestHosts, tmp_path: Path) -> None:
    hosts = pair.fleet.hosts
    other = hosts["two"].ssh.host_key
    wrong = hosts["one"].model_copy(
        update={"ssh": hosts["one"].ssh.model_copy(update={"host_key": other})}
    )
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{wrong.ssh.port} {wrong.ssh.host_key}\n")
    done = subprocess.run(
        [
            *("ssh", "-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes"),
            *("-o", "BatchMode=yes", "-i", environment_state(pair.name) / wrong.ssh.identity_file),
            *("-p", str(wrong.ssh.port), "citadel@127.0.0.1", "true"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 255
    assert "HOST IDENTIFICATION HAS CHANGED" in done.stderr


def test_no_password_and_no_root_login_is_possible(pair: TestHosts) -> None:
    settings = pair.run("one", "sshd", "-T").splitlines()
    assert "passwordauthentication no" in settings
    assert "permitrootlogin no" in settings


def test_hosts_reach_each_other_by_name(pair: TestHosts) -> None:
    line = pair.run("one", "getent", "hosts", "two")
    assert line.split()[0] == pair.fleet.hosts["two"].address


def test_ports_are_published_on_loopback_only(pair: TestHosts) -> None:
    for host in ("one", "two"):
        text = podman("inspect", "--format", "{{json .HostConfig.PortBindings}}",
                      container(pair, host))  # fmt: skip
        bound = [item for items in json.loads(text).values() for item in items]
        assert bound
        assert {item["HostIp"] for item in bound} == {"127.0.0.1"}
    assert set(pair.fleet.hosts["one"].published) == {"gateway"}


def test_the_store_is_mounted_read_only(pair: TestHosts) -> None:
    options = pair.run("one", "findmnt", "-no", "OPTIONS", "/opt/citadel/store")
    assert options.split(",")[0] == "ro"


def test_a_second_up_changes_nothing_and_pulumi_agrees(pair: TestHosts) -> None:
    assert pair.up() == "no changes"
    assert pair.drift() == 0


def test_pulumi_by_itself_works_on_the_stack(pair: TestHosts) -> None:
    done = pair.pulumi("up", "--yes", "--skip-preview")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unchanged" in done.stdout


def test_outputs_are_read_without_passphrase_or_any_other_variable(pair: TestHosts) -> None:
    done = subprocess.run(
        [pair.toolchain.pulumi, "stack", "export", "--stack", pair.name],
        cwd=checkout(),
        env={"PULUMI_BACKEND_URL": pair.stack.backend, "HOME": str(Path.home())},
        capture_output=True,
        text=True,
        check=True,
    )
    resources = json.loads(done.stdout)["deployment"]["resources"]
    root = next(item for item in resources if item["type"] == "pulumi:pulumi:Stack")
    assert FleetOutputs.model_validate(root["outputs"]["fleet"]) == pair.fleet


def test_the_private_key_is_the_owners_and_is_not_in_the_state(pair: TestHosts) -> None:
    key = environment_state(pair.name) / pair.fleet.hosts["one"].ssh.identity_file
    assert key.stat().st_mode & 0o777 == 0o600
    state = pair.pulumi("stack", "export").stdout
    assert key.read_text().splitlines()[1] not in state


@pytest.mark.parametrize("signal", ["kill", "stop"])
def test_a_host_that_is_down_is_seen_and_repaired(pair: TestHosts, signal: str) -> None:
    podman(signal, container(pair, "one"))
    assert pair.drift() == DRIFT
    assert pair.up() == "~1"
    assert pair.run("one", "systemctl", "is-system-running").strip() == "running"
    assert pair.drift() == 0


def test_a_removed_host_comes_back_with_its_data_and_its_key(pair: TestHosts) -> None:
    pair.run("two", "tee", "/opt/data/row", stdin="kept\n")
    before = pair.fleet.hosts["two"]
    podman("rm", "--force", container(pair, "two"))
    assert pair.drift() == DRIFT
    assert pair.up() == "+1"
    assert pair.run("two", "cat", "/opt/data/row") == "kept\n"
    assert pair.fleet.hosts["two"] == before


def test_memory_changed_behind_our_back_is_seen_and_put_back(pair: TestHosts) -> None:
    name = container(pair, "one")
    podman("update", "--memory", "300m", name)
    assert pair.drift() == DRIFT
    assert pair.up() == "~1"
    assert pair.drift() == 0


def test_more_memory_in_the_file_is_given_without_a_new_host(pair: TestHosts, edited: Path) -> None:
    before = identity(pair, "one")
    edited.write_text(edited.read_text().replace("256MiB", "320MiB", 1))
    changes = pair.stack.preview()
    assert changes.resources == ("update host one",)
    assert pair.up() == "~1"
    assert identity(pair, "one") == before
    assert pair.fleet.hosts["one"].memory_bytes == 320 * 2**20


def test_a_host_that_leaves_the_file_goes_with_its_volumes(pair: TestHosts, edited: Path) -> None:
    kept = "\n".join(line for line in edited.read_text().splitlines() if "two:" not in line)
    edited.write_text(kept + "\n")
    pair.up()
    left = objects(pair.name)
    assert [name for names in left.values() for name in names if "-two" in name] == []
    assert len(left["container"]) == 1


def test_an_environment_of_another_name_is_refused(pair: TestHosts, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(pair.file.read_text())
    variables = pair.variables | {"CITADEL_ENVIRONMENT_FILE": str(other)}
    done = subprocess.run(
        ["pulumi", "preview", "--stack", pair.name, "--non-interactive"],
        cwd=checkout(),
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "names environment other" in done.stdout + done.stderr
