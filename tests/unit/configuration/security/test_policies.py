"""Policies by level, sealed copies, and what a level means for the running service."""

from __future__ import annotations

import base64
import itertools
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hxp_enterprise_llm.configuration.audit import AuditLog
from hxp_enterprise_llm.configuration.revisions import MemoryShelf, TamperedRevisionError
from hxp_enterprise_llm.configuration.secrets.errors import (
    SecretError,
    TamperedError,
    UnknownKeyError,
)
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security import ConfigurationSecurity, SecurityConfig
from hxp_enterprise_llm.configuration.security.policies import POLICIES
from hxp_enterprise_llm.configuration.security.sealing import (
    CredentialKeys,
    SealedShelf,
    open_record,
    seal_record,
)
from hxp_enterprise_llm.schemas.security import SecurityLevel

pytestmark = pytest.mark.feature("CC-04")

RECORD = b'{"database":{"host":"db-1","password":"file:secrets/db"}}'
OLD, NEW = Secret("a sealing credential of a test"), Secret("a newer credential of a test")
PATH = "revisions/test/gateway/main"


def test_there_is_a_policy_for_each_level() -> None:
    assert [level.value for level in POLICIES] == ["low", "medium", "high", "critical"]


def test_security_level_high_asks_for_more() -> None:
    high = SecurityConfig.model_validate({"security_level": "high"}).policy
    assert high.level is SecurityLevel.HIGH
    assert high.cipher == "AES-256-GCM"
    assert (high.signed, high.encrypted, high.tls, high.anonymous) == (True, True, True, False)
    assert (high.sessions.lifetime, high.sessions.idle) == (8 * 3600, 900)
    assert high.passwords.shortest == 14
    assert high.secrets.durable_reads
    assert not high.secrets.clear_text
    assert high.secrets.rotate_every == timedelta(days=90)
    assert high.keep_audit == timedelta(days=90)


@pytest.mark.parametrize(("lower", "higher"), list(itertools.pairwise(SecurityLevel)))
def test_no_level_asks_for_less_than_the_one_below(
    lower: SecurityLevel, higher: SecurityLevel
) -> None:
    one, other = POLICIES[lower], POLICIES[higher]
    assert other.sessions.lifetime <= one.sessions.lifetime
    assert other.sessions.idle <= one.sessions.idle
    assert other.passwords.shortest >= one.passwords.shortest
    assert other.passwords.memory_kib >= one.passwords.memory_kib
    assert other.keep_audit >= one.keep_audit
    assert (other.administrators or 99) <= (one.administrators or 99)
    for name in ("signed", "encrypted", "tls"):
        assert getattr(other, name) >= getattr(one, name)
    assert other.anonymous <= one.anonymous
    assert other.secrets.durable_reads >= one.secrets.durable_reads
    assert other.secrets.clear_text <= one.secrets.clear_text
    assert other.cipher == one.cipher == "AES-256-GCM"


async def test_a_stricter_level_holds_at_once(audit: AuditLog) -> None:
    async with ConfigurationSecurity(SecurityConfig(), audit=audit) as service:
        assert service.sessions.policy.lifetime == 12 * 3600
        await service.reload(SecurityConfig(security_level=SecurityLevel.HIGH))
        assert service.sessions.policy == POLICIES[SecurityLevel.HIGH].sessions
        assert service.passwords.policy.shortest == 14


def test_a_record_is_sealed_with_aes_256_and_bound_to_its_place() -> None:
    keys = CredentialKeys([OLD])
    assert len(keys.current()[1]) * 8 == 256
    sealed = seal_record(keys, PATH, RECORD, "7")
    assert sealed.isascii()
    assert b"db-1" not in sealed
    assert b"db-1" not in base64.b64decode(sealed.partition(b":")[2])
    assert open_record(keys, PATH, sealed, "7") == RECORD
    for path, bound in ((PATH, "8"), ("revisions/test/gateway/other", "7")):
        with pytest.raises(TamperedError):
            open_record(keys, path, sealed, bound)
    with pytest.raises(TamperedError, match="no base64"):
        open_record(keys, PATH, sealed + b"?", "7")


def test_a_new_credential_in_front_seals_and_the_old_one_opens() -> None:
    before = seal_record(CredentialKeys([OLD]), PATH, RECORD)
    both = CredentialKeys([NEW, OLD])
    assert open_record(both, PATH, before) == RECORD
    after = seal_record(both, PATH, RECORD)
    assert open_record(CredentialKeys([NEW]), PATH, after) == RECORD
    with pytest.raises(UnknownKeyError, match="no credential makes") as caught:
        open_record(CredentialKeys([NEW]), PATH, before)
    assert "a further one of `sealing`" in caught.value.next_step


async def test_a_shelf_keeps_nothing_in_clear_and_reads_what_was_there_before() -> None:
    inner = MemoryShelf()
    await inner.add({1: RECORD})
    shelf = SealedShelf(inner, CredentialKeys([OLD]), PATH)
    assert await shelf.newest() == (1, RECORD)
    assert await shelf.add({2: RECORD + b" "})
    assert not await shelf.add({2: RECORD})
    assert await shelf.read(3) is None
    assert await shelf.span(1, 2) == {1: RECORD, 2: RECORD + b" "}
    assert b"db-1" not in inner.records[2]
    assert shelf.name == inner.name
    inner.records[3] = inner.records[2]
    with pytest.raises(TamperedRevisionError, match="revision 3 of memory was changed after"):
        await shelf.read(3)


@settings(max_examples=60)
@given(st.data())
def test_a_bit_flipped_anywhere_in_a_sealed_record_is_found(data: st.DataObject) -> None:
    keys = CredentialKeys([OLD])
    head, _, text = seal_record(keys, PATH, RECORD).partition(b":")
    changed = bytearray(base64.b64decode(text))
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SecretError):
        open_record(keys, PATH, head + b":" + base64.b64encode(bytes(changed)))
