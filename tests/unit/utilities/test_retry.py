"""Trying again: full jitter, a limit of tries and of time, hooks, and cancellation let through."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hxp_enterprise_llm.utilities.retry import NEVER, Retried, Retrier, RetryPolicy, retry

pytestmark = pytest.mark.feature("UT-07")


class Flaky:
    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return "answer"


def at_once(policy: RetryPolicy, **options: Any) -> Retrier:
    return Retrier(policy, chance=lambda: 0.0, **options)


async def test_it_tries_until_it_succeeds_and_tells_each_failure() -> None:
    told: list[Retried] = []
    flaky = Flaky(OSError("one"), OSError("two"))
    retrier = at_once(RetryPolicy(), on_retry=told.append)
    assert await retrier.call("fetch", flaky, on=(OSError,)) == "answer"
    assert [(one.name, one.attempt, str(one.error), one.wait) for one in told] == [
        ("fetch", 1, "one", 0.0),
        ("fetch", 2, "two", 0.0),
    ]


def test_what_blocks_is_tried_by_the_same_policy() -> None:
    errors, told = (
        [OSError("one"), OSError("two"), OSError("three"), KeyError("four")],
        list[Retried](),
    )

    def fetch() -> str:
        if errors:
            raise errors.pop(0)
        return "answer"

    retrier = at_once(RetryPolicy(attempts=2), on_retry=told.append)
    with pytest.raises(OSError, match="two"):
        retrier.call_now("fetch", fetch, on=(OSError,))
    with pytest.raises(KeyError):
        retrier.call_now("fetch", fetch, on=(OSError,))
    assert retrier.call_now("fetch", fetch, on=(OSError,)) == "answer"
    assert [(one.name, one.attempt, str(one.error)) for one in told] == [
        ("fetch", 1, "one"),
        ("fetch", 1, "three"),
    ]


@given(attempts=st.integers(1, 8), failing=st.integers(0, 12))
def test_it_tries_so_often_and_then_lets_the_last_error_through(
    attempts: int, failing: int
) -> None:
    errors = [OSError(str(number)) for number in range(failing)]
    flaky, told = Flaky(*errors), list[Retried]()
    policy = RetryPolicy(attempts=attempts, deadline=None)
    run = at_once(policy, on_retry=told.append).call("fetch", flaky, on=(OSError,))
    if failing >= attempts:
        with pytest.raises(OSError, match=f"^{attempts - 1}$"):
            asyncio.run(run)
    else:
        assert asyncio.run(run) == "answer"
    assert flaky.calls == min(failing + 1, attempts)
    assert len(told) == flaky.calls - 1


async def test_an_error_that_no_further_try_can_help_goes_through_at_once() -> None:
    for on in ((OSError,), lambda error: isinstance(error, OSError)):
        flaky = Flaky(KeyError("typo"))
        with pytest.raises(KeyError):
            await at_once(RetryPolicy()).call("fetch", flaky, on=on)
        assert flaky.calls == 1


async def test_never_means_one_try() -> None:
    flaky = Flaky(OSError("gone"))
    with pytest.raises(OSError, match="gone"):
        await at_once(NEVER).call("fetch", flaky, on=(OSError,))
    assert flaky.calls == 1


async def test_no_try_begins_after_the_deadline() -> None:
    now = 0.0

    class Slow(Flaky):
        async def __call__(self) -> str:
            nonlocal now
            now += 4
            return await super().__call__()

    slow = Slow(*[OSError()] * 9)
    policy = RetryPolicy(attempts=None, deadline=10)
    with pytest.raises(OSError, match=r"^$"):
        await at_once(policy, clock=lambda: now).call("fetch", slow, on=(OSError,))
    # Begun at 0, 4 and 8 s; at 12 s it is too late.
    assert slow.calls == 3


async def test_a_wait_that_would_pass_the_deadline_is_not_waited() -> None:
    flaky = Flaky(OSError())
    policy = RetryPolicy(first_wait=60, longest_wait=60, deadline=30)
    with pytest.raises(OSError, match=r"^$"):
        await Retrier(policy, chance=lambda: 1.0).call("fetch", flaky, on=(OSError,))


async def test_cancellation_is_never_tried_again() -> None:
    started = asyncio.Event()

    async def endless() -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(at_once(RetryPolicy()).call("fetch", endless, on=lambda _: True))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@given(
    first=st.floats(0, 5),
    factor=st.floats(1, 10),
    attempt=st.integers(1, 2000),
    chance=st.floats(0, 1),
)
def test_pauses_grow_to_their_limit_and_never_beyond(
    first: float, factor: float, attempt: int, chance: float
) -> None:
    policy = RetryPolicy(first_wait=first, longest_wait=5, factor=factor)
    longest = policy.longest(attempt)
    assert longest == pytest.approx(min(5.0, first * factor ** min(attempt - 1, 64)))
    assert policy.longest(attempt + 1) >= longest
    pause = Retrier(policy, chance=lambda: chance).pause(attempt)
    assert 0 <= pause <= longest


def test_pauses_are_spread_over_their_whole_length() -> None:
    retrier = Retrier(RetryPolicy(first_wait=4, longest_wait=4))
    pauses = [retrier.pause(1) for _ in range(400)]
    assert min(pauses) < 1
    assert max(pauses) > 3


async def test_the_decorator_tries_a_function_that_is_safe_to_repeat() -> None:
    calls: list[int] = []

    @retry(RetryPolicy(first_wait=0.001, longest_wait=0.001), on=(OSError,))
    async def read(number: int, *, add: int) -> int:
        """Read a thing."""
        calls.append(number)
        if len(calls) < 3:
            raise OSError
        return number + add

    assert await read(1, add=2) == 3
    assert (calls, read.__doc__) == ([1, 1, 1], "Read a thing.")


async def test_the_decorator_can_share_a_services_retrier() -> None:
    told: list[Retried] = []
    shared = at_once(RetryPolicy(), on_retry=told.append)
    flaky = Flaky(OSError())

    @retry(shared.policy, on=(OSError,), retrier=shared)
    async def read() -> str:
        return await flaky()

    assert await read() == "answer"
    assert told[0].name.endswith("read")


async def test_blocks_can_be_tried_too() -> None:
    flaky = Flaky(OSError())
    async for attempt in at_once(RetryPolicy()).attempts("block", on=(OSError,)):
        with attempt:
            answer = await flaky()
    assert (answer, flaky.calls) == ("answer", 2)


def test_the_librarys_own_hooks_write_nothing(caplog: pytest.LogCaptureFixture) -> None:
    flaky = Flaky(OSError("password=hunter22"))
    asyncio.run(at_once(RetryPolicy()).call("fetch", flaky, on=(OSError,)))
    assert not caplog.records


@pytest.mark.parametrize(
    "wrong", [{"attempts": 0}, {"factor": 0.5}, {"first_wait": 9.0}, {"unknown": 1}]
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RetryPolicy(**wrong)
