"""The audit log goes over several files in one chain, and tells its observers."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration import audit as module
from hxp_enterprise_llm.configuration.audit import (
    ROTATED,
    AuditError,
    AuditEvent,
    AuditLog,
    AuditRecord,
)
from hxp_enterprise_llm.testing.clock import Calendar

pytestmark = pytest.mark.feature("CC-07")


def event(resource: str = "configuration:hosts") -> AuditEvent:
    return AuditEvent("ada", "configuration.read", resource, "ok")


def test_the_new_file_begins_with_the_head_of_the_old_one(audit: AuditLog, tmp_path: Path) -> None:
    old = audit.append(event())
    head = audit.rotate(tmp_path / "old.jsonl")
    audit.append(event())
    first, second = audit.records()
    assert (first.event.action, first.event.resource) == (ROTATED, "old.jsonl")
    assert first.event.detail == {"head": str(head)}
    assert (head.number, head.digest) == (old.number, old.digest)
    assert second.previous == first.digest
    assert AuditLog(tmp_path / "old.jsonl").verify(head) == head
    for file in ("old.jsonl", "audit.jsonl"):
        assert (tmp_path / file).stat().st_mode & 0o777 == 0o600


def test_a_log_of_another_process_goes_on_in_the_new_file(audit: AuditLog, tmp_path: Path) -> None:
    other = AuditLog(audit.path)
    other.append(event("configuration:one"))
    audit.rotate(tmp_path / "old.jsonl")
    other.append(event("configuration:two"))
    assert [one.event.resource for one in audit.records()] == ["old.jsonl", "configuration:two"]
    other.close()


def test_nothing_is_lost_when_others_append_while_it_is_rotated(
    audit: AuditLog, tmp_path: Path
) -> None:
    def append(name: int) -> None:
        own = AuditLog(audit.path)
        for number in range(100):
            own.append(event(f"{name}/{number}"))
        own.close()

    threads = [threading.Thread(target=append, args=(name,)) for name in range(3)]
    for thread in threads:
        thread.start()
    heads = {f"{number}.jsonl": audit.rotate(tmp_path / f"{number}.jsonl") for number in range(10)}
    for thread in threads:
        thread.join()
    found = [one.event.resource for one in audit.records() if one.event.action != ROTATED]
    for name, head in heads.items():
        old = AuditLog(tmp_path / name)
        assert old.verify(head) == head, "the head that was noted is the last record"
        found += [one.event.resource for one in old.records() if one.event.action != ROTATED]
    assert sorted(found) == sorted(f"{name}/{n}" for name in range(3) for n in range(100))


def test_a_file_that_is_there_is_not_written_over(audit: AuditLog, tmp_path: Path) -> None:
    audit.append(event())
    (tmp_path / "old.jsonl").write_text("kept")
    with pytest.raises(AuditError, match="cannot be rotated"):
        audit.rotate(tmp_path / "old.jsonl")
    assert (tmp_path / "old.jsonl").read_text() == "kept"
    assert audit.append(event()).number == 2


def test_a_full_disk_leaves_the_log_as_it_was(
    audit: AuditLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit.append(event())

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module, "write_atomic", full)
        with pytest.raises(AuditError, match="No space left"):
            audit.rotate(tmp_path / "old.jsonl")
    assert not (tmp_path / "old.jsonl").exists()
    assert audit.append(event()).number == 2


def test_observers_are_told_of_each_record(audit: AuditLog, clock: Calendar) -> None:
    seen: list[AuditRecord] = []
    stop = audit.observe(seen.append)
    record = audit.append(event())
    stop()
    audit.append(event())
    assert seen == [record]
    assert record.at == clock()


def test_threads_that_share_a_log_do_not_break_its_chain(audit: AuditLog) -> None:
    def append() -> None:
        for _ in range(200):
            audit.append(event())

    threads = [threading.Thread(target=append) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert audit.verify().number == 800
