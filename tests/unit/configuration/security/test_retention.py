"""Audit records are kept for 90 days, exported with their hash, and deleted only then."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.audit import AuditError, AuditEvent, AuditLog
from hxp_enterprise_llm.configuration.security.errors import RetentionError
from hxp_enterprise_llm.configuration.security.retention import (
    MANIFEST,
    FolderExports,
    Retention,
    RetentionPolicy,
)
from hxp_enterprise_llm.testing.clock import Calendar

pytestmark = pytest.mark.feature("CC-07")


@pytest.fixture
def exports(tmp_path: Path) -> FolderExports:
    folder = tmp_path / "exports"
    folder.mkdir()
    return FolderExports(folder)


@pytest.fixture
def retention(audit: AuditLog, exports: FolderExports, clock: Calendar) -> Retention:
    return Retention(audit, exports, clock=clock)


@pytest.fixture
def live(retention: Retention, clock: Calendar) -> Callable[[int], None]:
    """Live through days with one event each; retention runs every day."""

    def days(count: int) -> None:
        for _ in range(count):
            retention.audit.append(AuditEvent("ada", "configuration.read", f"{clock():%F}", "ok"))
            retention.run()
            clock.forward(days=1)

    return days


def seen(retention: Retention) -> list[str]:
    events = (one.event for one in retention.records())
    return [one.resource for one in events if one.action == "configuration.read"]


def test_records_are_kept_for_90_days() -> None:
    assert RetentionPolicy().keep == timedelta(days=90).total_seconds()


def test_nothing_is_deleted_for_90_days(
    retention: Retention, live: Callable[[int], None], exports: FolderExports, clock: Calendar
) -> None:
    begin = clock()
    live(90)
    assert list(exports.folder.iterdir()) == []
    assert seen(retention) == [f"{begin + timedelta(days=n):%F}" for n in range(90)]


def test_older_records_are_exported_with_their_hash_and_then_deleted(
    retention: Retention, live: Callable[[int], None], exports: FolderExports, clock: Calendar
) -> None:
    begin = clock()
    live(100)
    kept = seen(retention)
    assert kept[-1] == f"{clock() - timedelta(days=1):%F}"
    assert kept[0] >= f"{clock() - timedelta(days=92):%F}"
    manifests = sorted(exports.folder.glob(f"*{MANIFEST}"))
    assert len(manifests) >= 7
    days, follows = [], ""
    for file in manifests:
        said = json.loads(file.read_text())
        segment = exports.folder / said["segment"]
        content = segment.read_bytes()
        assert said["sha256"] == hashlib.sha256(content).hexdigest()
        assert said["records"] == content.count(b"\n")
        assert said["follows"] == follows
        assert str(AuditLog(segment).verify()) == said["head"]
        follows = said["head"]
        days += [
            one.event.resource
            for one in AuditLog(segment).records()
            if one.event.action == "configuration.read"
        ]
    whole = [f"{begin + timedelta(days=n):%F}" for n in range(100)]
    assert days + kept == whole, "each record is in the exports or in the log, once"


def test_deletion_is_itself_on_record(retention: Retention, live: Callable[[int], None]) -> None:
    live(95)
    found = [one.event for one in retention.records() if one.event.action.startswith("audit.")]
    deleted = [one.resource for one in found if one.action == "audit.deleted"]
    exported = [one.resource for one in found if one.action == "audit.exported"]
    assert deleted
    assert deleted == exported
    assert all(len(one.detail["sha256"]) == 64 for one in found if one.action == "audit.deleted")


class Failing(FolderExports):
    """A place of exports with a fault that a test sets."""

    fault = ""

    def write(self, name: str, content: bytes) -> None:
        if self.fault == "write" or (self.fault == "manifest" and name.endswith(MANIFEST)):
            raise OSError(28, "No space left on device")
        super().write(name, content[:-1] if self.fault == "cut" else content)

    def read(self, name: str) -> bytes:
        if self.fault == "read":
            raise OSError(5, "Input/output error")
        content = super().read(name)
        return content.replace(b"ada", b"eva") if self.fault == "changed" else content


@pytest.mark.parametrize("fault", ["write", "manifest", "cut", "read", "changed"])
def test_nothing_is_deleted_when_the_export_failed(
    audit: AuditLog, exports: FolderExports, clock: Calendar, fault: str
) -> None:
    failing = Failing(exports.folder)
    retention = Retention(audit, failing, clock=clock)
    audit.append(AuditEvent("ada", "configuration.read", "one", "ok"))
    clock.forward(days=1)
    retention.run()
    clock.forward(days=90)
    failing.fault = fault
    with pytest.raises(RetentionError, match="cannot be exported"):
        retention.run()
    assert seen(retention) == ["one"]
    assert [one.event.outcome for one in retention.records()][-1] == "failed"
    failing.fault = ""
    assert retention.run()[0].records == 1
    assert seen(retention) == []
    assert retention.verify() > 0


def test_a_folder_that_is_away_is_no_empty_folder(
    audit: AuditLog, tmp_path: Path, clock: Calendar
) -> None:
    retention = Retention(audit, FolderExports(tmp_path / "mount"), clock=clock)
    audit.append(AuditEvent("ada", "configuration.read", "one", "ok"))
    clock.forward(days=1)
    retention.run()
    clock.forward(days=90)
    with pytest.raises(RetentionError, match="No such file or directory"):
        retention.run()
    assert seen(retention) == ["one"]


@pytest.mark.feature("CC-05")
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_segment_that_was_taken_away_is_missed(
    retention: Retention, live: Callable[[int], None], which: int
) -> None:
    live(95)
    whole = retention.verify()
    assert whole > 95
    retention.segments()[which].unlink()
    with pytest.raises(AuditError, match="segment was taken away"):
        retention.verify()


@pytest.mark.feature("CC-05")
def test_a_changed_segment_is_neither_exported_nor_deleted(
    retention: Retention, live: Callable[[int], None], clock: Calendar
) -> None:
    live(5)
    segment = retention.segments()[0]
    segment.write_text(segment.read_text().replace("ada", "eva"))
    clock.forward(days=90)
    for refused in (retention.verify, retention.run):
        with pytest.raises(AuditError, match="was changed"):
            refused()
    assert segment.exists()


def test_a_crash_while_it_was_rotated_loses_nothing(
    retention: Retention, live: Callable[[int], None], clock: Calendar
) -> None:
    live(3)
    path = retention.audit.path
    os.link(path, path.with_name("audit-20261201T000000Z.jsonl"))
    before = seen(retention)
    clock.forward(days=1)
    retention.run()
    assert seen(retention) == before
    clock.forward(days=91)
    retention.run()
    assert retention.verify() > 0


def test_an_empty_segment_is_evidence(retention: Retention, live: Callable[[int], None]) -> None:
    live(2)
    retention.audit.path.with_name("audit-20200101T000000Z.jsonl").touch()
    with pytest.raises(AuditError, match="empty segment"):
        retention.run()


def test_a_log_with_a_key_is_kept_the_same_way(
    tmp_path: Path, exports: FolderExports, clock: Calendar
) -> None:
    log = AuditLog(tmp_path / "keyed.jsonl", key=b"k" * 32, clock=clock)
    retention = Retention(log, exports, clock=clock)
    for _ in range(93):
        log.append(AuditEvent("ada", "configuration.read", "one", "ok"))
        retention.run()
        clock.forward(days=1)
    assert retention.verify() > 90
    assert len(list(exports.folder.iterdir())) >= 2
    log.close()


def test_an_empty_log_needs_no_retention(retention: Retention) -> None:
    assert retention.run() == ()
    assert retention.verify() == 0


def test_a_crash_between_export_and_deletion_is_no_loss(
    retention: Retention,
    live: Callable[[int], None],
    clock: Calendar,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    live(3)
    clock.forward(days=90)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            retention.run()
    assert retention.verify() > 0
    segment = retention.segments()[0]
    segment.unlink()
    assert retention.verify() > 0, "it was exported, only its deletion is not on record"
    retention.run()
    assert segment not in retention.segments()
