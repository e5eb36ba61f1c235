"""SSH command lines: pinned keys, the environment's identity, no way to be asked anything."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hxp_enterprise_llm.core.exceptions import CitadelError, UnreachableError
from hxp_enterprise_llm.orchestration.remote import Remote, known_hosts
from hxp_enterprise_llm.schemas.outputs import FleetOutputs, HostOutput, SshEndpoint


def fleet(port: int = 10001, bastion: str | None = None) -> FleetOutputs:
    ssh = SshEndpoint(
        host="127.0.0.1", port=port, user="citadel", host_key="ssh-ed25519 AAAA",
        identity_file="ssh/id_ed25519", bastion=bastion,
    )  # fmt: skip
    host = HostOutput(
        name="data-1", roles=("postgres",), address="10.200.0.11", ssh=ssh,
        memory_bytes=2**30, cpus=1, store="mounted",
    )  # fmt: skip
    return FleetOutputs(environment="local", provider="local", hosts={"data-1": host})


def test_the_pinned_key_is_demanded_and_written(tmp_path: Path) -> None:
    command = Remote(fleet(), tmp_path).command("data-1", "true")
    assert "StrictHostKeyChecking=yes" in command
    assert "BatchMode=yes" in command
    assert f"UserKnownHostsFile={tmp_path / 'known_hosts'}" in command
    assert (tmp_path / "known_hosts").read_text() == "[127.0.0.1]:10001 ssh-ed25519 AAAA\n"
    assert command[-5:] == ["-l", "citadel", "--", "127.0.0.1", "true"]


def test_each_word_reaches_the_remote_command_as_it_is(tmp_path: Path) -> None:
    command = Remote(fleet(), tmp_path).command("data-1", "grep", "Out of memory; reboot")
    assert command[-1] == "grep 'Out of memory; reboot'"


def test_a_command_that_does_not_end_is_an_unreachable_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*words: object, **_: object) -> None:
        raise subprocess.TimeoutExpired(cmd=str(words), timeout=120)

    monkeypatch.setattr("hxp_enterprise_llm.utilities.process.run", run)
    with pytest.raises(UnreachableError, match="no answer in 120 s"):
        Remote(fleet(), tmp_path).run("data-1", ["true"])


def test_port_22_has_no_brackets_in_known_hosts() -> None:
    assert known_hosts(fleet(port=22)) == "127.0.0.1 ssh-ed25519 AAAA\n"


def test_a_bastion_is_jumped_through(tmp_path: Path) -> None:
    command = Remote(fleet(bastion="ops@jump:22"), tmp_path).command("data-1")
    assert command[command.index("-J") + 1] == "ops@jump:22"


def test_an_unknown_host_names_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(CitadelError, match="data-1"):
        Remote(fleet(), tmp_path).command("data-9")
