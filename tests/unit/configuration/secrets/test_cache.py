"""Values of remote backends: fresh, then stale while the backend is away, then not at all."""

from __future__ import annotations

import asyncio

import pytest

from hxp_enterprise_llm.configuration.secrets.cache import Cached, CachePolicy, SecretCache
from hxp_enterprise_llm.configuration.secrets.errors import (
    AccessDeniedError,
    BackendAwayError,
    SecretNotFoundError,
)
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.testing.clock import Clock

POLICY = CachePolicy(fresh=60, stale=600, pause=5, entries=3)


class Remote:
    """A backend of a test that counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: Secret | Exception = Secret("v1")
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self) -> Secret:
        self.asked += 1
        await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def clock() -> Clock:
    return Clock(0.0)


@pytest.fixture
def remote() -> Remote:
    return Remote()


@pytest.fixture
def cache(clock: Clock) -> SecretCache:
    return SecretCache(POLICY, clock=clock)


async def test_a_fresh_value_is_served_without_asking(
    cache: SecretCache, remote: Remote, clock: Clock
) -> None:
    assert await cache.get("a", remote.read) == Cached(Secret("v1"), "read")
    clock.now = 59.9
    assert await cache.get("a", remote.read) == Cached(Secret("v1"), "cached")
    assert remote.asked == 1
    clock.now = 60
    remote.answer = Secret("v2")
    assert await cache.get("a", remote.read) == Cached(Secret("v2"), "read")


async def test_while_the_backend_is_away_older_values_are_served_and_it_is_left_alone(
    cache: SecretCache, remote: Remote, clock: Clock
) -> None:
    await cache.get("a", remote.read)
    remote.answer = BackendAwayError("away")
    clock.now = 100
    for _ in range(10):
        assert await cache.get("a", remote.read) == Cached(Secret("v1"), "stale")
    assert remote.asked == 2
    with pytest.raises(BackendAwayError):
        await cache.get("b", remote.read)
    assert remote.asked == 2
    clock.now = 105
    remote.answer = Secret("v2")
    assert (await cache.get("a", remote.read)).value == Secret("v2")


async def test_a_value_past_its_last_time_is_not_served(
    cache: SecretCache, remote: Remote, clock: Clock
) -> None:
    await cache.get("a", remote.read)
    remote.answer = BackendAwayError("away")
    clock.now = 600
    with pytest.raises(BackendAwayError):
        await cache.get("a", remote.read)


@pytest.mark.parametrize("error", [SecretNotFoundError("gone"), AccessDeniedError("denied")])
async def test_what_was_removed_or_forbidden_since_is_not_served(
    cache: SecretCache, remote: Remote, clock: Clock, error: Exception
) -> None:
    await cache.get("a", remote.read)
    clock.now = 60
    remote.answer = error
    with pytest.raises(type(error)):
        await cache.get("a", remote.read)
    remote.answer = BackendAwayError("away")
    with pytest.raises(BackendAwayError):
        await cache.get("a", remote.read)


async def test_many_readers_of_one_path_ask_once(cache: SecretCache, remote: Remote) -> None:
    remote.gate.clear()
    readers = [asyncio.create_task(cache.get("a", remote.read)) for _ in range(20)]
    await asyncio.sleep(0)
    remote.gate.set()
    assert {item.value for item in await asyncio.gather(*readers)} == {Secret("v1")}
    assert remote.asked == 1


async def test_a_reader_who_is_cancelled_leaves_the_answer_to_the_others(
    cache: SecretCache, remote: Remote
) -> None:
    remote.gate.clear()
    first = asyncio.create_task(cache.get("a", remote.read))
    second = asyncio.create_task(cache.get("a", remote.read))
    await asyncio.sleep(0)
    first.cancel()
    remote.gate.set()
    assert (await second).value == Secret("v1")
    assert remote.asked == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_values_are_forgotten_and_their_number_is_bounded(
    cache: SecretCache, remote: Remote
) -> None:
    for path in "abcd":
        await cache.get(path, remote.read)
    assert (await cache.get("a", remote.read)).how == "read"
    assert (await cache.get("d", remote.read)).how == "cached"
    cache.forget("d")
    assert (await cache.get("d", remote.read)).how == "read"
    cache.forget()
    assert (await cache.get("a", remote.read)).how == "read"


@pytest.mark.parametrize("path", ["a", None])
async def test_a_read_under_way_is_not_kept_when_its_value_is_forgotten(
    cache: SecretCache, remote: Remote, path: str | None
) -> None:
    gate = asyncio.Event()

    async def old() -> Secret:
        await gate.wait()
        return Secret("v0")

    before = asyncio.create_task(cache.get("a", old))
    await asyncio.sleep(0)
    cache.forget(path)
    assert await cache.get("a", remote.read) == Cached(Secret("v1"), "read")
    gate.set()
    assert (await before).value == Secret("v0")
    assert await cache.get("a", remote.read) == Cached(Secret("v1"), "cached")


async def test_a_forgotten_value_is_not_served_when_its_read_finds_the_backend_away(
    cache: SecretCache, remote: Remote, clock: Clock
) -> None:
    await cache.get("a", remote.read)
    clock.now = 60
    remote.answer = BackendAwayError("away")
    remote.gate.clear()
    before = asyncio.create_task(cache.get("a", remote.read))
    await asyncio.sleep(0)
    cache.forget("a")
    remote.gate.set()
    with pytest.raises(BackendAwayError):
        await before
