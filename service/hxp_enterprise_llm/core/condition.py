"""How well a service works: causes of degradation, and the services that it relies on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from hxp_enterprise_llm.core.exceptions import LifecycleError
from hxp_enterprise_llm.core.health import Check, Checks
from hxp_enterprise_llm.core.lifecycle import Lifecycle, State, Transition


class Condition:
    """Why one service is degraded, in words by cause; its lifecycle follows.

    Services that it relies on are causes too. They are followed from its start to its stop, so a
    stopped service is held by none of them, and one that starts again sees them as they are then.

    Args:
        lifecycle: The service's own.
        checks: The service's health checks.
    """

    def __init__(self, lifecycle: Lifecycle, checks: Checks) -> None:
        self._lifecycle, self._checks = lifecycle, checks
        self._causes: dict[str, str] = {}
        self._others: dict[str, Lifecycle] = {}
        self._leave: dict[str, Callable[[], None]] = {}
        self._follows = False

    @property
    def causes(self) -> Mapping[str, str]:
        """Return the reasons by cause, the oldest cause first."""
        return MappingProxyType(self._causes)

    def degrade(self, cause: str, reason: str) -> None:
        """Add a cause, or say its reason anew."""
        self._causes[cause] = reason
        if self._lifecycle.state is State.READY:
            self._lifecycle.move(State.DEGRADED, f"{cause}: {reason}")

    def recover(self, cause: str) -> None:
        """Take a cause away; without any the service is ready."""
        self._causes.pop(cause, None)
        if not self._causes and self._lifecycle.state is State.DEGRADED:
            self._lifecycle.move(State.READY)

    def rely_on(self, other: Lifecycle) -> None:
        """Take a service for a cause as long as it is not ready, and as a check of health."""
        cause = f"dependency {other.service}"

        async def probe() -> str:
            if not other.serving:
                raise LifecycleError(f"{other.service} is {other.state}")
            return other.state.value

        self._checks.add(Check(cause, probe, critical=False))
        self._end(cause)
        self._others[cause] = other
        if self._follows:
            self._follow(cause, other)

    def begin(self) -> None:
        """Follow the services that it relies on: it starts."""
        self._follows = True
        for cause, other in self._others.items():
            self._follow(cause, other)

    def end(self) -> None:
        """Follow them no more, and forget all causes: it stopped."""
        self._follows = False
        for cause in tuple(self._leave):
            self._end(cause)
        self._causes.clear()

    def _follow(self, cause: str, other: Lifecycle) -> None:
        def reflect(transition: Transition) -> None:
            if transition.new is State.READY:
                self.recover(cause)
            else:
                self.degrade(cause, transition.reason or transition.new.value)

        self._leave[cause] = other.observe(reflect)
        if other.state is not State.READY:
            self.degrade(cause, other.reason or other.state.value)

    def _end(self, cause: str) -> None:
        leave = self._leave.pop(cause, None)
        if leave is not None:
            leave()
