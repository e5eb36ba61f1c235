"""Policies by level, sealed copies, and what a level means for the running service."""

from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hxp_enterprise_llm.configuration.audit import AuditLog
from hxp_enterprise_llm.configuration.secrets.errors import (
    SecretError,
    TamperedError,
    UnknownKeyError,
)
from hxp_enterprise_llm.configuration.secrets.keyring import KeyRing
from hxp_enterprise_llm.configuration.security import ConfigurationSecurity, SecurityConfig
from hxp_enterprise_llm.configuration.security.copies import open_copy, seal_copy
from hxp_enterprise_llm.configuration.security.policies import POLICIES
from hxp_enterprise_llm.configuration.snapshot import canonical, revision_of
from hxp_enterprise_llm.schemas.security import SecurityLevel

pytestmark = pytest.mark.feature("CC-04")

DOCUMENT = {"database": {"host": "db-1", "password": "file:secrets/db"}}
TEXT = canonical(DOCUMENT)


class Keys:
    """A ring of one key in memory."""

    def current(self) -> tuple[str, bytes]:
        return "k1", bytes(range(32))

    def find(self, key_id: str) -> bytes:
        if key_id != "k1":
            raise UnknownKeyError(f"no key {key_id}")
        return bytes(range(32))


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


def test_a_copy_is_sealed_with_aes_256_and_bound_to_its_revision(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "secrets.key")
    identity, sealed = seal_copy(ring, TEXT)
    assert identity == revision_of(DOCUMENT)
    assert len(ring.current()[1]) * 8 == 256
    assert b"db-1" not in sealed
    assert open_copy(ring, identity, sealed) == TEXT
    other, _ = seal_copy(ring, canonical({"database": {}}))
    with pytest.raises(TamperedError):
        open_copy(ring, other, sealed)


@settings(max_examples=60)
@given(st.data())
def test_a_bit_flipped_anywhere_in_a_copy_is_found(data: st.DataObject) -> None:
    identity, sealed = seal_copy(Keys(), TEXT)
    changed = bytearray(sealed)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SecretError):
        open_copy(Keys(), identity, bytes(changed))
