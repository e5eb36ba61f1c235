"""Waiting for something to come true, with an end, where there is no event loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def awaited(
    look: Callable[[], T],
    good: Callable[[T], bool] = bool,
    *,
    seconds: float,
    pause: float = 0.05,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Look again until what is seen is good; return it, or what was seen last.

    Args:
        look: Asked at least once.
        good: Says whether that is what is waited for.
        seconds: How long it may take.
        pause: Seconds between two looks.
        clock: Seconds that never go backwards.
        sleep: Waits.
    """
    end = clock() + seconds
    while not good(seen := look()) and clock() < end:
        sleep(pause)
    return seen
