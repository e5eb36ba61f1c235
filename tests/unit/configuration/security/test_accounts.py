"""Accounts: a file closed to others, written by several, in which no password can be read."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.secrets.errors import SecretRefusedError
from hxp_enterprise_llm.configuration.security.accounts import (
    Account,
    Accounts,
    FileAccounts,
    MemoryAccounts,
)
from hxp_enterprise_llm.configuration.security.errors import AccessRulesError

pytestmark = pytest.mark.feature("CC-03")

ADA = Account(id="ada", password_hash="$argon2id$old")


@pytest.fixture
def file(tmp_path: Path) -> FileAccounts:
    return FileAccounts(tmp_path / "accounts.json")


@pytest.fixture(params=["file", "memory"])
def accounts(request: pytest.FixtureRequest, file: FileAccounts) -> Accounts:
    return file if request.param == "file" else MemoryAccounts()


async def test_accounts_are_kept_and_replaced(accounts: Accounts) -> None:
    assert await accounts.get("ada") is None
    await accounts.put(ADA)
    await accounts.put(Account(id="eva"))
    assert await accounts.get("ada") == ADA
    assert await accounts.get("eva") == Account(id="eva")


async def test_only_the_hash_that_was_checked_is_upgraded(accounts: Accounts) -> None:
    await accounts.put(ADA)
    await accounts.upgrade("ada", "$argon2id$another", "new")
    await accounts.upgrade("eva", "$argon2id$old", "new")
    assert await accounts.get("ada") == ADA
    await accounts.upgrade("ada", "$argon2id$old", "new")
    assert await accounts.get("ada") == Account(id="ada", password_hash="new")
    assert await accounts.get("eva") is None


async def test_writers_at_the_same_time_lose_nothing(file: FileAccounts) -> None:
    names = [f"user-{number}" for number in range(20)]
    others = FileAccounts(file.file)
    await asyncio.gather(
        *(
            (file if number % 2 else others).put(Account(id=name))
            for number, name in enumerate(names)
        )
    )
    assert [await file.get(name) for name in names] == [Account(id=name) for name in names]


@pytest.mark.feature("CX-04")
async def test_the_file_is_closed_to_others_and_refused_when_it_is_not(file: FileAccounts) -> None:
    await file.put(ADA)
    assert file.file.stat().st_mode & 0o777 == 0o600
    file.file.chmod(0o644)
    with pytest.raises(SecretRefusedError, match="can be read by others"):
        await file.get("ada")


@pytest.mark.parametrize("text", ["", "[]", '{"accounts": 1}', '{"accounts": [{"name": "x"}]}'])
async def test_a_damaged_file_is_refused(file: FileAccounts, text: str) -> None:
    file.file.write_text(text)
    file.file.chmod(0o600)
    with pytest.raises(AccessRulesError, match="is no file of accounts"):
        await file.get("ada")
