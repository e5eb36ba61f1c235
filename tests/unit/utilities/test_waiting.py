"""Waiting ends when it came true, and when its time is over."""

from __future__ import annotations

import pytest

from hxp_enterprise_llm.utilities.waiting import awaited


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(("seconds", "seen", "at"), [(10, 4, 1.5), (1.0, 3, 1.0), (0, 1, 0.0)])
def test_it_looks_until_it_is_good_or_the_time_is_over(
    seconds: float, seen: int, at: float
) -> None:
    time, looks = Time(), iter(range(1, 100))
    found = awaited(
        lambda: next(looks),
        lambda number: number == 4,
        seconds=seconds,
        pause=0.5,
        clock=time.clock,
        sleep=time.sleep,
    )
    assert (found, time.now) == (seen, at)


def test_an_error_of_the_look_is_not_hidden() -> None:
    def look() -> bool:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        awaited(look, seconds=10)
