"""`vault:MOUNT/PATH#KEY`: the KV v2 engine of Vault or OpenBao."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime

from hxp_enterprise_llm.configuration.secrets.backends.base import (
    SecretInfo,
    missing,
    ruled_elsewhere,
    split_key,
)
from hxp_enterprise_llm.configuration.secrets.errors import (
    AccessDeniedError,
    BackendAwayError,
    SecretError,
    SecretNotFoundError,
    SecretRefusedError,
    VaultRefusedError,
)
from hxp_enterprise_llm.configuration.secrets.leases import Told
from hxp_enterprise_llm.configuration.secrets.rules import MadeBy, RotationRule
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.vault.client import VaultClient
from hxp_enterprise_llm.configuration.secrets.vault.settings import VaultSettings
from hxp_enterprise_llm.configuration.secrets.vault.stamps import DAYS, Metadata, info_of, stamped

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

    async def set(
        self,
        path: str,
        value: Secret,
        *,
        made_at: datetime | None = None,  # noqa: ARG002
        made_by: MadeBy = MadeBy.GIVEN,  # noqa: ARG002
    ) -> SecretInfo:
        """Write one key and leave the others of its document; time and version are Vault's own."""
        mount, place, key = _split(path)
        for _ in range(_ATTEMPTS):
            data, before, version = await self._document_or_none(mount, place)
            data[key] = value.reveal()
            try:
                after = await self._write(mount, place, data, version)
            except VaultRefusedError as error:
                # Somebody wrote in between: what they wrote is read, and kept.
                if "check-and-set" not in error.message:
                    raise
                continue
            await self._stamp(mount, place, stamped(before, after, data, key))
            return info_of(path, after)
        raise SecretRefusedError(
            f"vault:{path} is written by others all the time", next_step="Try again."
        )

    async def set_rule(self, path: str, rule: RotationRule) -> SecretInfo:  # noqa: ARG002
        """Refuse: the document's custom metadata says it."""
        raise ruled_elsewhere(self.scheme, path, f"custom metadata {DAYS} of its document")

    async def remove(self, path: str) -> None:
        """Remove one key; older versions of the document stay until Vault drops them."""
        mount, place, key = _split(path)
        data, before = await self._document(mount, place)
        if key not in data:
            raise missing(self.scheme, path, "List the document's keys in Vault.")
        del data[key]
        if data:
            after = await self._write(mount, place, data, int(before["version"]))
            await self._stamp(mount, place, stamped(before, after, data, ""))
        else:
            await self._client.request("DELETE", f"{mount}/data/{place}")

    async def info(self, path: str) -> SecretInfo:
        """Return the document's version, and when the key was written, as far as Vault knows."""
        mount, place, key = _split(path)
        data, metadata = await self._document(mount, place)
        if key not in data:
            raise missing(self.scheme, path, "List the document's keys in Vault.")
        return info_of(path, metadata)

    async def list(self, prefix: str = "") -> AsyncIterator[SecretInfo]:
        """Yield the keys of all documents below `MOUNT/PATH`."""
        mount, _, folder = prefix.partition("/")
        if not mount:
            return
        async for place in self._places(mount, folder.strip("/")):
            try:
                data, metadata = await self._document(mount, place)
            except SecretNotFoundError:
                # Its last version is deleted; Vault lists it all the same.
                continue
            for key in sorted(data):
                yield info_of(f"{mount}/{place}#{key}", metadata)

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

    async def _write(self, mount: str, place: str, data: dict[str, str], version: int) -> Metadata:
        body = {"data": data, "options": {"cas": version}}
        answer = await self._client.request("POST", f"{mount}/data/{place}", body)
        metadata: Metadata = answer["data"]
        return metadata

    async def _stamp(self, mount: str, place: str, custom: dict[str, str] | None) -> None:
        """Keep the times of keys; without them the document's own time counts for all."""
        if custom is None:
            return
        body = {"custom_metadata": custom}
        with suppress(SecretError, AccessDeniedError, BackendAwayError):
            await self._client.request("POST", f"{mount}/metadata/{place}", body)

    async def _document(self, mount: str, place: str) -> tuple[dict[str, str], Metadata]:
        answer = await self._client.request("GET", f"{mount}/data/{place}")
        return dict(answer["data"]["data"] or {}), answer["data"]["metadata"]

    async def _document_or_none(
        self, mount: str, place: str
    ) -> tuple[dict[str, str], Metadata | None, int]:
        """Return a document and the version to write over: that of a removed one, 0 for none."""
        try:
            data, metadata = await self._document(mount, place)
        except SecretNotFoundError:
            pass
        else:
            return data, metadata, int(metadata["version"])
        try:
            answer = await self._client.request("GET", f"{mount}/metadata/{place}")
        except SecretNotFoundError:
            return {}, None, 0
        version = int(answer["data"]["current_version"])
        latest = answer["data"]["versions"].get(str(version), {"destroyed": True})
        if latest["destroyed"] or latest["deletion_time"]:
            custom = answer["data"].get("custom_metadata")
            removed = {"created_time": latest.get("created_time"), "custom_metadata": custom}
            return {}, {**removed, "version": version}, version
        # Somebody made it between the two requests.
        data, metadata = await self._document(mount, place)
        return data, metadata, int(metadata["version"])


def _split(path: str) -> tuple[str, str, str]:
    place, key = split_key("vault", path)
    mount, _, rest = place.partition("/")
    if not rest or not key:
        raise SecretRefusedError(
            f"vault:{path} is not of the form vault:MOUNT/PATH#KEY",
            next_step="Name the mount of the KV v2 engine, the path in it, and the key.",
        )
    return mount, rest, key
