"""The one lifecycle of every service: which states there are, and which moves are legal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from hxp_enterprise_llm.core.exceptions import LifecycleError


class State(StrEnum):
    """States of a service."""

    CREATED = "created"
    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    DRAINING = "draining"
    STOPPED = "stopped"


LEGAL: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.CREATED: frozenset({State.STARTING, State.STOPPED}),
        State.STARTING: frozenset({State.READY, State.DEGRADED, State.STOPPED}),
        State.READY: frozenset({State.DEGRADED, State.DRAINING}),
        State.DEGRADED: frozenset({State.READY, State.DRAINING}),
        State.DRAINING: frozenset({State.STOPPED}),
        # A stopped service may be started again: nothing of its last run is left.
        State.STOPPED: frozenset({State.STARTING}),
    }
)
SERVING = frozenset({State.READY, State.DEGRADED})
"""States in which a service takes work."""


@dataclass(frozen=True)
class Transition:
    """One move of a service.

    Attributes:
        service: Name of the service.
        old: State before.
        new: State after.
        reason: Why, in a few words; may be empty.
        at: The lifecycle's clock, in seconds.
    """

    service: str
    old: State
    new: State
    reason: str
    at: float


Observer = Callable[[Transition], None]
"""Told of each move, in the order of the moves; must not wait."""


class Lifecycle:
    """Where a service stands; refuses moves that make no sense.

    Args:
        service: Name of the service, for errors and observers.
        clock: Seconds that never go backwards.
        on_observer_error: Told when an observer fails; the move holds all the same.
    """

    def __init__(
        self,
        service: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_observer_error: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        self.service = service
        self._clock, self._on_observer_error = clock, on_observer_error
        self._last = Transition(service, State.CREATED, State.CREATED, "", clock())
        self._observers: list[Observer] = []
        self._waiters: list[tuple[frozenset[State], asyncio.Future[State]]] = []

    @property
    def state(self) -> State:
        """Return the current state."""
        return self._last.new

    @property
    def reason(self) -> str:
        """Return why the service is in this state."""
        return self._last.reason

    @property
    def since(self) -> float:
        """Return when the state was entered, by the lifecycle's clock."""
        return self._last.at

    @property
    def serving(self) -> bool:
        """Return whether the service takes work."""
        return self.state in SERVING

    def move(self, new: State, reason: str = "") -> None:
        """Enter a state and tell all who wait or observe.

        Raises:
            LifecycleError: The state cannot follow the current one.
        """
        old = self.state
        if new not in LEGAL[old]:
            allowed = ", ".join(sorted(LEGAL[old]))
            raise LifecycleError(
                f"service {self.service} is {old}: it cannot become {new}",
                next_step=f"From {old} it can become: {allowed}.",
            )
        self._last = Transition(self.service, old, new, reason, self._clock())
        self._wake()
        for observer in tuple(self._observers):
            self._tell(observer, self._last)

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Call `observer` at each move from now on; return what ends that."""
        self._observers.append(observer)

        def leave() -> None:
            if observer in self._observers:
                self._observers.remove(observer)

        return leave

    async def wait_for(self, *states: State) -> State:
        """Wait until one of the states is entered, however shortly, and return it.

        Raises:
            LifecycleError: The service stopped, which was not among the states.
        """
        wanted = frozenset(states)
        if self.state in wanted:
            return self.state
        if self.state is State.STOPPED:
            raise self._never(wanted)
        future: asyncio.Future[State] = asyncio.get_running_loop().create_future()
        waiter = (wanted, future)
        self._waiters.append(waiter)
        try:
            return await future
        finally:
            self._waiters.remove(waiter)

    def _wake(self) -> None:
        for wanted, future in self._waiters:
            if future.done():
                continue
            if self.state in wanted:
                future.set_result(self.state)
            elif self.state is State.STOPPED:
                future.set_exception(self._never(wanted))

    def _tell(self, observer: Observer, transition: Transition) -> None:
        try:
            observer(transition)
        except Exception as error:
            self._on_observer_error(error)

    def _never(self, wanted: frozenset[State]) -> LifecycleError:
        names = " or ".join(sorted(wanted))
        why = f": {self.reason}" if self.reason else ""
        return LifecycleError(
            f"service {self.service} stopped while something waited for it to be {names}{why}",
            next_step="See its log for why it stopped.",
        )
