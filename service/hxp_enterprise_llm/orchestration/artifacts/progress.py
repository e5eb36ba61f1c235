"""Counts bytes of several downloads and tells one line about them, a few times a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from hxp_enterprise_llm.utilities.report import Report

_INTERVAL_SECONDS = 0.5


class Progress:
    """Progress of all downloads of one fetch; safe to use from several threads.

    Args:
        report: Takes the line.
        files: How many files there are.
        clock: Seconds that only grow.
    """

    def __init__(
        self, report: Report, files: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._report, self._files, self._clock = report, files, clock
        self._lock = threading.Lock()
        self._started = self._shown = clock()
        self._bytes = self._done = 0

    def advance(self, count: int) -> None:
        """Add bytes that arrived."""
        with self._lock:
            self._bytes += count
            now = self._clock()
            if now - self._shown >= _INTERVAL_SECONDS:
                self._shown = now
                self._report(self._line(now))

    def finish(self) -> None:
        """Count one file as complete."""
        with self._lock:
            self._done += 1

    def _line(self, now: float) -> str:
        speed = self._bytes / max(now - self._started, 0.001)
        return f"{self._done} of {self._files} files, {size(self._bytes)}, {size(speed)}/s"


def size(count: float) -> str:
    """Return bytes as people write them: `512 kB`, `269 MB`, `3.9 GB`."""
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= step:
            value = count / step
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{count:.0f} B"
