"""The passphrase of a stack: made once, never over another, no second one for shared state.

The engine is a double here.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.loader import load
from hxp_enterprise_llm.core.exceptions import RefusedError, UnreachableError
from hxp_enterprise_llm.orchestration import stack as stacks
from hxp_enterprise_llm.orchestration.stack import Stack
from hxp_enterprise_llm.orchestration.toolchain import Toolchain

ENVIRONMENT = """
schema: 1
provider: {kind: local}
state: {backend: "%s"}
hosts: {data-1: {roles: [redis], memory: 1GiB}}
"""
ENGINE = """#!/bin/sh
echo "$PULUMI_CONFIG_PASSPHRASE|$PULUMI_CONFIG_PASSPHRASE_FILE" >>passphrases
case "$1 $2" in
"stack export") cat state; exit $(cat code) ;;
preview*) echo '{}' ;;
esac
"""
GIVEN = "PULUMI_CONFIG_PASSPHRASE"


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "stacks").mkdir()
    (tmp_path / ".citadel").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in (GIVEN, f"{GIVEN}_FILE"):
        monkeypatch.delenv(name, raising=False)
    engine = tmp_path / "pulumi"
    engine.write_text(ENGINE)
    engine.chmod(0o755)
    answers('{"deployment": {}}')
    return tmp_path


def answers(state: str, code: int = 0) -> None:
    Path("state").write_text(state)
    Path("code").write_text(str(code))


def stack(backend: str = "s3://bucket") -> Stack:
    file = Path("lab.yaml").absolute()
    file.write_text(ENVIRONMENT % backend)
    return Stack(load(str(file)), Toolchain("3.250.0", "a double", Path.cwd(), built=False))


def test_a_checkout_without_the_passphrase_of_shared_state_is_refused() -> None:
    with pytest.raises(RefusedError, match="the passphrase of stack lab is not in this checkout"):
        stack().prepare()
    assert not Path(".citadel/pulumi.passphrase").exists()


def test_with_the_file_of_the_first_checkout_it_goes_on() -> None:
    Path(".citadel/pulumi.passphrase").write_text("of the first")
    going_on = stack()
    going_on.prepare()
    assert Path(".citadel/pulumi.passphrase").read_text() == "of the first"
    assert Path(".citadel/lab/made-from").read_text() == "lab.yaml\n"
    going_on.preview()
    said = Path("passphrases").read_text().splitlines()[-1]
    assert said == f"|{Path.cwd()}/.citadel/pulumi.passphrase"


def test_a_passphrase_of_the_shell_counts_for_shared_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(GIVEN, "of us all")
    shared = stack()
    shared.prepare()
    shared.preview()
    assert Path("passphrases").read_text().splitlines()[-1] == "of us all|"
    assert f"{GIVEN}_FILE" not in shared.environment_variables()


def test_a_passphrase_of_the_shell_is_left_out_for_the_checkout_s_own_state(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GIVEN, "another's")
    stack(f"file://{checkout}").preview()
    said = Path("passphrases").read_text().splitlines()[-1]
    assert said == f"|{checkout}/.citadel/pulumi.passphrase"


def test_of_two_runs_at_once_the_first_one_s_passphrase_stays(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = checkout / ".citadel/pulumi.passphrase"

    def while_another_run_writes(_: int) -> str:
        path.write_text("the other's")
        return "mine"

    monkeypatch.setattr(secrets, "token_urlsafe", while_another_run_writes)
    assert stacks._passphrase_file() == path
    assert path.read_text() == "the other's"
    assert list(path.parent.glob("pulumi.passphrase*")) == [path]


def test_a_passphrase_is_made_once_and_closed_to_others() -> None:
    path = stacks._passphrase_file()
    text = path.read_text()
    assert len(text) > 40
    assert path.stat().st_mode & 0o777 == 0o600
    assert stacks._passphrase_file().read_text() == text


def test_an_error_of_the_backend_shows_no_password() -> None:
    answers("cannot open postgres://u:hunter2@h/db\n", 1)
    toolchain = Toolchain("3.250.0", "a double", Path.cwd(), built=False)
    with pytest.raises(UnreachableError) as raised:
        stacks.export(toolchain, "lab", "postgres://u:hunter2@h/db")
    assert "postgres://u:***@h/db" in raised.value.message
    assert "hunter2" not in str(raised.value)
