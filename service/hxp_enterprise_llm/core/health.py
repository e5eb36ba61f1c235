"""Named health checks: each with an end, all at once, none able to break the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from hxp_enterprise_llm.core.exceptions import DependencyError
from hxp_enterprise_llm.core.lifecycle import State

Probe = Callable[[], Awaitable[str | None]]
"""Passes by returning, with a detail or without; fails by raising."""


class Verdict(StrEnum):
    """What a check, or all of them, came to."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True)
class Check:
    """One health check.

    Attributes:
        name: Bounded: it is a metric's label.
        probe: What asks.
        critical: Its failure makes the service unhealthy, not only degraded.
        timeout: Seconds after which it has failed.
    """

    name: str
    probe: Probe
    critical: bool = True
    timeout: float = 5.0


@dataclass(frozen=True)
class CheckResult:
    """What one check came to.

    Attributes:
        name: Name of the check.
        verdict: healthy, or what its failure makes of the service.
        seconds: How long it took.
        detail: What it says, or why it failed; safe to show.
    """

    name: str
    verdict: Verdict
    seconds: float
    detail: str = ""


@dataclass(frozen=True)
class Health:
    """What a service says of itself.

    Attributes:
        service: Its name.
        state: Where its lifecycle stands.
        verdict: The worst of its state and its checks.
        checks: Results, in the order in which the checks were added.
    """

    service: str
    state: State
    verdict: Verdict
    checks: tuple[CheckResult, ...] = ()


class Checks:
    """The checks of one service.

    Args:
        explain: Returns a text that is safe to show of an error of the named check, and is told
            whether the check had passed before.
        on_result: Told of each result; for metrics.
        clock: Seconds that never go backwards.
    """

    def __init__(
        self,
        *,
        explain: Callable[[Exception, str, bool], str],
        on_result: Callable[[CheckResult], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._explain, self._on_result, self._clock = explain, on_result, clock
        self._checks: dict[str, Check] = {}
        self._failing: set[str] = set()

    def add(self, check: Check) -> None:
        """Add a check, in place of one of the same name."""
        self._checks[check.name] = check

    def remove(self, name: str) -> None:
        """Take a check away, if it is there."""
        self._checks.pop(name, None)

    async def run(self) -> tuple[CheckResult, ...]:
        """Run all checks at once and return their results."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._one(check)) for check in self._checks.values()]
        return tuple(task.result() for task in tasks)

    async def _one(self, check: Check) -> CheckResult:
        began, verdict = self._clock(), Verdict.HEALTHY
        try:
            async with asyncio.timeout(check.timeout):
                detail = await check.probe() or ""
        except Exception as error:
            verdict = Verdict.UNHEALTHY if check.critical else Verdict.DEGRADED
            if isinstance(error, TimeoutError):
                error = DependencyError(f"no answer within {check.timeout:g} s")
            detail = self._explain(error, check.name, check.name not in self._failing)
            self._failing.add(check.name)
        else:
            self._failing.discard(check.name)
        result = CheckResult(check.name, verdict, self._clock() - began, detail)
        self._on_result(result)
        return result


def overall(state: State, results: tuple[CheckResult, ...]) -> Verdict:
    """Return the worst of a service's state and its checks."""
    verdicts = {result.verdict for result in results}
    if state not in (State.READY, State.DEGRADED) or Verdict.UNHEALTHY in verdicts:
        return Verdict.UNHEALTHY
    if state is State.DEGRADED or Verdict.DEGRADED in verdicts:
        return Verdict.DEGRADED
    return Verdict.HEALTHY
