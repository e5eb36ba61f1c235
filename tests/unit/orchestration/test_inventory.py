"""An environment and its fleet become hosts, groups, connections and plain data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.loader import LoadedEnvironment, load
from hxp_enterprise_llm.core.exceptions import CitadelError, RefusedError
from hxp_enterprise_llm.orchestration import inventory
from hxp_enterprise_llm.schemas.outputs import FleetOutputs, HostOutput, SshEndpoint

ENVIRONMENT = """
schema: 1
provider: {kind: local}
hosts:
  data-1: {roles: [postgres, redis], memory: 1GiB}
"""


def host(**ssh: object) -> HostOutput:
    given = {"host": "127.0.0.1", "port": 2222, "user": "citadel", "host_key": "ssh-ed25519 AAA"}
    return HostOutput(
        name="data-1",
        roles=("postgres", "redis"),
        address="10.0.0.2",
        ssh=SshEndpoint.model_validate(given | {"identity_file": "ssh/id"} | ssh),
        memory_bytes=2**30,
        cpus=1,
        store="mounted",
    )


def fleet(**hosts: HostOutput) -> FleetOutputs:
    named = {name.replace("_", "-"): value for name, value in hosts.items()}
    return FleetOutputs(environment="inventory", provider="local", hosts=named)


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedEnvironment:
    monkeypatch.setattr(inventory, "environment_state", lambda name: tmp_path)
    file = tmp_path / "inventory.yaml"
    file.write_text(ENVIRONMENT)
    return load(str(file))


def test_groups_come_from_roles(loaded: LoadedEnvironment) -> None:
    (found,) = inventory.hosts_of(loaded, fleet(data_1=host()))
    assert (found.name, found.groups) == ("data-1", ("role_postgres", "role_redis"))


def test_each_role_has_its_data_plain_and_without_secrets(loaded: LoadedEnvironment) -> None:
    (found,) = inventory.hosts_of(loaded, fleet(data_1=host()))
    assert json.loads(json.dumps(found.variables)) == found.variables
    assert {"citadel_base", "citadel_postgres", "citadel_redis"} <= set(found.variables)
    assert found.variables["citadel_roles"] == ["postgres", "redis"]
    assert found.variables["citadel_redis"]["password"] == "generated:redis/default"


def test_host_keys_are_pinned_and_always_checked(loaded: LoadedEnvironment, tmp_path: Path) -> None:
    (found,) = inventory.hosts_of(loaded, fleet(data_1=host()))
    options = found.variables["ansible_ssh_common_args"]
    assert "StrictHostKeyChecking=yes" in options
    assert f"UserKnownHostsFile={tmp_path / 'known_hosts'}" in options
    known = (tmp_path / "known_hosts").read_text()
    assert known == "[127.0.0.1]:2222 ssh-ed25519 AAA\n"


def test_a_bastion_is_jumped_over(loaded: LoadedEnvironment) -> None:
    (found,) = inventory.hosts_of(loaded, fleet(data_1=host(bastion="me@gate:22")))
    assert "ProxyJump=me@gate:22" in found.variables["ansible_ssh_common_args"]


def test_a_host_that_the_stack_lacks_is_an_error_that_names_the_command(
    loaded: LoadedEnvironment,
) -> None:
    with pytest.raises(CitadelError, match="stack inventory has no host data-1") as caught:
        inventory.hosts_of(loaded, fleet())
    assert "citadel up inventory" in caught.value.next_step


def test_secrets_without_a_value_are_refused_before_any_host_is_asked(
    loaded: LoadedEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "fleet_of", lambda _: pytest.fail("the stack was asked for"))
    text = "integration_services: {cache: {password: 'file:/nope'}}\n"
    loaded.path.write_text(ENVIRONMENT + text)
    with pytest.raises(RefusedError, match=r"integration_services\.cache\.password\n.*C341"):
        inventory.read_inventory(str(loaded.path))
