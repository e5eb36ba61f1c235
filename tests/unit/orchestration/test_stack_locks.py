"""Locks of the file backend."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.stack_locks import Holder, holders, wait

DEAD = 2**22 + 1


def quiet(text: str) -> None:
    """Report to nobody."""


def lock(backend: Path, stack: str, pid: int, machine: str) -> Path:
    folder = backend / ".pulumi" / "locks" / "organization" / "citadel" / stack
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{pid}.json"
    path.write_text(json.dumps({"pid": pid, "username": "ann", "hostname": machine}))
    return path


def test_no_lock_is_nothing_to_clear(tmp_path: Path) -> None:
    assert holders(tmp_path, "local") == ()
    assert wait(tmp_path, "local", quiet) is None


def test_a_dead_holder_is_named_so_that_its_lock_can_be_cleared(tmp_path: Path) -> None:
    lock(tmp_path, "local", DEAD, socket.gethostname())
    assert wait(tmp_path, "local", quiet) == Holder("ann", socket.gethostname(), DEAD)


def test_a_process_that_is_not_pulumi_has_only_the_number(tmp_path: Path) -> None:
    lock(tmp_path, "local", os.getpid(), socket.gethostname())
    found = wait(tmp_path, "local", quiet)
    assert found is not None
    assert found.pid == os.getpid()


def test_a_holder_on_another_machine_is_waited_for_and_then_named(tmp_path: Path) -> None:
    lock(tmp_path, "local", DEAD, "elsewhere")
    said: list[str] = []
    with pytest.raises(CitadelError, match="locked by ann@elsewhere"):
        wait(tmp_path, "local", said.append, seconds=0)
    assert said == [f"waiting for pulumi of ann@elsewhere (pid {DEAD})"]


def test_the_lock_of_another_stack_does_not_matter(tmp_path: Path) -> None:
    lock(tmp_path, "other", DEAD, "elsewhere")
    assert wait(tmp_path, "local", quiet, seconds=0) is None


def test_a_half_written_lock_is_passed_over(tmp_path: Path) -> None:
    lock(tmp_path, "local", DEAD, "elsewhere").write_text('{"pid":')
    assert holders(tmp_path, "local") == ()
