"""People's passwords: argon2id, in a few threads; bcrypt hashes of older systems are taken over.

Parameters are the second choice of RFC 9106 §4: 64 MiB, three passes, four lanes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from pydantic import Field

from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security.errors import BusyError, PasswordRefusedError
from hxp_enterprise_llm.schemas.base import CitadelModel, Seconds

if TYPE_CHECKING:
    from argon2 import PasswordHasher

ResultT = TypeVar("ResultT")
_BCRYPT = ("$2a$", "$2b$", "$2y$")
_BCRYPT_BYTES = 72
"""bcrypt never saw more of a password; its library refuses what older ones cut off."""
_LONGEST = 1024


class PasswordPolicy(CitadelModel):
    """What a password must be, and what checking one may cost."""

    shortest: int = Field(default=12, ge=8, description="Characters that a new one has at least.")
    memory_kib: int = Field(default=65_536, ge=8, description="Memory that one check takes, KiB.")
    passes: int = Field(default=3, ge=1, description="Passes over that memory.")
    lanes: int = Field(default=4, ge=1, description="Threads that one check may use.")
    at_once: int = Field(default=1, ge=1, description="Checks at the same time.")
    waiting: int = Field(default=32, ge=0, description="Checks that may wait; more are refused.")
    refusal_after: Seconds = Field(
        default=1.0,
        description="A wrong login is refused so long after it began, whatever is wrong.",
    )


@dataclass(frozen=True)
class Verdict:
    """What came of a check.

    Attributes:
        fits: Whether the password fits.
        upgraded: A hash of today's form, where the one that was checked is of an older one.
    """

    fits: bool
    upgraded: str | None = None


class Passwords:
    """Hashes and checks passwords, never on the event loop.

    Args:
        policy: Form and cost.
        clock: Seconds that never go backwards.
        sleep: Waits.
    """

    def __init__(
        self,
        policy: PasswordPolicy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.policy = policy or PasswordPolicy()
        self._clock, self._sleep = clock, sleep
        self._slots = asyncio.Semaphore(self.policy.at_once)
        self._inside = 0
        self._nobody: str | None = None

    async def hash(self, password: Secret) -> str:
        """Return the hash of a new password, with its salt and parameters in it.

        Raises:
            PasswordRefusedError: It is too short or too long.
            BusyError: Too many wait.
        """
        length = len(password.reveal())
        if not self.policy.shortest <= length <= _LONGEST:
            raise PasswordRefusedError(
                f"a password of {length} characters is not taken",
                next_step=f"Choose one of {self.policy.shortest} to {_LONGEST}.",
            )
        return await self._threaded(partial(self._hasher.hash, password.reveal()))

    async def verify(self, kept: str | None, password: Secret) -> Verdict:
        """Check a password. A wrong one takes as long as an unknown name does.

        Args:
            kept: The hash that is kept; None for a name that nobody has, or that has none.
            password: What was given.

        Raises:
            BusyError: Too many wait.
        """
        began = self._clock()
        if kept is None:
            await self._threaded(partial(self._fits, await self._hash_of_nobody(), password))
            verdict = Verdict(fits=False)
        else:
            verdict = await self._threaded(partial(self._checked, kept, password))
        if not verdict.fits:
            await self._sleep(max(0.0, self.policy.refusal_after - (self._clock() - began)))
        return verdict

    @cached_property
    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher

        policy = self.policy
        return PasswordHasher(
            time_cost=policy.passes, memory_cost=policy.memory_kib, parallelism=policy.lanes
        )

    def _checked(self, kept: str, password: Secret) -> Verdict:
        old = kept.startswith(_BCRYPT)
        fits = _fits_bcrypt(kept, password) if old else self._fits(kept, password)
        if fits and (old or self._hasher.check_needs_rehash(kept)):
            return Verdict(fits=True, upgraded=self._hasher.hash(password.reveal()))
        return Verdict(fits)

    def _fits(self, kept: str, password: Secret) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            return self._hasher.verify(kept, password.reveal()[: _LONGEST + 1])
        except (VerificationError, InvalidHashError):
            return False

    async def _hash_of_nobody(self) -> str:
        if self._nobody is None:
            self._nobody = await self._threaded(partial(self._hasher.hash, "nobody has this one"))
        return self._nobody

    async def _threaded(self, work: Callable[[], ResultT]) -> ResultT:
        if self._inside >= self.policy.at_once + self.policy.waiting:
            raise BusyError("too many passwords wait to be checked", next_step="Try again soon.")
        self._inside += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(work)
        finally:
            self._inside -= 1


def _fits_bcrypt(kept: str, password: Secret) -> bool:
    import bcrypt

    try:
        return bcrypt.checkpw(password.reveal().encode()[:_BCRYPT_BYTES], kept.encode())
    except ValueError:
        return False
