"""What commands refuse before they touch anything: files of other stacks, secrets without value."""

from __future__ import annotations

from pathlib import Path

import pytest

from hxp_enterprise_llm.cli.main import run
from hxp_enterprise_llm.cli.target import open_target
from hxp_enterprise_llm.configuration.diagnostics import InvalidEnvironmentError
from hxp_enterprise_llm.core.exceptions import ExitCode

TEXT = """\
schema: 1
provider: {kind: local}
hosts:
  data-1: {roles: [postgres, redis], memory: 1GiB}
"""
SECRETS = """\
integration_services:
  database:
    password: file:/nope
  cache:
    password: env:CITADEL_TEST_UNSET
infrastructure_services:
  api_gateway: {key: "generated:gateway/key"}
"""
COMMANDS = (
    ["up", "FILE"],
    ["plan", "FILE"],
    ["verify", "FILE"],
    ["status", "FILE"],
    ["logs", "FILE", "redis"],
    ["ssh", "FILE", "data-1"],
    ["env", "FILE"],
    ["destroy", "FILE", "--yes"],
    ["hosts", "up", "FILE"],
    ["hosts", "down", "FILE", "--yes"],
    ["hosts", "list", "FILE"],
)
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with environment `local`, whose engine cannot be found: nothing may ask for it."""
    folder = tmp_path / "checkout"
    (folder / "stacks" / "environments").mkdir(parents=True)
    (folder / "stacks" / "environments" / "local.yaml").write_text(TEXT)
    (folder / "Pulumi.yaml").touch()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(
        "hxp_enterprise_llm.orchestration.toolchain.ensure",
        lambda _: pytest.fail("the engine was asked for"),
    )
    return folder


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_a_file_of_the_name_of_another_environment_drives_no_stack(
    words: list[str], checkout: Path, tmp_path: Path, capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("hxp_enterprise_llm.orchestration.toolchain.ensure", lambda _: None)
    other = tmp_path / "local.yaml"
    other.write_text(TEXT)
    assert run([str(other) if word == "FILE" else word for word in words]) == ExitCode.REFUSED
    shown = capsys.readouterr().err
    assert "environment local belongs to stacks/environments/local.yaml" in shown
    assert f"Rename {other}" in shown
    assert not (checkout / ".citadel" / "local").exists()


def test_commands_that_touch_no_stack_take_any_file(
    checkout: Path, tmp_path: Path, capsys: Capture
) -> None:
    other = tmp_path / "local.yaml"
    other.write_text(TEXT)
    assert run(["config", "validate", str(other)]) == ExitCode.OK
    assert run(["config", "explain", str(other), "hosts.data-1.memory"]) == ExitCode.OK


@pytest.mark.parametrize("command", ["up", "plan"])
def test_secrets_without_a_value_are_refused_all_at_once_before_anything_is_made(
    command: str, checkout: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CITADEL_TEST_UNSET", raising=False)
    file = checkout / "stacks" / "environments" / "local.yaml"
    file.write_text(TEXT + SECRETS)
    assert run([command, "local"]) == ExitCode.REFUSED
    assert capsys.readouterr().err == (
        "stacks/environments/local.yaml:7  integration_services.database.password\n"
        "  error C341: secret file /nope: No such file or directory.\n"
        "  Create it with mode 0600.\n"
        "stacks/environments/local.yaml:9  integration_services.cache.password\n"
        "  error C341: variable CITADEL_TEST_UNSET is not set.\n"
        "  export CITADEL_TEST_UNSET=… and try again.\n"
        "2 errors; nothing was changed.\n"
    )
    assert not (checkout / ".citadel" / "local" / "secrets.json").exists()


def test_the_gateway_s_key_alone_is_asked_for_where_only_it_is_needed(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CITADEL_TEST_UNSET", raising=False)
    file = checkout / "stacks" / "environments" / "local.yaml"
    file.write_text(TEXT + SECRETS)
    assert open_target("local").key().startswith("ck_")
    file.write_text(TEXT + SECRETS.replace("generated:gateway/key", "env:CITADEL_TEST_UNSET"))
    with pytest.raises(InvalidEnvironmentError) as caught:
        open_target("local").key()
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.place.line) == ("C341", 11)
