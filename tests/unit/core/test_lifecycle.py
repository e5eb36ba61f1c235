"""One lifecycle: only legal moves, observers told, nobody waits for what cannot come."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hxp_enterprise_llm.core.exceptions import LifecycleError
from hxp_enterprise_llm.core.lifecycle import LEGAL, Lifecycle, State, Transition

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.feature("CO-06")


def at(*states: State) -> Lifecycle:
    lifecycle = Lifecycle("redis", clock=lambda: 7.0)
    for state in states:
        lifecycle.move(state)
    return lifecycle


def test_the_states_are_those_of_every_service() -> None:
    assert [str(state) for state in State] == [
        "created",
        "starting",
        "ready",
        "degraded",
        "draining",
        "stopped",
    ]
    assert at().state is State.CREATED


def test_a_life_from_start_to_stop_and_again() -> None:
    lifecycle = at(State.STARTING, State.READY, State.DEGRADED, State.READY, State.DRAINING)
    assert not lifecycle.serving
    lifecycle.move(State.STOPPED, "told to")
    assert (lifecycle.state, lifecycle.reason, lifecycle.since) == (State.STOPPED, "told to", 7.0)
    lifecycle.move(State.STARTING)
    assert lifecycle.reason == ""


@given(st.lists(st.sampled_from(State), max_size=12))
@pytest.mark.feature("CO-11")
def test_only_legal_moves_are_made_and_observers_see_exactly_those(asked: Iterable[State]) -> None:
    lifecycle, seen = Lifecycle("redis"), list[Transition]()
    lifecycle.observe(seen.append)
    for state in asked:
        old = lifecycle.state
        if state in LEGAL[old]:
            lifecycle.move(state)
            assert (seen[-1].old, seen[-1].new) == (old, state)
        else:
            with pytest.raises(LifecycleError, match=f"{old}: it cannot become {state}"):
                lifecycle.move(state)
            assert lifecycle.state is old
        assert lifecycle.serving == (lifecycle.state in (State.READY, State.DEGRADED))
    assert all(first.new is second.old for first, second in pairwise(seen))


def test_a_refused_move_says_what_is_allowed() -> None:
    with pytest.raises(LifecycleError, match="it can become: degraded, ready, stopped"):
        at(State.STARTING).move(State.DRAINING)


@pytest.mark.feature("CO-11")
def test_an_observer_that_fails_stops_neither_the_move_nor_the_others() -> None:
    failures, seen = list[Exception](), list[Transition]()

    def broken(_: Transition) -> None:
        raise ValueError("observer")

    lifecycle = Lifecycle("redis", on_observer_error=failures.append)
    lifecycle.observe(broken)
    leave = lifecycle.observe(seen.append)
    lifecycle.move(State.STARTING)
    leave()
    leave()
    lifecycle.move(State.READY)
    assert [transition.new for transition in seen] == [State.STARTING]
    assert [str(failure) for failure in failures] == ["observer", "observer"]


async def test_waiting_ends_with_the_state_however_shortly_it_lasts() -> None:
    lifecycle = at(State.STARTING)
    waiting = asyncio.create_task(lifecycle.wait_for(State.READY))
    await asyncio.sleep(0)
    lifecycle.move(State.READY)
    lifecycle.move(State.DRAINING)
    assert await waiting is State.READY
    assert await lifecycle.wait_for(State.DRAINING, State.STOPPED) is State.DRAINING


async def test_waiting_for_what_cannot_come_any_more_is_an_error() -> None:
    lifecycle = at(State.STARTING)
    waiting = [asyncio.create_task(lifecycle.wait_for(State.READY)) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    lifecycle.move(State.STOPPED, "no disk")
    with pytest.raises(LifecycleError, match=r"redis stopped while .* to be ready: no disk"):
        await waiting[1]
    with pytest.raises(LifecycleError, match="redis stopped"):
        await lifecycle.wait_for(State.READY)
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]


async def test_a_waiter_that_was_cancelled_is_forgotten() -> None:
    lifecycle = at(State.STARTING)
    waiting = asyncio.create_task(lifecycle.wait_for(State.READY))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    lifecycle.move(State.READY)
    assert lifecycle.state is State.READY
