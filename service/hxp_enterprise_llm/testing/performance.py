"""Measuring: times and latencies side by side, as ratios; memory of a piece of work."""

from __future__ import annotations

import asyncio
import gc
import math
import statistics
import subprocess
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Timer = Callable[[], float]


def seconds(act: Callable[[], object], *, runs: int, timer: Timer = time.perf_counter) -> float:
    """Return the median wall-clock seconds of several runs.

    Args:
        act: The work.
        runs: How often it is done.
        timer: Seconds that never go backwards.
    """
    return statistics.median(_one(act, timer) for _ in range(runs))


def process(
    words: Sequence[str],
    *,
    runs: int = 5,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> float:
    """Return the median seconds of a command as a whole process; one run before is not counted.

    Raises:
        CalledProcessError: The command failed.
    """

    def act() -> None:
        subprocess.run(words, cwd=folder, env=env, check=True, capture_output=True)

    act()
    return seconds(act, runs=runs)


@dataclass(frozen=True)
class Comparison:
    """What two did in the same runs.

    Attributes:
        ours: Median seconds.
        peer: Median seconds of what it is compared with.
    """

    ours: float
    peer: float

    @property
    def ratio(self) -> float:
        """Return peer over ours: above 1, ours is quicker."""
        return self.peer / self.ours if self.ours else math.inf


def compared(
    ours: Callable[[], object],
    peer: Callable[[], object],
    *,
    runs: int,
    timer: Timer = time.perf_counter,
) -> Comparison:
    """Time two pieces of work in turns, so that a busy machine slows both alike."""
    pairs = [(_one(ours, timer), _one(peer, timer)) for _ in range(runs)]
    return Comparison(*(statistics.median(times) for times in zip(*pairs, strict=True)))


@dataclass(frozen=True)
class Latencies:
    """How long each of many requests took.

    Attributes:
        each: Seconds, the shortest first.
        lasted: Seconds of all together.
    """

    each: tuple[float, ...]
    lasted: float

    def percentile(self, share: float) -> float:
        """Return the seconds that a share of the requests took at most: 0.99 for the 99th.

        By nearest rank: always one that was measured.
        """
        return self.each[max(math.ceil(share * len(self.each)), 1) - 1]

    @property
    def per_second(self) -> float:
        """Return the throughput."""
        return len(self.each) / self.lasted if self.lasted else math.inf


async def load(
    ask: Callable[[], Awaitable[object]],
    *,
    count: int,
    at_once: int = 1,
    timer: Timer = time.perf_counter,
) -> Latencies:
    """Do the same many times.

    Args:
        ask: One request.
        count: How many in all.
        at_once: How many at the same time.
        timer: Seconds that never go backwards.
    """
    taken: list[float] = []
    numbers = iter(range(count))

    async def client() -> None:
        for _ in numbers:
            started = timer()
            await ask()
            taken.append(timer() - started)

    began = timer()
    await asyncio.gather(*(client() for _ in range(at_once)))
    return Latencies(tuple(sorted(taken)), timer() - began)


def allocated(act: Callable[[], object]) -> int:
    """Return the bytes that Python held more of, at most, while the work was done.

    Source: `tracemalloc`; libraries in C that keep memory of their own are not seen.
    """
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        act()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before


def _one(act: Callable[[], object], timer: Timer) -> float:
    started = timer()
    act()
    return timer() - started
