"""Vault's transit engine: seals texts with a key that never leaves Vault.

As the guard of a key ring it seals the ring's keys: they are opened once, when the ring is read, so
that reads of secrets go on without Vault.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from hxp_enterprise_llm.configuration.secrets.references import blocking
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.vault.client import VaultClient
from hxp_enterprise_llm.configuration.secrets.vault.settings import VaultSettings

T = TypeVar("T")


class Transit:
    """One key of the transit engine, of type `aes256-gcm96`.

    Args:
        client: Talks to Vault.
        key: The key's name.
        mount: Where the engine is.
    """

    def __init__(self, client: VaultClient, key: str, *, mount: str = "transit") -> None:
        self._client, self._key, self._mount = client, key, mount

    async def encrypt(self, content: bytes, bound: bytes) -> str:
        """Return content sealed, bound to what stands beside it."""
        body = {"plaintext": _text(content), "associated_data": _text(bound)}
        return str((await self._ask("encrypt", body))["ciphertext"])

    async def decrypt(self, sealed: str, bound: bytes) -> bytes:
        """Return the content; `VaultRefusedError` when it or what it is bound to has changed."""
        body = {"ciphertext": sealed, "associated_data": _text(bound)}
        plain = Secret(str((await self._ask("decrypt", body))["plaintext"]))
        return base64.b64decode(plain.reveal(), validate=True)

    async def _ask(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self._client.request("POST", f"{self._mount}/{verb}/{self._key}", body)
        data: dict[str, Any] = answer["data"]
        return data


class TransitGuard:
    """Seals the keys of a ring with a transit key.

    Args:
        settings: Where Vault is and who we are.
        key: The transit key's name.
        mount: Where the engine is.
    """

    def __init__(self, settings: VaultSettings, key: str, *, mount: str = "transit") -> None:
        self._settings, self._key, self._mount = settings, key, mount
        self.name = f"{mount}/{key}"

    def protect(self, key_id: str, key: bytes) -> str:
        """Return a key of the ring, sealed by Vault and bound to its id."""
        return blocking(lambda: self._run(lambda transit: transit.encrypt(key, key_id.encode())))

    def recover(self, key_id: str, text: str) -> bytes:
        """Return the key behind a text of the ring's file."""
        return blocking(lambda: self._run(lambda transit: transit.decrypt(text, key_id.encode())))

    async def _run(self, work: Callable[[Transit], Awaitable[T]]) -> T:
        client = VaultClient(self._settings)
        try:
            return await work(Transit(client, self._key, mount=self._mount))
        finally:
            await client.aclose()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
