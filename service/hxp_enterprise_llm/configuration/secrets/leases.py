"""Leases: renewed in time, given up late, and issued anew seldom, whatever the server says.

A watcher that issues a new lease whenever a renewal fails makes credentials several times a second
while the server is ill (hashicorp/consul-template issue 2165). Here a failed renewal is tried again
with back-off while the lease lives, and two issues are never closer than the back-off allows.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hxp_enterprise_llm.core.exceptions import CitadelError

Ask = Callable[[], Awaitable["Lease"]]
Told = Callable[[str, float], None]


@dataclass(frozen=True)
class Lease:
    """How long something lives.

    Attributes:
        seconds: From now; 0 is for ever.
        renewable: Whether it can live longer.
    """

    seconds: float
    renewable: bool


@dataclass(frozen=True)
class RenewalPolicy:
    """When a lease is renewed, and how often a server is asked at most.

    Attributes:
        share: Part of its life after which it is renewed.
        jitter: Part of a wait that is drawn by chance, so that replicas do not ask at once.
        least: Seconds between two requests, even when all goes well.
        most: Seconds between two requests when nothing goes well.
        dying: A renewal that gives less than this part of the first life has met the lease's
            end: a new one is issued in time.
    """

    share: float = 2 / 3
    jitter: float = 0.1
    least: float = 1.0
    most: float = 60.0
    dying: float = 0.5


class LeaseWatcher:
    """Keeps one lease alive.

    Args:
        renew: Makes it live longer.
        issue: Gets a new one.
        policy: When to do either.
        told: Takes `renewed`, `issued` or `failed` with the seconds that are left.
        clock: Seconds that never go backwards.
        sleep: Waits.
        chance: A number from 0 to 1.
    """

    def __init__(
        self,
        renew: Ask,
        issue: Ask,
        *,
        policy: RenewalPolicy | None = None,
        told: Told = lambda _outcome, _seconds: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._renew, self._issue, self._told = renew, issue, told
        self._policy = policy or RenewalPolicy()
        self._clock, self._sleep, self._chance = clock, sleep, chance
        self._failures = 0

    async def run(self, lease: Lease) -> None:
        """Keep a lease alive until cancelled; returns at once when it lives for ever.

        Args:
            lease: What was issued just now.
        """
        whole, ends = lease.seconds, self._clock() + lease.seconds
        while lease.seconds > 0:
            await self._sleep(self._wait(ends))
            renewing = lease.renewable and self._clock() < ends
            try:
                lease = await (self._renew() if renewing else self._issue())
            except CitadelError:
                self._failures += 1
                self._told("failed", max(ends - self._clock(), 0.0))
                continue
            self._failures = 0
            ends = self._clock() + lease.seconds
            self._told("renewed" if renewing else "issued", lease.seconds)
            if not renewing:
                whole = lease.seconds
            elif lease.seconds < whole * self._policy.dying:
                lease = Lease(lease.seconds, renewable=False)

    def _wait(self, ends: float) -> float:
        policy = self._policy
        if self._failures:
            wait = min(policy.least * 2.0 ** min(self._failures, 20), policy.most)
        else:
            wait = max((ends - self._clock()) * policy.share, policy.least)
        return wait * (1 + policy.jitter * (2 * self._chance() - 1))
