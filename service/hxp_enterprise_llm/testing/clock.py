"""Time of a test: it stands still until the test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """Seconds; stands for `time.monotonic`, `time.perf_counter` or `time.time`.

    ```python
    clock = Clock()
    breaker = Breaker("redis", policy, clock=clock)
    clock.forward(5)
    ```

    Args:
        now: The first time, in seconds.
    """

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def forward(self, seconds: float) -> None:
        """Let time pass; less than nothing is a clock that was set back."""
        self.now += seconds


class Calendar:
    """Dates with their zone; stands for `datetime.now(UTC)`.

    Args:
        now: The first time; a Wednesday's noon in UTC when not given.
    """

    def __init__(self, now: datetime = datetime(2026, 11, 18, 12, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def forward(self, **by: float) -> None:
        """Let time pass: `forward(days=90)`, in the words of `timedelta`."""
        self.now += timedelta(**by)
