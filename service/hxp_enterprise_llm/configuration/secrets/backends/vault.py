"""`vault:MOUNT/PATH#KEY`: the KV v2 engine of Vault or OpenBao."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from hxp_enterprise_llm.configuration.secrets.backends.base import (
    SecretInfo,
    missing,
    split_key,
)
from hxp_enterprise_llm.configuration.secrets.errors import (
    SecretNotFoundError,
    SecretRefusedError,
    VaultRefusedError,
)
from hxp_enterprise_llm.configuration.secrets.leases import Told
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.vault.client import VaultClient
from hxp_enterprise_llm.configuration.secrets.vault.settings import VaultSettings

_ATTEMPTS = 5


class Vault:
    """Secrets in KV v2: a document of keys at a path, which lies in a mount.

    Args:
        client: Talks to Vault.
    """

    scheme = "vault"
    writable = True
    remote = True

    def __init__(self, client: VaultClient) -> None:
        self._client = client

    @classmethod
    def connect(
        cls, settings: VaultSettings, *, told: Told = lambda _outcome, _seconds: None
    ) -> Vault:
        """Return the backend of a Vault; nothing is sent yet.

        Args:
            settings: Where it is and who we are.
            told: Takes what becomes of the token, such as `SecretMetrics.told("vault")`.
        """
        return cls(VaultClient(settings, told=told))

    async def get(self, path: str) -> Secret:
        """Return one key of a document."""
        mount, place, key = _split(path)
        data, _ = await self._document(mount, place)
        value = data.get(key)
        if value is None:
            raise missing(self.scheme, path, f"The document is there, its key {key} is not.")
        if not isinstance(value, str) or not value:
            raise SecretRefusedError(
                f"vault:{path} is no text, or empty", next_step="Write the value as text."
            )
        return Secret(value)

    async def set(self, path: str, value: Secret, *, made_at: datetime | None = None) -> SecretInfo:  # noqa: ARG002
        """Write one key and leave the others of its document; time and version are Vault's own."""
        mount, place, key = _split(path)
        for _ in range(_ATTEMPTS):
            data, version = await self._document_or_none(mount, place)
            body = {"data": {**data, key: value.reveal()}, "options": {"cas": version}}
            try:
                answer = await self._client.request("POST", f"{mount}/data/{place}", body)
            except VaultRefusedError as error:
                # Somebody wrote in between: what they wrote is read, and kept.
                if "check-and-set" not in error.message:
                    raise
                continue
            return _info(path, answer["data"])
        raise SecretRefusedError(
            f"vault:{path} is written by others all the time", next_step="Try again."
        )

    async def remove(self, path: str) -> None:
        """Remove one key; older versions of the document stay until Vault drops them."""
        mount, place, key = _split(path)
        data, version = await self._document(mount, place)
        if key not in data:
            raise missing(self.scheme, path, "List the document's keys in Vault.")
        del data[key]
        if data:
            body = {"data": data, "options": {"cas": version}}
            await self._client.request("POST", f"{mount}/data/{place}", body)
        else:
            await self._client.request("DELETE", f"{mount}/data/{place}")

    async def info(self, path: str) -> SecretInfo:
        """Return version and time of the document."""
        mount, place, key = _split(path)
        answer = await self._client.request("GET", f"{mount}/data/{place}")
        if key not in (answer["data"]["data"] or {}):
            raise missing(self.scheme, path, "List the document's keys in Vault.")
        return _info(path, answer["data"]["metadata"])

    async def list(self, prefix: str = "") -> AsyncIterator[SecretInfo]:
        """Yield the keys of all documents below `MOUNT/PATH`."""
        mount, _, folder = prefix.partition("/")
        if not mount:
            return
        async for place in self._places(mount, folder.strip("/")):
            answer = await self._client.request("GET", f"{mount}/data/{place}")
            for key in sorted(answer["data"]["data"] or {}):
                yield _info(f"{mount}/{place}#{key}", answer["data"]["metadata"])

    async def check(self) -> str:
        """Return Vault's version."""
        return await self._client.health()

    async def aclose(self) -> None:
        """Stop renewing the token and close connections."""
        await self._client.aclose()

    async def _places(self, mount: str, folder: str) -> AsyncIterator[str]:
        try:
            answer = await self._client.request("LIST", f"{mount}/metadata/{folder}")
        except SecretNotFoundError:
            return
        for name in answer["data"]["keys"]:
            place = f"{folder}/{name}".strip("/") if folder else name.rstrip("/")
            if name.endswith("/"):
                async for below in self._places(mount, place):
                    yield below
            else:
                yield place

    async def _document(self, mount: str, place: str) -> tuple[dict[str, Any], int]:
        answer = await self._client.request("GET", f"{mount}/data/{place}")
        return dict(answer["data"]["data"] or {}), int(answer["data"]["metadata"]["version"])

    async def _document_or_none(self, mount: str, place: str) -> tuple[dict[str, Any], int]:
        """Return a document and the version to write over: that of a removed one, 0 for none."""
        try:
            return await self._document(mount, place)
        except SecretNotFoundError:
            pass
        try:
            answer = await self._client.request("GET", f"{mount}/metadata/{place}")
        except SecretNotFoundError:
            return {}, 0
        version = int(answer["data"]["current_version"])
        latest = answer["data"]["versions"].get(str(version), {"destroyed": True})
        if latest["destroyed"] or latest["deletion_time"]:
            return {}, version
        # Somebody made it between the two requests.
        return await self._document(mount, place)


def _split(path: str) -> tuple[str, str, str]:
    place, key = split_key("vault", path)
    mount, _, rest = place.partition("/")
    if not rest or not key:
        raise SecretRefusedError(
            f"vault:{path} is not of the form vault:MOUNT/PATH#KEY",
            next_step="Name the mount of the KV v2 engine, the path in it, and the key.",
        )
    return mount, rest, key


def _info(path: str, metadata: dict[str, Any]) -> SecretInfo:
    made_at = datetime.fromisoformat(metadata["created_time"])
    return SecretInfo(path, int(metadata["version"]), made_at)
