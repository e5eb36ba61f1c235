"""The circuit breaker: a rolling window, few probes, and nothing counted twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydantic import ValidationError

from hxp_enterprise_llm.core.exceptions import BreakerOpenError
from hxp_enterprise_llm.testing.clock import Clock
from hxp_enterprise_llm.utilities.breaker import Breaker, BreakerPolicy, BreakerState, Permit

pytestmark = pytest.mark.feature("UT-07")

POLICY = BreakerPolicy(window=10, calls=4, failures=0.5, pause=5, probes=1)


def made(policy: BreakerPolicy = POLICY, **options: Any) -> tuple[Breaker, Clock]:
    clock = Clock()
    return Breaker("redis", policy, clock=clock, **options), clock


def end(permit: Permit, *, good: bool | None) -> None:
    error: BaseException | None = None
    if good is not True:
        error = OSError() if good is False else asyncio.CancelledError()
    permit.__exit__(type(error) if error else None, error, None)


def use(breaker: Breaker, *outcomes: bool | None) -> None:
    for good in outcomes:
        end(breaker.permit(), good=good)


def test_it_opens_at_its_share_of_failures_but_not_before_enough_calls() -> None:
    breaker, _ = made()
    use(breaker, False, False, False)
    assert breaker.state is BreakerState.CLOSED
    use(breaker, True)
    assert str(breaker.state) == "open"
    with pytest.raises(BreakerOpenError, match="redis") as caught:
        breaker.permit()
    assert caught.value.retry_after == 5


def test_outcomes_older_than_the_window_are_forgotten() -> None:
    breaker, clock = made()
    use(breaker, False, False, False)
    clock.now += 11
    use(breaker, False)
    assert breaker.state is BreakerState.CLOSED


def test_a_good_probe_closes_it_and_forgets_the_past() -> None:
    breaker, clock = made()
    use(breaker, False, False, False, False)
    clock.now += 5
    use(breaker, True)
    assert breaker.state is BreakerState.CLOSED
    use(breaker, False, False, False)
    assert breaker.state is BreakerState.CLOSED


def test_a_bad_probe_opens_it_for_another_pause() -> None:
    breaker, clock = made()
    use(breaker, False, False, False, False)
    clock.now += 5
    use(breaker, False)
    clock.now += 4.9
    with pytest.raises(BreakerOpenError):
        breaker.permit()
    clock.now += 0.2
    use(breaker, True)
    assert breaker.state is BreakerState.CLOSED


def test_only_so_many_probes_run_at_once_and_a_cancelled_one_gives_its_place_back() -> None:
    breaker, clock = made(POLICY.model_copy(update={"probes": 2}))
    use(breaker, False, False, False, False)
    clock.now += 5
    first, second = breaker.permit(), breaker.permit()
    with pytest.raises(BreakerOpenError):
        breaker.permit()
    end(first, good=None)
    third = breaker.permit()
    end(second, good=True)
    assert str(breaker.state) == "half-open"
    end(third, good=True)
    assert str(breaker.state) == "closed"


def test_a_call_that_began_before_the_breaker_opened_says_nothing_about_the_probe() -> None:
    breaker, clock = made()
    late = breaker.permit()
    use(breaker, False, False, False, False)
    clock.now += 5
    probe = breaker.permit()
    end(late, good=False)
    assert breaker.state is BreakerState.HALF_OPEN
    end(probe, good=True)
    assert str(breaker.state) == "closed"


def test_an_error_of_ours_is_no_failure_of_the_dependency() -> None:
    breaker, _ = made(counts=lambda error: not isinstance(error, KeyError))
    for _ in range(8):
        with pytest.raises(KeyError), breaker.permit():
            raise KeyError
    assert breaker.state is BreakerState.CLOSED


def test_reset_closes_it_and_forgets() -> None:
    breaker, _ = made()
    use(breaker, False, False, False)
    breaker.reset()
    use(breaker, False, False, False)
    assert str(breaker.state) == "closed"
    use(breaker, False)
    assert str(breaker.state) == "open"
    breaker.reset()
    use(breaker, True)
    assert str(breaker.state) == "closed"


async def test_calls_go_through_and_are_judged() -> None:
    changes: list[str] = []
    breaker, _ = made(on_change=lambda state: changes.append(str(state)))

    async def answer() -> int:
        return 42

    async def fail() -> int:
        raise OSError("reset")

    assert await breaker.call(answer) == 42
    for _ in range(3):
        with pytest.raises(OSError, match="reset"):
            await breaker.call(fail)
    with pytest.raises(BreakerOpenError):
        await breaker.call(answer)
    assert changes == ["open"]


async def test_a_cancelled_call_counts_as_nothing() -> None:
    breaker, _ = made()
    for _ in range(8):
        task = asyncio.create_task(breaker.call(asyncio.Event().wait))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    assert breaker.state is BreakerState.CLOSED


@pytest.mark.parametrize(
    "wrong", [{"failures": 0}, {"failures": 1.5}, {"calls": 0}, {"probes": 0}, {"pause": 0}]
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        BreakerPolicy(**wrong)  # type: ignore[arg-type]


def test_it_remembers_no_more_at_a_million_calls() -> None:
    breaker, clock = made(POLICY.model_copy(update={"calls": 10**9}))
    for _ in range(20_000):
        clock.now += 0.001
        use(breaker, True)
    assert len(breaker._window) <= 10


class BreakerMachine(RuleBasedStateMachine):
    """Any order of calls, outcomes and time: what must hold of every breaker."""

    @initialize(
        calls=st.integers(1, 6),
        failures=st.floats(0.1, 1),
        pause=st.floats(0.5, 9),
        probes=st.integers(1, 3),
    )
    def make(self, calls: int, failures: float, pause: float, probes: int) -> None:
        policy = BreakerPolicy(
            window=10, calls=calls, failures=failures, pause=pause, probes=probes
        )
        self.seen = [BreakerState.CLOSED]
        self.breaker, self.clock = made(policy, on_change=self.seen.append)
        self.flying: list[tuple[Permit, int]] = []
        self.opened_at = 0.0

    @rule(seconds=st.floats(0, 20))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def ask(self) -> None:
        era = len(self.seen)
        waited = self.clock.now - self.opened_at
        was = self.breaker.state
        left, permit = 0.0, None
        try:
            permit = self.breaker.permit()
        except BreakerOpenError as error:
            left = error.retry_after
            permit = None
        if permit is None:
            assert was is not BreakerState.CLOSED
            assert 0 <= left <= self.breaker.policy.pause + 1e-6
            return
        if was is BreakerState.OPEN:
            assert waited >= self.breaker.policy.pause - 1e-6
            era = len(self.seen)
        self.flying.append((permit, era))

    @precondition(lambda self: self.flying)
    @rule(good=st.sampled_from([True, False, None]), data=st.data())
    def settle(self, *, good: bool | None, data: Any) -> None:
        index = data.draw(st.integers(0, len(self.flying) - 1))
        permit, era = self.flying.pop(index)
        before = self.breaker.state
        current = era == len(self.seen)
        end(permit, good=good)
        if not current or good is None:
            assert self.breaker.state is before
        elif before is BreakerState.HALF_OPEN and good is False:
            assert self.breaker.state is BreakerState.OPEN
        if self.breaker.state is BreakerState.OPEN and before is not BreakerState.OPEN:
            assert good is False or before is BreakerState.CLOSED
            self.opened_at = self.clock.now

    @invariant()
    def probes_are_few(self) -> None:
        if hasattr(self, "breaker") and self.breaker.state is BreakerState.HALF_OPEN:
            current = [era for _, era in self.flying if era == len(self.seen)]
            assert len(current) <= self.breaker.policy.probes

    @invariant()
    def it_only_changes_in_the_known_ways(self) -> None:
        if not hasattr(self, "seen"):
            return
        legal = {
            ("closed", "open"),
            ("open", "half-open"),
            ("half-open", "open"),
            ("half-open", "closed"),
        }
        assert set(zip(self.seen, self.seen[1:], strict=False)) <= legal


TestBreakerMachine = BreakerMachine.TestCase


@given(st.lists(st.booleans(), max_size=30))
def test_it_opens_exactly_when_the_window_says_so(outcomes: list[bool]) -> None:
    breaker, _ = made()
    seen: list[bool] = []
    for good in outcomes:
        if breaker.state is not BreakerState.CLOSED:
            break
        use(breaker, good)
        seen.append(good)
        over = len(seen) >= 4 and seen.count(False) >= len(seen) * 0.5
        assert (str(breaker.state) == "open") == over
