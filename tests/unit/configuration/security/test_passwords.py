"""Passwords: argon2id off the event loop, bcrypt taken over, unknown names as slow as known."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import bcrypt
import pytest

from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security.errors import BusyError, PasswordRefusedError
from hxp_enterprise_llm.configuration.security.passwords import PasswordPolicy, Passwords, Verdict

pytestmark = pytest.mark.feature("CC-03")

CHEAP = {"memory_kib": 64, "passes": 1, "lanes": 1}
RIGHT, WRONG = Secret("correct horse battery"), Secret("incorrect horse battery")


class Timer:
    """Seconds that pass only in sleep."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def passwords(timer: Timer | None = None, **policy: Any) -> Passwords:
    timer = timer or Timer()
    return Passwords(PasswordPolicy.model_validate(CHEAP | policy), clock=timer, sleep=timer.sleep)


async def test_a_password_is_hashed_with_argon2id_and_a_salt_and_verified() -> None:
    own = passwords()
    one, other = await own.hash(RIGHT), await own.hash(RIGHT)
    assert one.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert one != other
    assert RIGHT.reveal() not in one
    assert await own.verify(one, RIGHT) == await own.verify(other, RIGHT) == Verdict(fits=True)
    assert not (await own.verify(one, WRONG)).fits


async def test_the_parameters_are_those_of_rfc_9106() -> None:
    hashed = await Passwords().hash(RIGHT)
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


@pytest.mark.parametrize("prefix", [b"2a", b"2b", b"2y"])
async def test_a_bcrypt_hash_is_accepted_and_upgraded(prefix: bytes) -> None:
    own, long = passwords(), Secret("é" * 60)
    old = bcrypt.hashpw(long.reveal().encode()[:72], bcrypt.gensalt(4))
    kept = old.replace(b"$2b$", b"$" + prefix + b"$").decode()
    verdict = await own.verify(kept, long)
    assert verdict.fits
    assert verdict.upgraded is not None
    assert verdict.upgraded.startswith("$argon2id$")
    assert await own.verify(verdict.upgraded, long) == Verdict(fits=True)
    # What bcrypt cut off counts from now on.
    assert not (await own.verify(verdict.upgraded, Secret("é" * 36))).fits
    wrong = await own.verify(kept, WRONG)
    assert (wrong.fits, wrong.upgraded) == (False, None)


async def test_a_hash_of_older_parameters_is_upgraded() -> None:
    kept = await passwords().hash(RIGHT)
    verdict = await passwords(passes=2).verify(kept, RIGHT)
    assert verdict.upgraded is not None
    assert ",t=2," in verdict.upgraded


@pytest.mark.parametrize("kept", ["", "x", "$2b$04$short", "$argon2id$v=19$m=64"])
async def test_a_damaged_hash_fits_nothing(kept: str) -> None:
    assert not (await passwords().verify(kept, RIGHT)).fits


async def test_an_unknown_name_does_the_same_work_and_takes_as_long() -> None:
    timer = Timer()
    own = passwords(timer, refusal_after=1.0)
    kept, seen = await own.hash(RIGHT), list[str]()
    verify = own._hasher.verify

    class Counting:
        """Notes the parameters of each hash that is verified."""

        def __getattr__(self, name: str) -> Any:
            return getattr(hasher, name)

        def verify(self, hashed: str, password: str) -> bool:
            seen.append(hashed.rsplit("$", 2)[0])
            return verify(hashed, password)

    hasher = own._hasher
    own.__dict__["_hasher"] = Counting()
    assert not (await own.verify(kept, WRONG)).fits
    assert not (await own.verify(None, WRONG)).fits
    assert not (await own.verify(None, Secret("nobody has this one"))).fits
    assert seen == ["$argon2id$v=19$m=64,t=1,p=1"] * 3
    assert timer.slept == [1.0, 1.0, 1.0]
    assert (await own.verify(kept, RIGHT)).fits
    assert len(timer.slept) == 3, "who knows the password does not wait"


async def test_few_are_checked_at_once_and_off_the_loop_and_few_may_wait() -> None:
    own = passwords(at_once=2, waiting=1)
    kept, go = await own.hash(RIGHT), threading.Event()
    inside, most, lock = 0, 0, threading.Lock()
    loop, entered = asyncio.get_running_loop(), asyncio.Semaphore(0)

    class Slow:
        """Verifies when the test lets it."""

        def check_needs_rehash(self, _: str) -> bool:
            return False

        def verify(self, *_: str) -> bool:
            nonlocal inside, most
            assert threading.current_thread() is not threading.main_thread()
            with lock:
                inside += 1
                most = max(most, inside)
            loop.call_soon_threadsafe(entered.release)
            go.wait(10)
            with lock:
                inside -= 1
            return True

    own.__dict__["_hasher"] = Slow()
    tasks = [asyncio.create_task(own.verify(kept, RIGHT)) for _ in range(3)]
    async with asyncio.timeout(5):
        for _ in range(2):
            await entered.acquire()
    with pytest.raises(BusyError, match="too many"):
        await own.verify(kept, RIGHT)
    go.set()
    assert all(verdict.fits for verdict in await asyncio.gather(*tasks))
    assert most == 2
    assert (await own.verify(kept, RIGHT)).fits


@pytest.mark.parametrize("length", [0, 11, 1025])
async def test_a_new_password_is_neither_short_nor_endless(length: int) -> None:
    with pytest.raises(PasswordRefusedError, match=f"of {length} characters") as caught:
        await passwords().hash(Secret("x" * length))
    assert "12 to 1024" in caught.value.next_step


async def test_an_endless_password_fits_nothing() -> None:
    own = passwords()
    kept = await own.hash(Secret("x" * 1024))
    assert not (await own.verify(kept, Secret("x" * 100_000))).fits
