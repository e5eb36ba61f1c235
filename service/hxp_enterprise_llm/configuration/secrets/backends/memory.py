"""Secrets in memory: for tests and for development; they end with the process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime

from hxp_enterprise_llm.configuration.secrets.backends.base import SecretInfo, missing
from hxp_enterprise_llm.configuration.secrets.keyring import Clock, utc_now
from hxp_enterprise_llm.configuration.secrets.rules import MadeBy, RotationRule
from hxp_enterprise_llm.configuration.secrets.secret import Secret


class Memory:
    """Keeps secrets in memory.

    Args:
        scheme: The scheme that it answers for.
        clock: Time of now.
    """

    writable = True
    remote = False

    def __init__(self, scheme: str = "memory", *, clock: Clock = utc_now) -> None:
        self.scheme, self._clock = scheme, clock
        self._values: dict[str, tuple[Secret, SecretInfo]] = {}

    async def get(self, path: str) -> Secret:
        """Return a value."""
        return self._found(path)[0]

    async def set(
        self,
        path: str,
        value: Secret,
        *,
        made_at: datetime | None = None,
        made_by: MadeBy = MadeBy.GIVEN,
    ) -> SecretInfo:
        """Keep a value."""
        before = self._values[path][1] if path in self._values else SecretInfo(path)
        rule = replace(before.rule, made_by=made_by)
        info = SecretInfo(path, before.version + 1, made_at or self._clock(), rule=rule)
        self._values[path] = (value, info)
        return info

    async def set_rule(self, path: str, rule: RotationRule) -> SecretInfo:
        """Change how a secret is renewed."""
        value, info = self._found(path)
        self._values[path] = (value, replace(info, rule=rule))
        return self._values[path][1]

    async def remove(self, path: str) -> None:
        """Forget a secret."""
        self._found(path)
        del self._values[path]

    async def info(self, path: str) -> SecretInfo:
        """Return what may be shown of a secret."""
        return self._found(path)[1]

    async def list(self, prefix: str = "") -> AsyncIterator[SecretInfo]:
        """Yield all secrets below a prefix."""
        for path in sorted(self._values):
            if path.startswith(prefix):
                yield self._values[path][1]

    async def check(self) -> str:
        """Return how many there are."""
        return f"{len(self._values)} in memory"

    async def aclose(self) -> None:
        """Hold nothing that must be given back."""

    def _found(self, path: str) -> tuple[Secret, SecretInfo]:
        if path not in self._values:
            raise missing(self.scheme, path, "Set it first.")
        return self._values[path]
