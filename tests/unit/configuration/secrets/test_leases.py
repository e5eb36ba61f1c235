"""Leases are renewed in time and issued seldom, whatever the server answers (CX-03)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from hxp_enterprise_llm.configuration.secrets.errors import BackendAwayError
from hxp_enterprise_llm.configuration.secrets.leases import Lease, LeaseWatcher, RenewalPolicy

POLICY = RenewalPolicy(jitter=0.0)


class Server:
    """A server of a test: its time runs only while the watcher sleeps."""

    def __init__(self, ends: float) -> None:
        self.now, self._ends = 0.0, ends
        self.asked: list[tuple[float, str]] = []
        self.renewal: Callable[[], Lease] = lambda: Lease(90, renewable=True)
        self.issue: Callable[[], Lease] = lambda: Lease(90, renewable=True)

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now > self._ends:
            raise asyncio.CancelledError

    async def renew(self) -> Lease:
        self.asked.append((self.now, "renew"))
        return self.renewal()

    async def issued(self) -> Lease:
        self.asked.append((self.now, "issue"))
        return self.issue()


async def watched(
    server: Server, lease: Lease, policy: RenewalPolicy = POLICY, chance: float = 0.5
) -> list[str]:
    told: list[str] = []
    watcher = LeaseWatcher(
        server.renew,
        server.issued,
        policy=policy,
        told=lambda outcome, _: told.append(outcome),
        clock=server.clock,
        sleep=server.sleep,
        chance=lambda: chance,
    )
    with pytest.raises(asyncio.CancelledError):
        await watcher.run(lease)
    return told


def away() -> Lease:
    raise BackendAwayError("away")


@pytest.mark.feature("CX-03")
async def test_a_lease_is_renewed_after_two_thirds_of_its_life() -> None:
    server = Server(ends=200)
    assert await watched(server, Lease(90, renewable=True)) == ["renewed"] * 3
    assert server.asked == [(60, "renew"), (120, "renew"), (180, "renew")]


async def test_a_failed_renewal_backs_off_and_issues_nothing_while_the_lease_lives() -> None:
    server = Server(ends=89)
    server.renewal = away
    told = await watched(server, Lease(90, renewable=True))
    assert [when for when, _ in server.asked] == [60, 62, 66, 74]
    assert {what for _, what in server.asked} == {"renew"}
    assert set(told) == {"failed"}


async def test_a_lease_that_ended_is_issued_anew_with_back_off() -> None:
    server = Server(ends=1000)
    server.renewal = server.issue = away
    await watched(server, Lease(90, renewable=True))
    issues = [when for when, what in server.asked if what == "issue"]
    assert issues[0] >= 90
    gaps = [later - earlier for earlier, later in pairwise(issues)]
    assert gaps == sorted(gaps)
    assert gaps[-1] == 60


@pytest.mark.parametrize("seconds", [0.001, 0.5, 1.0])
async def test_a_server_that_gives_short_leases_is_not_asked_without_end(seconds: float) -> None:
    server = Server(ends=100)
    server.renewal = server.issue = lambda: Lease(seconds, renewable=False)
    await watched(server, Lease(seconds, renewable=False))
    assert len(server.asked) <= 100


async def test_a_lease_that_cannot_be_renewed_is_issued_before_it_ends() -> None:
    server = Server(ends=70)
    assert await watched(server, Lease(90, renewable=False)) == ["issued"]
    assert server.asked == [(60, "issue")]


async def test_a_renewal_near_the_longest_life_leads_to_a_new_lease() -> None:
    server = Server(ends=100)
    server.renewal = lambda: Lease(30, renewable=True)
    assert await watched(server, Lease(90, renewable=True)) == ["renewed", "issued"]
    assert server.asked == [(60, "renew"), (80, "issue")]


async def test_replicas_do_not_ask_at_once() -> None:
    first, second = Server(ends=100), Server(ends=100)
    policy = RenewalPolicy(jitter=0.1)
    await watched(first, Lease(90, renewable=True), policy, chance=0.0)
    await watched(second, Lease(90, renewable=True), policy, chance=1.0)
    assert first.asked[0][0] == pytest.approx(54)
    assert second.asked[0][0] == pytest.approx(66)


async def test_what_lives_for_ever_is_left_alone() -> None:
    server = Server(ends=0)
    watcher = LeaseWatcher(server.renew, server.issued, sleep=server.sleep)
    await watcher.run(Lease(0, renewable=False))
    assert server.asked == []
