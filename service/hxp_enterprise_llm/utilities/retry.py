"""The one way to try again: a policy with exponential back-off and full jitter, on stamina."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, wraps
from types import ModuleType
from typing import Annotated, ParamSpec, Self, TypeVar

from pydantic import Field, model_validator

from hxp_enterprise_llm.schemas.base import Seconds, WrittenModel

P = ParamSpec("P")
T = TypeVar("T")
RetryOn = tuple[type[Exception], ...] | Callable[[Exception], bool]
"""Errors after which another try may help, or a function that tells."""


class RetryPolicy(WrittenModel):
    """How often and how long something is tried.

    The pause before try n+1 is drawn between 0 and `first_wait * factor ** (n - 1)`, at most
    `longest_wait`: "full jitter", which spreads the tries of many clients best (AWS Architecture
    Blog, "Exponential Backoff And Jitter", 2015).
    """

    attempts: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=5, description="Tries in all, the first one included; null: no limit."
    )
    first_wait: Seconds = Field(default=0.1, description="Longest pause before the second try.")
    longest_wait: Seconds = Field(default=5.0, description="No pause is longer.")
    factor: float = Field(default=2.0, ge=1.0, le=10.0, description="Growth of each pause.")
    deadline: Seconds | None = Field(
        default=45.0, description="No try begins later than this after the first; null: no limit."
    )

    @model_validator(mode="after")
    def _waits_in_order(self) -> Self:
        if self.first_wait > self.longest_wait:
            raise ValueError("write a first_wait that is at most longest_wait")
        return self

    def longest(self, attempt: int) -> float:
        """Return the longest pause after a failed try, the first one being number 1; seconds."""
        # Beyond this power every pause has long reached its limit, and floats would overflow.
        power = min(attempt - 1, 64)
        return min(self.longest_wait, self.first_wait * self.factor**power)


NEVER = RetryPolicy(attempts=1)
"""One try."""
_UNBOUND: dict[str, None] = {"attempts": None, "timeout": None}
"""The policy sets the bounds."""


@dataclass(frozen=True)
class Retried:
    """A try failed and another one follows.

    Attributes:
        name: What is tried.
        attempt: Number of the try that failed, from 1.
        error: How it failed.
        wait: Seconds until the next try.
    """

    name: str
    attempt: int
    error: Exception
    wait: float


class Retrier:
    """Tries by one policy; a service has one and shares it.

    Args:
        policy: How often and how long.
        on_retry: Told of each failed try that another one follows; for logs and metrics.
        clock: Seconds that never go backwards, for the deadline.
        chance: Returns a number from 0 to 1, for the jitter.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        *,
        on_retry: Callable[[Retried], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.policy, self._on_retry = policy, on_retry
        self._clock, self._chance = clock, chance

    def pause(self, attempt: int) -> float:
        """Return the seconds to wait after a failed try, the first one being number 1."""
        return self.policy.longest(attempt) * self._chance()

    def attempts(self, name: str, *, on: RetryOn) -> AsyncIterator[AbstractContextManager[None]]:
        """Return tries for `async for attempt in …: with attempt: …`.

        The last error goes through when the policy is used up, and any error that is not in `on`.

        Args:
            name: What is tried, for logs and metrics.
            on: Errors after which another try may help, or a function that tells.
        """
        return aiter(_stamina().retry_context(on=self._decider(name, on), **_UNBOUND))

    async def call(self, name: str, operation: Callable[[], Awaitable[T]], *, on: RetryOn) -> T:
        """Run an operation until it succeeds or the policy is used up.

        Args:
            name: What is tried, for logs and metrics.
            operation: Called anew for each try; must be safe to repeat.
            on: Errors after which another try may help, or a function that tells.
        """
        async for attempt in self.attempts(name, on=on):
            with attempt:
                return await operation()
        raise AssertionError("unreachable")  # pragma: no cover

    def call_now(self, name: str, operation: Callable[[], T], *, on: RetryOn) -> T:
        """Do what `call` does with an operation that blocks; the pauses block the thread too.

        Args:
            name: What is tried, for logs and metrics.
            operation: Called anew for each try; must be safe to repeat.
            on: Errors after which another try may help, or a function that tells.
        """
        for attempt in _stamina().retry_context(on=self._decider(name, on), **_UNBOUND):
            with attempt:
                return operation()
        raise AssertionError("unreachable")  # pragma: no cover

    def _decider(self, name: str, on: RetryOn) -> Callable[[BaseException], float | bool]:
        """Return what tells after a failed try: the pause before the next one, or False."""
        began, count = self._clock(), 0

        def decide(error: BaseException) -> float | bool:
            nonlocal count
            count += 1
            if not isinstance(error, Exception) or not _worth(error, on):
                return False
            wait = self.pause(count)
            if not self._allows(count, self._clock() - began + wait):
                return False
            self._on_retry(Retried(name, count, error, wait))
            return wait

        return decide

    def _allows(self, tried: int, elapsed: float) -> bool:
        policy = self.policy
        left = policy.attempts is None or tried < policy.attempts
        return left and (policy.deadline is None or elapsed <= policy.deadline)


def retry(
    policy: RetryPolicy, *, on: RetryOn, retrier: Retrier | None = None
) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Decorate an async function that is safe to repeat, so that it is tried by a policy.

    Args:
        policy: How often and how long.
        on: Errors after which another try may help, or a function that tells.
        retrier: Tries in place of one made from the policy.
    """
    tries = retrier or Retrier(policy)

    def decorate(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @wraps(function)
        async def repeated(*args: P.args, **kwargs: P.kwargs) -> T:
            name = function.__qualname__
            return await tries.call(name, lambda: function(*args, **kwargs), on=on)

        return repeated

    return decorate


def _worth(error: Exception, on: RetryOn) -> bool:
    return isinstance(error, on) if isinstance(on, tuple) else on(error)


@cache
def _stamina() -> ModuleType:
    import stamina

    # Its own hooks write errors and arguments to logs past our redaction, and count globally.
    stamina.instrumentation.set_on_retry_hooks(())
    return stamina
