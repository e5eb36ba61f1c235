"""One change at a time, and a busy lock names its holder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
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

# What it starts by the one way to start a program says so and runs until somebody writes to `go`.
HOLD_WITH_CHILD = """
import sys
from hxp_enterprise_llm.orchestration import lock
from hxp_enterprise_llm.utilities import process
with lock.exclusive("local", "citadel up local"):
    process.{way}(("sh", "-c", "echo $$ >started; read line <go"){more})
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


@pytest.fixture(params=["run", "stream"])
def orphan(checkout: Path, request: pytest.FixtureRequest) -> Iterator[int]:
    """The process that a holder had started before it was killed; it ends by `go`."""
    os.mkfifo(checkout / "started")
    os.mkfifo(checkout / "go")
    more = ", print" if request.param == "stream" else ""
    script = HOLD_WITH_CHILD.format(way=request.param, more=more)
    with subprocess.Popen([sys.executable, "-c", script], cwd=checkout) as process:
        child = int((checkout / "started").read_text())
        process.kill()
    yield child
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)


def test_what_a_killed_holder_had_started_is_waited_for(orphan: int, checkout: Path) -> None:
    said: list[str] = []

    def report(text: str) -> None:
        said.append(text)
        (checkout / "go").write_text("now\n")

    with lock.exclusive("local", "citadel up local", report):
        assert json.loads((checkout / ".citadel/local/lock").read_text())["pid"] == os.getpid()
    assert said == [f"waiting for sh (pid {orphan}), which an earlier run had started"]


def test_the_language_host_of_a_killed_engine_is_not_waited_for(checkout: Path) -> None:
    os.mkfifo(checkout / "started")
    os.mkfifo(checkout / "go")
    script = HOLD_WITH_CHILD.format(way="run", more="").replace(
        'go")', 'go", "/pulumi-language-x")'
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=checkout) as process:
        child = int((checkout / "started").read_text())
        process.kill()
    with lock.exclusive("local", "citadel up local", seconds=30):
        assert not Path(f"/proc/{child}/fd/0").exists()


def test_what_does_not_end_is_named_with_the_run_that_started_it(orphan: int) -> None:
    with (
        pytest.raises(CitadelError) as caught,
        lock.exclusive("local", "citadel up local", seconds=0),
    ):
        pass
    text = str(caught.value)
    assert "`citadel up local` of " in text
    assert f"is gone, had started sh (pid {orphan})" in text
    assert f"kill -INT {orphan}" in text


def test_since_when_has_its_day_when_that_is_not_today() -> None:
    now = datetime(2026, 11, 21, 0, 30, tzinfo=UTC)
    holders = [
        lock.Holder("ann", "here", 1, "citadel up local", (now - back).isoformat())
        for back in (timedelta(minutes=5), timedelta(hours=1))
    ]
    assert [holder.start(now) for holder in holders] == [
        "00:25:00 UTC",
        "2026-11-20 23:30:00 UTC",
    ]


def test_a_holder_of_another_machine_is_never_taken_for_dead(checkout: Path) -> None:
    process = hold(checkout)
    file = checkout / ".citadel/local/lock"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"machine": "elsewhere", "pid": 1}))
    try:
        with pytest.raises(CitadelError, match="@elsewhere"), lock.exclusive("local", "x"):
            pass
    finally:
        end(process)
