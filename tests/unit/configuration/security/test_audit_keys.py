"""The audit log's chain has a key; a new one begins a segment, and what was written stays whole."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.audit import AuditError, AuditEvent, AuditLog
from hxp_enterprise_llm.configuration.secrets.errors import SecretRefusedError
from hxp_enterprise_llm.configuration.security.audit_keys import KEPT, OWN, keyed_log
from hxp_enterprise_llm.configuration.security.retention import FolderExports, Retention
from hxp_enterprise_llm.testing.clock import Calendar

pytestmark = pytest.mark.feature("CC-07")
ONE, TWO = b"the first key of a test", b"the second key of a test"
EVENT = AuditEvent("ada", "configuration.apply", "configuration:a", "ok")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def whole(log: AuditLog) -> int:
    """Return how many records the chain over all segments has."""
    return Retention(log, FolderExports(log.path.parent)).verify()


def write(path: Path, key: bytes | None, records: int, clock: Calendar) -> AuditLog:
    log = keyed_log(path, key, clock=clock)
    for _ in range(records):
        log.append(EVENT)
    log.close()
    clock.forward(hours=1)
    return log


def test_without_the_key_a_record_cannot_be_written_anew(path: Path, clock: Calendar) -> None:
    log = write(path, ONE, 3, clock)
    assert whole(log) == 3
    path.write_text("")
    forged = AuditLog(path, clock=clock)
    for _ in range(3):
        forged.append(EVENT)
    forged.close()
    with pytest.raises(AuditError, match="record 1 was changed"):
        whole(log)


def test_a_new_key_begins_a_segment_and_all_of_the_chain_is_verified(
    path: Path, clock: Calendar
) -> None:
    write(path, ONE, 3, clock)
    log = write(path, TWO, 2, clock)
    assert len(list(path.parent.glob("audit-*.jsonl"))) == 1
    assert whole(log) == 3 + 1 + 2
    assert whole(write(path, TWO, 1, clock)) == 7
    assert (path.parent / KEPT).stat().st_mode & 0o777 == 0o600


def test_who_learns_the_older_key_changes_nothing_that_is_not_seen(
    path: Path, clock: Calendar
) -> None:
    write(path, ONE, 3, clock)
    log = write(path, TWO, 1, clock)
    (segment,) = path.parent.glob("audit-*.jsonl")
    segment.unlink()
    forged = AuditLog(segment, key=ONE, clock=clock)
    for _ in range(3):
        forged.append(AuditEvent("eve", "configuration.apply", "configuration:a", "ok"))
    forged.close()
    with pytest.raises(AuditError, match="does not end so"):
        whole(log)


def test_the_log_that_is_written_to_has_todays_key(path: Path, clock: Calendar) -> None:
    write(path, ONE, 1, clock)
    log = write(path, TWO, 1, clock)
    path.unlink()
    forged = AuditLog(path, key=ONE, clock=clock)
    forged.append(EVENT)
    forged.close()
    with pytest.raises(AuditError, match="record 1 was changed"):
        whole(log)


def test_a_log_that_was_begun_without_a_key_goes_on_with_one(path: Path, clock: Calendar) -> None:
    log = AuditLog(path, clock=clock)
    log.append(EVENT)
    log.close()
    keyed = write(path, ONE, 1, clock)
    assert whole(keyed) == 3
    assert keyed.fits()
    # Whoever begins it anew without a key is found out: that was accepted once.
    assert whole(write(path, TWO, 1, clock)) == 5


def test_a_rotation_that_a_crash_cut_is_finished(path: Path, clock: Calendar) -> None:
    write(path, ONE, 2, clock)
    os.link(path, path.with_name("audit-20261118T115900000000Z.jsonl"))
    assert whole(write(path, TWO, 1, clock)) == 4


def test_without_a_given_key_it_makes_one_of_its_own(path: Path, clock: Calendar) -> None:
    log = write(path, None, 2, clock)
    own = path.with_name(OWN)
    assert own.stat().st_mode & 0o777 == 0o600
    assert len(bytes.fromhex(own.read_text().strip())) == 32
    assert not AuditLog(path).fits()
    assert whole(write(path, None, 1, clock)) == 3
    assert whole(log) == 3
    own.chmod(0o640)
    with pytest.raises(SecretRefusedError, match="can be read by others"):
        keyed_log(path, None, clock=clock)


@pytest.mark.parametrize("text", ["", "{}", json.dumps({"keys": ["xyz"]})])
def test_keys_that_cannot_be_read_are_told_of(path: Path, clock: Calendar, text: str) -> None:
    write(path, ONE, 1, clock)
    path.with_name(KEPT).write_text(text)
    with pytest.raises(AuditError, match="cannot be read"):
        keyed_log(path, TWO, clock=clock)
