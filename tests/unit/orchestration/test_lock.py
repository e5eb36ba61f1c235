"""One change at a time, and a busy lock names its holder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration import lock

HOLD = """
import sys
from hxp_enterprise_llm.orchestration import lock, paths
with lock.exclusive("local", "citadel up local"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "Pulumi.yaml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hold(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_second_holder_is_refused_with_the_name_of_the_first(checkout: Path) -> None:
    process = hold(checkout)
    try:
        with pytest.raises(CitadelError) as caught, lock.exclusive("local", "citadel up local"):
            pass
    finally:
        end(process)
    assert f"pid {process.pid}" in str(caught.value)
    assert "`citadel up local`" in str(caught.value)
    assert f"kill -INT {process.pid}" in str(caught.value)


def test_a_killed_holder_leaves_no_stale_lock(checkout: Path) -> None:
    process = hold(checkout)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    with lock.exclusive("local", "citadel up local"):
        assert str(os.getpid()) in (checkout / ".citadel/local/lock").read_text()


def test_other_environments_are_not_locked(checkout: Path) -> None:
    process = hold(checkout)
    try:
        with lock.exclusive("other", "citadel up other"):
            assert process.poll() is None
    finally:
        end(process)
