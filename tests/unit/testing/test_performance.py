"""Measuring by a clock of the test, of processes, and of memory."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hxp_enterprise_llm.testing.clock import Clock
from hxp_enterprise_llm.testing.performance import (
    Comparison,
    Latencies,
    allocated,
    compared,
    load,
    process,
    seconds,
)

pytestmark = pytest.mark.feature("UT-09")


def test_the_median_of_the_runs_is_taken() -> None:
    clock, pauses = Clock(), iter((1.0, 100.0, 3.0))
    assert seconds(lambda: clock.forward(next(pauses)), runs=3, timer=clock) == 3.0


def test_two_are_timed_in_turns() -> None:
    clock, turns = Clock(), []

    def work(name: str, pause: float) -> None:
        turns.append(name)
        clock.forward(pause)

    found = compared(lambda: work("a", 2), lambda: work("b", 5), runs=2, timer=clock)
    assert turns == ["a", "b", "a", "b"]
    assert found == Comparison(2.0, 5.0)
    assert found.ratio == 2.5
    assert Comparison(0.0, 1.0).ratio == float("inf")


def test_a_command_is_timed_as_a_process_in_its_folder(tmp_path: Path) -> None:
    code = "import os, pathlib; pathlib.Path(os.environ['FILE']).open('a').write('x')"
    env = {**os.environ, "FILE": "ran"}
    assert process([sys.executable, "-S", "-c", code], runs=2, folder=tmp_path, env=env) > 0
    # One more: the first, which is not counted.
    assert (tmp_path / "ran").read_text() == "xxx"
    with pytest.raises(subprocess.CalledProcessError):
        process([sys.executable, "-S", "-c", "raise SystemExit(3)"], runs=1)


async def test_many_requests_give_percentiles_and_throughput() -> None:
    clock, most, now = Clock(), 0, 0

    async def ask() -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        clock.forward(1)
        now -= 1

    found = await load(ask, count=8, at_once=2, timer=clock)
    assert most == 2
    assert len(found.each) == 8
    assert found.lasted == 8
    assert found.per_second == 1


@pytest.mark.parametrize(("share", "found"), [(0.0, 1), (0.5, 50), (0.99, 99), (1.0, 100)])
def test_a_percentile_is_by_nearest_rank(share: float, found: float) -> None:
    assert Latencies(tuple(float(one) for one in range(1, 101)), 1.0).percentile(share) == found


def test_memory_that_work_holds_is_seen_though_it_is_given_back() -> None:
    assert 2**20 <= allocated(lambda: len(bytes(2**20))) < 2**20 + 100_000
