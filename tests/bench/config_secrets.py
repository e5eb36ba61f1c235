"""Secrets: reads with access rules and audit, from a sealed file and from a real Vault; re-wrap."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from figures import Figure, at_most

from hxp_enterprise_llm.configuration.audit import AuditLog
from hxp_enterprise_llm.configuration.secrets.access import EVERYTHING
from hxp_enterprise_llm.configuration.secrets.backends.base import Backend
from hxp_enterprise_llm.configuration.secrets.backends.sealed import SealedFile
from hxp_enterprise_llm.configuration.secrets.backends.vault import Vault
from hxp_enterprise_llm.configuration.secrets.manager import SecretManager
from hxp_enterprise_llm.configuration.secrets.rekey import rekey
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.store import SealedStore
from hxp_enterprise_llm.configuration.secrets.vault.auth import StaticToken
from hxp_enterprise_llm.configuration.secrets.vault.client import VaultClient
from hxp_enterprise_llm.configuration.secrets.vault.settings import VaultSettings
from hxp_enterprise_llm.testing.builds import VAULT, ensure
from hxp_enterprise_llm.testing.vault import VaultServer

SECRETS = 1000
_READS = 2000
_REKEYS = 5


def measure(folder: Path) -> list[Figure]:
    """Return the figures of secrets.

    Args:
        folder: For the sealed file, the audit log and Vault.
    """
    state = folder / "state"
    store = SealedStore(state / "bench")
    (folder / "vault").mkdir(parents=True)
    (state / "bench").mkdir(parents=True)
    store.update({f"app/{number}": Secret(f"value {number}") for number in range(SECRETS)})
    return [
        asyncio.run(_sealed(folder, store)),
        *asyncio.run(_vault(folder)),
        _rekeyed(state),
    ]


def _managed(folder: Path, backend: Backend) -> SecretManager:
    audit = AuditLog(folder / f"audit-{backend.scheme}.jsonl")
    return SecretManager([backend], access=EVERYTHING, audit=audit)


async def _sealed(folder: Path, store: SealedStore) -> Figure:
    manager = _managed(folder, SealedFile(store))

    async def read(number: int) -> None:
        await manager.get(f"generated:app/{number % SECRETS}", actor="bench")

    try:
        taken = await _milliseconds(read)
    finally:
        await manager.aclose()
    return Figure("secret read, sealed file of 1,000", "ms", taken, "", None, at_most(1))


async def _vault(folder: Path) -> list[Figure]:
    with VaultServer(ensure(VAULT, lambda _: None), folder / "vault") as server:
        token = StaticToken(Secret(server.root_token))
        client = VaultClient(VaultSettings(server.address, token))
        backend = Vault(client)
        manager = _managed(folder, backend)
        address = "vault:kv/app#password"
        try:
            await manager.set(address, Secret("value"), actor="bench")
            asked = await _milliseconds(lambda _: backend.get("kv/app#password"), reads=100)
            cached = await _milliseconds(lambda _: manager.get(address, actor="bench"))
        finally:
            await manager.aclose()
            await client.aclose()
    name = "secret read, cached Vault"
    return [Figure(name, "ms", cached, "Vault itself, each time", asked, at_most(0.1))]


async def _milliseconds(read: Callable[[int], Awaitable[object]], reads: int = _READS) -> float:
    """Return the median milliseconds of a read."""
    await read(0)
    taken = []
    for number in range(reads):
        started = time.perf_counter()
        await read(number)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1000


def _rekeyed(state: Path) -> Figure:
    taken = []
    for _ in range(_REKEYS):
        started = time.perf_counter()
        done = rekey(state)
        taken.append(time.perf_counter() - started)
        if done.environments != {"bench": SECRETS}:
            raise SystemExit(f"re-wrapped {done.environments}, not {SECRETS} secrets")
    name = "1,000 secrets re-wrapped under a new key"
    return Figure(name, "s", statistics.median(taken), "", None, at_most(1))
