"""What people show who they are with: hashes of passwords, in a file that others cannot read."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Protocol

from pydantic import Field, ValidationError

from hxp_enterprise_llm.configuration.secrets.files import locked, refuse_readable_by_others
from hxp_enterprise_llm.configuration.security.errors import AccessRulesError
from hxp_enterprise_llm.schemas.access import Name
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.utilities.files import write_atomic


class Account(CitadelModel):
    """How a person shows who they are; the password cannot be had from it."""

    id: Name = Field(description="Whose it is: the id of a principal.")
    password_hash: str | None = Field(
        default=None, description="argon2id, or bcrypt of older systems; none: no login."
    )


class Accounts(Protocol):
    """Keeps accounts."""

    async def get(self, name: str) -> Account | None:
        """Return somebody's account."""

    async def put(self, account: Account) -> None:
        """Keep an account, in place of the one with its name."""

    async def upgrade(self, name: str, old: str, new: str) -> None:
        """Put a hash of today's form in the place of an older one, if that is still kept."""

    async def remove(self, name: str) -> bool:
        """Forget an account; return whether there was one."""

    async def names(self) -> tuple[str, ...]:
        """Return whose accounts have a password, in the order of their names."""


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

    async def remove(self, name: str) -> bool:
        """Forget an account."""
        return self._accounts.pop(name, None) is not None

    async def names(self) -> tuple[str, ...]:
        """Return whose accounts have a password."""
        return _with_password(self._accounts)


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

    async def remove(self, name: str) -> bool:
        """Forget an account."""
        return await asyncio.to_thread(self._remove, name)

    async def names(self) -> tuple[str, ...]:
        """Return whose accounts have a password."""
        return _with_password(await asyncio.to_thread(self._read))

    def _remove(self, name: str) -> bool:
        with locked(self._lock):
            accounts = self._read()
            found = accounts.pop(name, None) is not None
            if found:
                self._write(accounts)
            return found

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


def _with_password(accounts: dict[str, Account]) -> tuple[str, ...]:
    return tuple(sorted(name for name, one in accounts.items() if one.password_hash))


def _upgraded(accounts: dict[str, Account], name: str, old: str, new: str) -> dict[str, Account]:
    account = accounts.get(name)
    # A password changed meanwhile must not be undone.
    if account is None or account.password_hash != old:
        return {}
    return {name: account.model_copy(update={"password_hash": new})}
