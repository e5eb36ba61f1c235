"""The one circuit breaker: a rolling window of outcomes, and few probes once it has opened.

After Michael Nygard, "Release It!", 2nd edition, chapter "Stability Patterns".
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from enum import StrEnum
from types import TracebackType
from typing import Self, TypeVar

from pydantic import Field

from hxp_enterprise_llm.core.exceptions import BreakerOpenError
from hxp_enterprise_llm.schemas.base import Seconds, WrittenModel

T = TypeVar("T")
_SLOTS = 10
"""Parts of the window: memory stays the same at any rate of calls."""


class BreakerState(StrEnum):
    """States of a breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class BreakerPolicy(WrittenModel):
    """When a breaker opens, and how it closes again."""

    window: Seconds = Field(default=30.0, gt=0, description="Older outcomes are forgotten.")
    calls: int = Field(
        default=10, ge=1, description="It stays closed until the window has this many outcomes."
    )
    failures: float = Field(
        default=0.5, gt=0, le=1, description="Share of failures at which it opens."
    )
    pause: Seconds = Field(default=5.0, gt=0, description="How long it is open before a probe.")
    probes: int = Field(
        default=1, ge=1, description="Most probes at once, and the successes that close it."
    )


class Breaker:
    """Holds calls back from a dependency that fails; lives in one event loop.

    Use `with breaker.permit():` around the awaiting of a call, or `await breaker.call(…)`. A
    cancelled call counts as nothing; an error that `counts` refuses, because the dependency did
    answer, counts as a success.

    Args:
        name: The dependency, for errors and metrics.
        policy: When it opens and closes.
        counts: Tells whether an error is the dependency's failure.
        on_change: Told of each new state.
        clock: Seconds that never go backwards.
    """

    def __init__(
        self,
        name: str,
        policy: BreakerPolicy | None = None,
        *,
        counts: Callable[[Exception], bool] = lambda _: True,
        on_change: Callable[[BreakerState], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.policy = name, policy or BreakerPolicy()
        self.counts = counts
        self._on_change, self._clock = on_change, clock
        self._state = BreakerState.CLOSED
        self._window: deque[_Slot] = deque(maxlen=_SLOTS)
        self._opened_at = 0.0
        self._probing = self._passed = 0
        # Rises with each state: a call that began in an earlier one says nothing about this one.
        self._era = 0

    @property
    def state(self) -> BreakerState:
        """Return the state; an open breaker becomes half-open when it is next asked."""
        return self._state

    def permit(self) -> Permit:
        """Return leave for one call, to be used as a context manager at once.

        Raises:
            BreakerOpenError: The breaker is open, or all probes are under way.
        """
        if self._state is BreakerState.OPEN:
            left = self._opened_at + self.policy.pause - self._clock()
            if left > 0:
                raise BreakerOpenError(self.name, left)
            self._enter(BreakerState.HALF_OPEN)
        if self._state is BreakerState.HALF_OPEN:
            if self._probing >= self.policy.probes:
                raise BreakerOpenError(self.name, 0.0)
            self._probing += 1
        return Permit(self, self._era)

    async def call(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Run one call under a permit.

        Raises:
            BreakerOpenError: The call was held back.
        """
        with self.permit():
            return await operation()

    def reset(self) -> None:
        """Close it and forget all outcomes: the dependency is known to be well."""
        if self._state is BreakerState.CLOSED:
            self._window.clear()
        else:
            self._enter(BreakerState.CLOSED)

    def settle(self, era: int, *, good: bool | None) -> None:
        """Take the outcome of a permit: good, bad, or none at all."""
        if era != self._era:
            return
        if self._state is BreakerState.HALF_OPEN:
            self._probing -= 1
            self._judge_probe(good=good)
        elif good is not None:
            self._count(good=good)

    def _judge_probe(self, *, good: bool | None) -> None:
        if good is False:
            self._enter(BreakerState.OPEN)
        elif good:
            self._passed += 1
            if self._passed >= self.policy.probes:
                self._enter(BreakerState.CLOSED)

    def _count(self, *, good: bool) -> None:
        now = int(self._clock() / (self.policy.window / _SLOTS))
        if not self._window or self._window[-1].number != now:
            self._window.append(_Slot(now))
        self._window[-1].add(good=good)
        while self._window[0].number <= now - _SLOTS:
            self._window.popleft()
        calls = sum(slot.calls for slot in self._window)
        failed = sum(slot.failed for slot in self._window)
        if calls >= self.policy.calls and failed >= calls * self.policy.failures:
            self._enter(BreakerState.OPEN)

    def _enter(self, state: BreakerState) -> None:
        self._state = state
        self._era += 1
        self._window.clear()
        self._probing = self._passed = 0
        if state is BreakerState.OPEN:
            self._opened_at = self._clock()
        self._on_change(state)


class Permit:
    """Leave for one call; reports how it ended."""

    def __init__(self, breaker: Breaker, era: int) -> None:
        self._breaker, self._era = breaker, era

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            good: bool | None = True
        elif isinstance(error, Exception):
            good = not self._breaker.counts(error)
        else:
            good = None
        self._breaker.settle(self._era, good=good)


class _Slot:
    """Outcomes of one part of the window."""

    __slots__ = ("calls", "failed", "number")

    def __init__(self, number: int) -> None:
        self.number, self.calls, self.failed = number, 0, 0

    def add(self, *, good: bool) -> None:
        self.calls += 1
        self.failed += not good
