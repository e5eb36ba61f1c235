"""What people and services show who they are with: hashes of passwords, digests of keys."""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from pathlib import Path
from typing import Protocol

from pydantic import Field, ValidationError

from hxp_enterprise_llm.configuration.secrets.files import locked, refuse_readable_by_others
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security.errors import AccessRulesError
from hxp_enterprise_llm.configuration.security.sessions import digest_of
from hxp_enterprise_llm.schemas.access import Name
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.utilities.files import write_atomic

_KEY_BYTES = 32
_KEY = "ctk_"


class Account(CitadelModel):
    """How somebody shows who they are; no password and no key can be had from it."""

    id: Name = Field(description="Whose it is: the id of a principal.")
    password_hash: str | None = Field(default=None, description="Of a person: argon2id or bcrypt.")
    key_digest: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="Of a service: SHA-256 of its key of 256 random bits.",
    )


class Accounts(Protocol):
    """Keeps accounts."""

    async def get(self, name: str) -> Account | None:
        """Return somebody's account."""

    async def put(self, account: Account) -> None:
        """Keep an account, in place of the one with its name."""

    async def upgrade(self, name: str, old: str, new: str) -> None:
        """Put a hash of today's form in the place of an older one, if that is still kept."""


class MemoryAccounts:
    """Accounts that end with the process."""

    def __init__(self, *accounts: Account) -> None:
        self._accounts = {account.id: account for account in accounts}

    async def get(self, name: str) -> Account | None:
        """Return somebody's account."""
        return self._accounts.get(name)

    async def put(self, account: Account) -> None:
        """Keep an account."""
        self._accounts[account.id] = account

    async def upgrade(self, name: str, old: str, new: str) -> None:
        """Put a newer hash in the place of an older one."""
        self._accounts.update(_upgraded(self._accounts, name, old, new))


class FileAccounts:
    """Accounts in one file of mode 0600, which several processes may write.

    Args:
        file: The file; made with the first account.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    async def get(self, name: str) -> Account | None:
        """Return somebody's account."""
        return (await asyncio.to_thread(self._read)).get(name)

    async def put(self, account: Account) -> None:
        """Keep an account."""
        await asyncio.to_thread(self._put, account)

    async def upgrade(self, name: str, old: str, new: str) -> None:
        """Put a newer hash in the place of an older one."""
        await asyncio.to_thread(self._upgrade, name, old, new)

    def _put(self, account: Account) -> None:
        with locked(self._lock):
            self._write({**self._read(), account.id: account})

    def _upgrade(self, name: str, old: str, new: str) -> None:
        with locked(self._lock):
            accounts = self._read()
            if changed := _upgraded(accounts, name, old, new):
                self._write({**accounts, **changed})

    @property
    def _lock(self) -> Path:
        return self.file.with_name(f"{self.file.name}.lock")

    def _read(self) -> dict[str, Account]:
        if not self.file.exists():
            return {}
        refuse_readable_by_others(self.file)
        try:
            document = json.loads(self.file.read_bytes())
            accounts = [Account.model_validate(entry) for entry in document["accounts"]]
        except (ValueError, KeyError, TypeError, ValidationError):
            raise AccessRulesError(
                f"{self.file} is no file of accounts", next_step="Restore it from a backup."
            ) from None
        return {account.id: account for account in accounts}

    def _write(self, accounts: dict[str, Account]) -> None:
        entries = [accounts[name].model_dump(exclude_none=True) for name in sorted(accounts)]
        write_atomic(self.file, json.dumps({"accounts": entries}, indent=1), mode=0o600)


def new_key(name: str) -> tuple[Secret, str]:
    """Return a new key for a service, with its name in it, and the digest that is kept of it."""
    key = f"{_KEY}{name}.{secrets.token_urlsafe(_KEY_BYTES)}"
    return Secret(key), digest_of(key)


def owner_of_key(token: str) -> str | None:
    """Return whose key a token says it is; None for what is no key."""
    name, dot, _ = token.removeprefix(_KEY).rpartition(".")
    return name if token.startswith(_KEY) and dot else None


def fits_key(account: Account | None, key: str) -> bool:
    """Return whether a key is that of an account."""
    kept = account.key_digest if account is not None else None
    return hmac.compare_digest(kept or "", digest_of(key))


def _upgraded(accounts: dict[str, Account], name: str, old: str, new: str) -> dict[str, Account]:
    account = accounts.get(name)
    # A password changed meanwhile must not be undone.
    if account is None or account.password_hash != old:
        return {}
    return {name: account.model_copy(update={"password_hash": new})}
