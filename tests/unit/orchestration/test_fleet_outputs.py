"""Reading `fleet` from an exported state."""

from __future__ import annotations

from typing import Any

import pytest

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.stack import fleet_of

FLEET = {"version": 1, "environment": "local", "provider": "local", "hosts": {}}


def state(outputs: dict[str, Any] | None) -> dict[str, Any]:
    root = {"type": "pulumi:pulumi:Stack", "outputs": outputs}
    return {"deployment": {"resources": [root]}}


def test_a_stack_that_made_nothing_has_no_outputs() -> None:
    assert fleet_of("local", None) is None
    assert fleet_of("local", {"deployment": {}}) is None
    assert fleet_of("local", state(None)) is None


def test_the_output_is_read_by_its_model() -> None:
    fleet = fleet_of("local", state({"fleet": FLEET}))
    assert fleet is not None
    assert fleet.environment == "local"


@pytest.mark.parametrize("wrong", [{"version": 2}, {"more": 1}])
def test_another_form_names_the_stack_and_the_command_to_run(wrong: dict[str, Any]) -> None:
    with pytest.raises(CitadelError, match=r"(?s)stack local.*citadel up local"):
        fleet_of("local", state({"fleet": FLEET | wrong}))


SSH = {
    "host": "10.0.0.2",
    "user": "citadel",
    "host_key": "ssh-ed25519 AAAA",
    "identity_file": "../../keys/id_ed25519",
    "bastion": "ops@gate:22",
}
HOST = {
    "name": "data-1",
    "roles": ["redis"],
    "address": "10.0.0.2",
    "ssh": SSH,
    "published": {"prometheus_ui": 10001},
    "memory_bytes": 1,
    "cpus": 1,
    "store": "copied",
}


def of(host: dict[str, Any], **more: Any) -> dict[str, Any]:
    return state({"fleet": FLEET | {"hosts": {"data-1": host}} | more})


def test_hosts_as_providers_make_them_are_read() -> None:
    path = "/home/ann/My Checkout (2)/keys/id"
    for given in ("ssh/id_ed25519", "../../keys/id", "~/.ssh/id", path):
        fleet = fleet_of("local", of(HOST | {"ssh": SSH | {"identity_file": given}}))
        assert fleet is not None
        assert fleet.hosts["data-1"].ssh.identity_file == given


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("user", "-oProxyCommand=reboot"),
        ("user", "citadel\n"),
        ("host", "-oProxyCommand=reboot"),
        ("host", "10.0.0.2 -v"),
        ("host", "{{ lookup('pipe', 'id') }}"),
        ("host_key", "ssh-ed25519 AAAA\n* ssh-ed25519 BBBB"),
        ("host_key", "AAAB"),
        ("identity_file", 'id" -oProxyCommand=reboot "'),
        ("identity_file", "{{ lookup('pipe', 'id') }}"),
        ("identity_file", "-oProxyCommand=reboot"),
        ("identity_file", "id\nProxyCommand reboot"),
        ("bastion", "-oProxyCommand=reboot"),
        ("bastion", "gate;reboot"),
    ],
)
def test_no_text_of_a_state_breaks_a_command_line(key: str, value: str) -> None:
    with pytest.raises(CitadelError, match=rf"hosts\.data-1\.ssh\.{key}") as caught:
        fleet_of("local", of(HOST | {"ssh": SSH | {key: value}}))
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "10.0.0.2; reboot"},
        {"name": "../x"},
        {"roles": ["-x"]},
        {"published": {"a b": 1}},
    ],
)
def test_nor_does_what_ends_up_in_files_and_tables(wrong: dict[str, Any]) -> None:
    with pytest.raises(CitadelError, match="cannot be read"):
        fleet_of("local", of(HOST | wrong))
    with pytest.raises(CitadelError, match="cannot be read"):
        fleet_of("local", of(HOST, environment="../x"))
