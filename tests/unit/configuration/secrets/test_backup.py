"""Backups: whole or refused, of one environment, under one passphrase (CX-05)."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.configuration.secrets.conftest import FORMATS, NOON, PASSPHRASE, Make, Now, outcomes

from hxp_enterprise_llm.configuration.secrets.backends.memory import Memory
from hxp_enterprise_llm.configuration.secrets.backends.sealed import SealedFile
from hxp_enterprise_llm.configuration.secrets.backup import Contents, Saved, pack, unpack
from hxp_enterprise_llm.configuration.secrets.errors import (
    SecretError,
    SecretNotFoundError,
    SecretRefusedError,
    TamperedError,
    WrongPassphraseError,
)
from hxp_enterprise_llm.configuration.secrets.rules import MadeBy, RotationRule
from hxp_enterprise_llm.configuration.secrets.secret import Secret


@pytest.mark.feature("CX-05")
async def test_a_backup_restores_values_and_their_ages(
    make: Make, sealed: SealedFile, now: Now, log: Path
) -> None:
    manager = make(sealed)
    await manager.set("a", Secret("1"), actor="ann")
    await manager.set("b", Secret("2"), actor="ann")
    data = await manager.backup(PASSPHRASE, actor="ann")
    await manager.remove("a", actor="ann")
    await manager.set("b", Secret("changed"), actor="ann")
    now.time += timedelta(days=10)
    looked = await manager.restore(data, PASSPHRASE, actor="ann", dry_run=True)
    assert (looked.made_at, looked.new, looked.other) == (NOON, ("a",), ("b",))
    with pytest.raises(SecretRefusedError, match="have other values or rules now: b"):
        await manager.restore(data, PASSPHRASE, actor="ann")
    with pytest.raises(SecretNotFoundError):
        await manager.get("a", actor="ann")
    await manager.restore(data, PASSPHRASE, actor="ann", replace=True)
    assert (await manager.get("b", actor="ann")).reveal() == "2"
    assert (await manager.info("a", actor="ann")).made_at == NOON
    again = await manager.restore(data, PASSPHRASE, actor="ann")
    assert again.same == ("a", "b")
    assert ("secret.backup", "generated:*", "ok") in outcomes(log)
    assert ("secret.backup", "generated:restore", "failed") in outcomes(log)


RULE = RotationRule(MadeBy.GENERATED, 30, "/bin/hook")
SAVED = [
    Saved("a", Secret("canary-one"), NOON, RULE),
    Saved("b", Secret("canary-two"), None),
]
CONTENTS = Contents(NOON, "local", tuple(SAVED))
BACKUP = pack(CONTENTS, PASSPHRASE, cost=2)


@pytest.mark.feature("CX-05")
@settings(max_examples=200)
@given(bit=st.integers(0, len(BACKUP) * 8 - 1))
def test_a_bit_flipped_anywhere_in_a_backup_gives_no_other_value(bit: int) -> None:
    changed = bytearray(BACKUP)
    changed[bit // 8] ^= 1 << bit % 8
    try:
        found = unpack(bytes(changed), PASSPHRASE)
    except (SecretError, SecretRefusedError):
        return
    # White space between the parts of a document says nothing.
    assert found == CONTENTS


@pytest.mark.feature("CX-05")
def test_a_backup_that_lacks_an_entry_or_has_them_exchanged_is_refused() -> None:
    document = json.loads(BACKUP)
    entries = document["entries"]
    lacking = json.dumps({**document, "entries": {"a": entries["a"]}}).encode()
    with pytest.raises(TamperedError, match="lacks, or has too many of, these secrets: b"):
        unpack(lacking, PASSPHRASE)
    exchanged = {"a": entries["b"], "b": entries["a"]}
    with pytest.raises(TamperedError):
        unpack(json.dumps({**document, "entries": exchanged}).encode(), PASSPHRASE)


@pytest.mark.parametrize(
    "wrong",
    [
        b"no json",
        b"[]",
        b'{"format": "other"}',
        BACKUP.replace(b'"cost": 2', b'"cost": 3'),
        BACKUP.replace(b'"cost": 2', b'"cost": 2097152'),
        BACKUP.replace(b'"scrypt"', b'"md5"'),
    ],
)
def test_what_is_no_backup_is_refused_before_any_work(wrong: bytes) -> None:
    with pytest.raises(SecretRefusedError, match="is no backup"):
        unpack(wrong, PASSPHRASE)


def test_a_backup_shows_nothing_and_needs_a_real_passphrase() -> None:
    assert b"canary" not in BACKUP
    with pytest.raises(WrongPassphraseError, match="not the one that this backup was sealed"):
        unpack(BACKUP, Secret("another passphrase"))
    with pytest.raises(SecretRefusedError, match="fewer than 12"):
        pack(CONTENTS, Secret("short"))


@pytest.mark.feature("CX-05")
async def test_a_wrong_passphrase_and_a_changed_backup_are_told_apart_and_write_nothing(
    make: Make, sealed: SealedFile
) -> None:
    manager = make(sealed)
    await manager.set("a", Secret("1"), actor="ann")
    data = await manager.backup(PASSPHRASE, actor="ann")
    before = sealed.store.file.read_bytes()
    with pytest.raises(WrongPassphraseError) as wrong:
        await manager.restore(data, Secret("another passphrase"), actor="ann", replace=True)
    assert "Try it again" in wrong.value.next_step
    document = json.loads(data)
    document["entries"]["a"] = document["manifest"]
    with pytest.raises(TamperedError, match="secret a cannot be opened"):
        await manager.restore(json.dumps(document).encode(), PASSPHRASE, actor="ann", replace=True)
    document = json.loads(data)
    document["manifest"] = document["entries"]["a"]
    with pytest.raises(TamperedError, match="the backup was changed"):
        await manager.restore(json.dumps(document).encode(), PASSPHRASE, actor="ann", replace=True)
    assert sealed.store.file.read_bytes() == before


@pytest.mark.feature("CX-05")
async def test_a_backup_of_another_environment_is_refused_unless_it_is_meant(
    make: Make, sealed: SealedFile
) -> None:
    data = pack(Contents(NOON, "production", tuple(SAVED)), PASSPHRASE)
    manager = make(sealed, environment="local")
    with pytest.raises(SecretRefusedError, match="of environment production, not of local"):
        await manager.restore(data, PASSPHRASE, actor="ann")
    assert await manager.list(actor="ann") == ()
    done = await manager.restore(data, PASSPHRASE, actor="ann", foreign=True)
    assert (done.environment, done.new) == ("production", ("a", "b"))


@pytest.mark.feature("CX-05")
async def test_a_dry_run_says_what_would_be_written_and_writes_nothing(
    make: Make, sealed: SealedFile
) -> None:
    manager = make(sealed, environment="local")
    await manager.set("b", Secret("other"), actor="ann")
    before = sealed.store.file.read_bytes()
    looked = await manager.restore(BACKUP, PASSPHRASE, actor="ann", dry_run=True)
    assert (looked.new, looked.same, looked.other) == (("a",), (), ("b",))
    assert sealed.store.file.read_bytes() == before


async def test_a_backup_brings_rules_of_rotation_back(make: Make, sealed: SealedFile) -> None:
    manager = make(sealed)
    await manager.restore(BACKUP, PASSPHRASE, actor="ann")
    assert (await manager.info("a", actor="ann")).rule == RULE
    assert (await manager.info("a", actor="ann")).version == 1


@pytest.mark.feature("CX-05")
async def test_a_rule_that_came_later_goes_with_the_restore(make: Make, sealed: SealedFile) -> None:
    for backend in (Memory(), sealed):
        manager = make(backend)
        await manager.set("a", Secret("1"), actor="ann")
        data = await manager.backup(PASSPHRASE, actor="ann")
        later = RotationRule(MadeBy.GENERATED, 7, "/bin/hook")
        await manager.set_rule("a", later, actor="ann")
        # The value is the same: the rule alone is another one.
        with pytest.raises(SecretRefusedError, match="other values or rules now: a"):
            await manager.restore(data, PASSPHRASE, actor="ann")
        await manager.set("a", Secret("2"), actor="ann")
        await manager.restore(data, PASSPHRASE, actor="ann", replace=True)
        info = await manager.info("a", actor="ann")
        assert info.rule == RotationRule(MadeBy.GIVEN)
        assert (await manager.get("a", actor="ann")).reveal() == "1"


@pytest.mark.feature("CX-05")
def test_a_backup_of_the_first_format_is_read() -> None:
    """A file that the version before wrote: no check of the key, no environment, times only."""
    data = (FORMATS / "backup-1.json").read_bytes()
    found = unpack(data, PASSPHRASE)
    assert (found.made_at, found.environment) == (NOON, "")
    assert [(item.path, item.value.reveal(), item.made_at) for item in found.secrets] == [
        ("a", "aaa", NOON),
        ("b", "bbb", None),
    ]
    with pytest.raises(TamperedError, match="passphrase is another one"):
        unpack(data, Secret("another passphrase"))
