"""SIGKILL `citadel up` in each phase; the next run ends well."""

from __future__ import annotations

import os
import signal

import pytest
from live import Live
from test_environment import remove_host


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("/6 toolchain ", id="toolchain"),
        pytest.param("/6 artifacts ", id="artifacts"),
        pytest.param("host edge-1: ", id="hosts"),
        pytest.param("gateway: apply the bundle", id="converge"),
        pytest.param("units on hosts", id="verify"),
        pytest.param("checks ", id="ask"),
    ],
)
def test_up_killed_in_a_phase_ends_well_when_run_again(live: Live, line: str) -> None:
    remove_host(live, "edge-1")
    process = live.start("up")
    assert process.stdout is not None
    for shown in process.stdout:
        if line in shown:
            break
    else:
        pytest.fail(f"{line!r} was never shown")
    # Only the process itself: what it had started goes on, which is the harder case.
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    shown = live.citadel("up").stdout
    assert "is up in" in shown
    assert live.ask().status == 200
