"""The sealed file as a backend: `generated:` references, and what `citadel secrets set` keeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hxp_enterprise_llm.configuration.secrets.backends.base import SecretInfo, Work
from hxp_enterprise_llm.configuration.secrets.damage import Damage
from hxp_enterprise_llm.configuration.secrets.errors import TamperedError, UnknownKeyError
from hxp_enterprise_llm.configuration.secrets.rules import MadeBy, RotationRule
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.store import SealedStore

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.secrets.backup import Saved


class SealedFile:
    """Secrets of one environment in its sealed file.

    Args:
        store: The sealed file.
        opens: Whether envelopes are opened before what stands beside them is believed; who has no
            key ring cannot, and must act on nothing of it.
    """

    scheme = "generated"
    writable = True
    remote = False

    def __init__(self, store: SealedStore, *, opens: bool = True) -> None:
        self.store, self._opens = store, opens

    async def get(self, path: str) -> Secret:
        """Return a value."""
        return self.store.get(path)

    async def set(
        self,
        path: str,
        value: Secret,
        *,
        made_at: datetime | None = None,
        made_by: MadeBy = MadeBy.GIVEN,
    ) -> SecretInfo:
        """Seal a value; waits for other writers in a thread."""
        await asyncio.to_thread(self.store.set, path, value, made_at=made_at, made_by=made_by)
        return await self.info(path)

    async def set_rule(self, path: str, rule: RotationRule) -> SecretInfo:
        """Change how a secret is renewed; its value, version and time stay."""
        await asyncio.to_thread(self.store.set_rule, path, rule)
        return await self.info(path)

    async def remove(self, path: str) -> None:
        """Remove a secret."""
        await asyncio.to_thread(self.store.remove, path)

    async def info(self, path: str) -> SecretInfo:
        """Return what may be shown of a secret."""
        entry = self.store.checked(path) if self._opens else self.store.entry(path)
        key_id, pending = self.store.key_id(path), bool(entry.pending)
        return SecretInfo(path, entry.version, entry.made_at, key_id, entry.rule, pending)

    async def renew(self, path: str, fresh: Secret, work: Work) -> SecretInfo:
        """Give a secret the value that some work outside makes of a fresh one, kept before."""
        await asyncio.to_thread(self.store.renew, path, fresh, work)
        return await self.info(path)

    def damage(self) -> Damage:
        """Return what does not open any more."""
        return self.store.damage()

    async def put_back(self, saved: Iterable[Saved]) -> tuple[Path, ...]:
        """Write secrets of a backup, all at once; return what was kept aside of damaged files."""
        return await asyncio.to_thread(self.store.put_back, saved)

    def keys(self) -> tuple[SecretInfo, ...]:
        """Return the key that seals; nothing where the ring is not at hand."""
        return tuple(
            SecretInfo(f"{self.store.ring.file.name}#{key.key_id}", made_at=key.made_at)
            for key in self.store.ring.entries()[-1:]
        )

    async def list(self, prefix: str = "") -> AsyncIterator[SecretInfo]:
        """Yield all secrets below a prefix; of one that does not open, why that is."""
        for path in self.store.paths():
            if path.startswith(prefix):
                yield await self._told(path)

    async def _told(self, path: str) -> SecretInfo:
        try:
            return await self.info(path)
        except (TamperedError, UnknownKeyError) as error:
            return SecretInfo(path, rule=RotationRule(problem=error.message))

    async def check(self) -> str:
        """Open every envelope; return how many there are and under which keys."""
        paths = self.store.paths()
        for path in paths:
            self.store.get(path)
        keys = len(self.store.used_keys())
        return f"{len(paths)} sealed, {keys} {'key' if keys == 1 else 'keys'} in use"

    async def aclose(self) -> None:
        """Hold nothing that must be given back."""
