"""Counts wrong passwords: after some, an account is held for a while, right password or not."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Protocol

from hxp_enterprise_llm.configuration.secrets.keyring import Clock, utc_now
from hxp_enterprise_llm.schemas.security import AttemptPolicy


class AttemptStore(Protocol):
    """Keeps the times of tries by account. Several servers may share one."""

    async def begin(self, name: str, now: datetime, since: datetime, most: int) -> bool:
        """Keep a try, unless there are `most` since a time; return whether it was kept.

        Looking and keeping is one step: of tries that come at once no two find the same room.
        """

    async def forget(self, name: str) -> None:
        """Forget the tries of an account."""


class MemoryAttempts:
    """Tries of one process; they end with it."""

    def __init__(self) -> None:
        self._tries: defaultdict[str, list[datetime]] = defaultdict(list)

    async def begin(self, name: str, now: datetime, since: datetime, most: int) -> bool:
        """Keep a try, unless there are too many."""
        recent = self._tries[name] = [at for at in self._tries[name] if at > since]
        if len(recent) >= most:
            return False
        recent.append(now)
        return True

    async def forget(self, name: str) -> None:
        """Forget the tries of an account."""
        self._tries.pop(name, None)


class Attempts:
    """Wrong passwords of accounts that exist; so their number is bounded.

    Args:
        policy: How many are too many.
        store: Where tries are kept; in this process when not given.
        clock: Time of now.
    """

    def __init__(
        self,
        policy: AttemptPolicy,
        *,
        store: AttemptStore | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self.policy = policy
        self._store, self._clock = store or MemoryAttempts(), clock

    async def admitted(self, name: str) -> bool:
        """Count a try as wrong, until it succeeds; return False for an account that is held.

        While the account is held nothing counts: nobody is kept out for ever.
        """
        now, policy = self._clock(), self.policy
        since = now - timedelta(seconds=policy.within)
        return await self._store.begin(name, now, since, policy.tries)

    async def succeeded(self, name: str) -> None:
        """Forget the tries: the password was right."""
        await self._store.forget(name)
