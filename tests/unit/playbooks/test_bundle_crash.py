"""Killed at any step, or out of space at any step: the host ends old or new, never a mix."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from citadel_bundle import apply as applying
from citadel_bundle import journal, remove
from citadel_bundle.system import BundleError, Host
from fake_host import SERVICE, UNIT, FakeSystemd, leftovers, live, make_host, me, version

Snapshot = tuple[dict[str, str], dict[str, Any], int]


def snapshot(root: Path) -> Snapshot:
    """Files, what runs with which files, and the mode of the data directory."""
    mode = (root / "opt/data/demo").stat().st_mode & 0o777
    return live(root), FakeSystemd(root).units(), mode


def killed(root: Path, number: int, action: Callable[[Host], Any]) -> bool:
    """Run an action in a child that SIGKILLs itself at a step; say whether it came so far."""
    child = os.fork()
    if child == 0:
        steps = iter(range(1, 10_000))

        def step(_name: str) -> None:
            if next(steps) == number:
                os.kill(os.getpid(), signal.SIGKILL)

        action(make_host(root, FakeSystemd(root), step))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def applied(number: int) -> Callable[[Host], Any]:
    data = {"path": "/opt/data/demo", "mode": f"07{number}0", **me()}
    wanted = version(number, directories=[data])
    return lambda host: applying.apply(host, wanted, {"password": f"secret-{number}"})


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[[int], Path]:
    """Version 1 is live; each call returns a fresh copy of that host."""
    first = tmp_path / "first"
    (first / "etc").mkdir(parents=True)
    applied(1)(make_host(first, FakeSystemd(first)))

    def copy(number: int) -> Path:
        root = tmp_path / str(number)
        shutil.copytree(first, root, symlinks=True)
        return root

    return copy


def fresh(tmp_path: Path) -> Callable[[int], Path]:
    def make(number: int) -> Path:
        root = tmp_path / f"fresh-{number}"
        (root / "etc").mkdir(parents=True)
        return root

    return make


def states(prepared: Callable[[int], Path]) -> tuple[Snapshot, Snapshot]:
    root = prepared(0)
    old = snapshot(root)
    applied(2)(make_host(root, FakeSystemd(root)))
    return old, snapshot(root)


def test_a_kill_at_any_step_ends_in_old_or_new_after_recovery(
    prepared: Callable[[int], Path],
) -> None:
    old, new = states(prepared)
    number = 1
    seen = set()
    while killed(root := prepared(number), number, applied(2)):
        host = make_host(root, FakeSystemd(root))
        journal.recover(host, SERVICE)
        assert snapshot(root) in (old, new), f"a mix after step {number}"
        assert not leftovers(root)
        seen.add(snapshot(root) == new)
        number += 1
    assert seen == {False, True}
    assert number > 20


def test_a_kill_at_any_step_ends_in_new_after_the_next_apply(
    prepared: Callable[[int], Path],
) -> None:
    _, new = states(prepared)
    number = 1
    while killed(root := prepared(number), number, applied(2)):
        applied(2)(make_host(root, FakeSystemd(root)))
        assert snapshot(root) == new, f"not the new state after step {number}"
        assert not leftovers(root)
        number += 1


def test_a_kill_during_recovery_is_recovered_too(prepared: Callable[[int], Path]) -> None:
    old, new = states(prepared)
    last = 1
    while killed(prepared(last), last, applied(2)):
        last += 1
    for again in range(1, 30):
        root = prepared(1000 + again)
        assert killed(root, last // 2 + 6, applied(2))
        if not killed(root, again, lambda host: journal.recover(host, SERVICE)):
            break
        journal.recover(make_host(root, FakeSystemd(root)), SERVICE)
        assert snapshot(root) in (old, new), f"a mix after step {again} of the recovery"
        assert not leftovers(root)
    else:
        pytest.fail("recovery has more steps than this test looks at")


def test_a_kill_of_a_first_apply_leaves_nothing_or_all(tmp_path: Path) -> None:
    make = fresh(tmp_path)
    root = make(0)
    applied(1)(make_host(root, FakeSystemd(root)))
    whole = live(root)
    number = 1
    while killed(root := make(number), number, applied(1)):
        journal.recover(make_host(root, FakeSystemd(root)), SERVICE)
        assert live(root) in ({}, whole), f"a mix after step {number}"
        running = FakeSystemd(root).units().get(UNIT, {"files": None})["files"]
        assert running in (None, whole)
        number += 1


def test_a_kill_during_removal_is_finished_by_the_next_one(
    prepared: Callable[[int], Path],
) -> None:
    number = 1
    while killed(root := prepared(number), number, lambda host: remove.remove(host, SERVICE)):
        remove.remove(make_host(root, FakeSystemd(root)), SERVICE)
        assert live(root) == {}, f"left behind after step {number}"
        assert not (root / "opt/citadel/demo").exists()
        number += 1
    assert number > 3


def test_no_space_at_any_step_of_staging_leaves_the_old_files(
    prepared: Callable[[int], Path],
) -> None:
    old, _ = states(prepared)
    for number in range(1, 100):
        root = prepared(number)
        steps = iter(range(1, 1000))
        reached: list[str] = []

        def full(
            name: str, number: int = number, steps: Any = steps, reached: list[str] = reached
        ) -> None:
            if next(steps) == number:
                reached.append(name)
                raise OSError(errno.ENOSPC, "No space left on device")

        with pytest.raises(BundleError, match="No space left on device"):
            applied(2)(make_host(root, FakeSystemd(root), full))
        assert snapshot(root) == old, reached
        assert not leftovers(root)
        if reached == ["open journal"]:
            return
    pytest.fail("the end of staging was never reached")
