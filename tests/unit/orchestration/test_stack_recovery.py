"""Locks of backends that cannot be looked at: cleared only when their holders are dead.

The engine is a double here; tests/stacks holds its words against the real one.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.loader import load
from hxp_enterprise_llm.core.exceptions import CitadelError, RefusedError
from hxp_enterprise_llm.orchestration.stack import Stack
from hxp_enterprise_llm.orchestration.toolchain import Toolchain

DEAD = 2**22 + 1
ENVIRONMENT = """
schema: 1
provider: {kind: local}
state: {backend: "s3://bucket", secrets_provider: "awskms://alias/citadel"}
hosts: {data-1: {roles: [redis], memory: 1GiB}}
"""
ENGINE = """#!/bin/sh
echo "$PULUMI_BACKEND_URL $1 $2" >>calls
case "$1 $2" in
"stack export") echo '{"deployment": {}}' ;;
"cancel --yes") rm -f locked ;;
up*)
    [ -f locked ] || exit 0
    echo 'error: the stack is currently locked by 1 lock(s).' >&2
    echo "  s3://bucket/.pulumi/locks/a.json: created by $(cat locked) at 2026-11-21T09:00:00Z" >&2
    exit 255 ;;
esac
"""


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    plugin = tmp_path / "stacks/providers/local/pulumi-resource-citadel-local"
    plugin.parent.mkdir(parents=True)
    plugin.write_text("#!/bin/sh\n")
    plugin.chmod(0o755)
    (tmp_path / "Pulumi.yaml").touch()
    monkeypatch.chdir(tmp_path)
    engine = tmp_path / "pulumi"
    engine.write_text(ENGINE)
    engine.chmod(0o755)
    return at(tmp_path / "lab.yaml")


def at(file: Path) -> Stack:
    file.parent.mkdir(exist_ok=True)
    file.write_text(ENVIRONMENT)
    return Stack(load(str(file)), Toolchain("3.250.0", "a double", Path.cwd(), built=False))


def calls() -> list[str]:
    return [line.removeprefix("s3://bucket ") for line in Path("calls").read_text().splitlines()]


def test_the_lock_of_a_dead_run_is_named_and_cleared_and_the_run_goes_on(stack: Stack) -> None:
    Path("locked").write_text(f"ann@{socket.gethostname()} (pid {DEAD})")
    said: list[str] = []
    stack.recover(said.append)
    stack.up(said.append)
    assert said == [f"clearing the lock of ann@{socket.gethostname()} (pid {DEAD})"]
    assert calls()[-3:] == ["up --yes", "cancel --yes", "up --yes"]


def test_from_up_to_destroy_the_name_belongs_to_the_file(stack: Stack, tmp_path: Path) -> None:
    other = tmp_path / "other" / "lab.yaml"
    at(other)
    stack.up(lambda _: None)
    with pytest.raises(RefusedError, match=r"made from lab\.yaml, not other/lab\.yaml"):
        at(other)
    stack.destroy(lambda _: None)
    at(other)


@pytest.mark.parametrize("holder", ["ann@elsewhere (pid 7)", "ann@{here} (pid {living})"])
def test_the_lock_of_a_run_that_may_live_stays_and_is_named(
    stack: Stack, holder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = socket.gethostname()
    holder = holder.format(here=here, living=os.getpid())
    monkeypatch.setattr(
        "hxp_enterprise_llm.orchestration.stack_locks.ENGINE",
        Path(f"/proc/{os.getpid()}/comm").read_text().strip(),
    )
    Path("locked").write_text(holder)
    with pytest.raises(CitadelError) as caught:
        stack.up(lambda _: None)
    assert caught.value.message.endswith(f"stack lab is locked by {holder}")
    assert "pulumi cancel --stack lab" in caught.value.next_step
    assert "cancel --yes" not in calls()
