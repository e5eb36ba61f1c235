"""Counts wrong passwords: after some, an account is held for a while, right password or not."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from hxp_enterprise_llm.configuration.secrets.keyring import Clock, utc_now
from hxp_enterprise_llm.schemas.security import AttemptPolicy


class Attempts:
    """Wrong passwords of accounts that exist; so their number is bounded.

    Args:
        policy: How many are too many.
        clock: Time of now.
    """

    def __init__(self, policy: AttemptPolicy, *, clock: Clock = utc_now) -> None:
        self.policy, self._clock = policy, clock
        self._failed: defaultdict[str, list[datetime]] = defaultdict(list)

    def held(self, name: str) -> bool:
        """Return whether an account is held."""
        return len(self._recent(name)) >= self.policy.tries

    def tried(self, name: str) -> None:
        """Count a try as wrong, until it succeeds.

        While the account is held nothing counts: nobody is kept out for ever.
        """
        if not self.held(name):
            self._failed[name] = [*self._recent(name), self._clock()]

    def succeeded(self, name: str) -> None:
        """Forget the tries: the password was right."""
        self._failed.pop(name, None)

    def _recent(self, name: str) -> list[datetime]:
        since = self._clock() - timedelta(seconds=self.policy.within)
        return [at for at in self._failed.get(name, ()) if at > since]
