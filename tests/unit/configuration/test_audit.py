"""The audit log: appended only, chained, shared by processes, mended after a crash (CX-05)."""

from __future__ import annotations

import errno
import json
import os
import resource
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hxp_enterprise_llm.configuration.audit import AuditError, AuditEvent, AuditLog, Head

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def event(resource: str = "generated:a", outcome: str = "ok") -> AuditEvent:
    return AuditEvent("person:ann", "secret.read", resource, outcome, {"how": "cached"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.mark.feature("CX-05")
def test_records_say_who_did_what_to_what_when_and_how_it_ended(path: Path) -> None:
    log = AuditLog(path, clock=lambda: NOON)
    log.append(event())
    log.append(event("vault:kv/b#c", "denied"), durable=True)
    first, second = log.records()
    assert (first.number, first.at, first.event) == (1, NOON, event())
    assert second.event.outcome == "denied"
    assert second.previous == first.digest
    assert path.stat().st_mode & 0o777 == 0o600
    assert log.verify() == log.head() == Head(2, second.digest)


@pytest.mark.feature("CX-05")
def test_a_changed_removed_added_or_moved_record_is_found(path: Path) -> None:
    log = AuditLog(path)
    for name in "abcd":
        log.append(event(f"generated:{name}"))
    lines = path.read_text().splitlines(keepends=True)
    changed = [*lines[:1], lines[1].replace("generated:b", "generated:x"), *lines[2:]]
    for wrong in (changed, lines[1:], [*lines[:1], *lines[2:]], [lines[1], lines[0], *lines[2:]]):
        path.write_text("".join(wrong))
        with pytest.raises(AuditError, match="record"):
            AuditLog(path).verify()
    path.write_text("".join(lines))
    assert AuditLog(path).verify().number == 4


@given(bit=st.integers(min_value=0, max_value=10_000))
def test_a_bit_flipped_anywhere_is_found(
    tmp_path_factory: pytest.TempPathFactory, bit: int
) -> None:
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    log = AuditLog(path, clock=lambda: NOON)
    log.append(event())
    log.append(event())
    log.close()
    data = bytearray(path.read_bytes())
    place = bit % (len(data) * 8)
    data[place // 8] ^= 1 << place % 8
    path.write_bytes(bytes(data))
    with pytest.raises(AuditError):
        AuditLog(path).verify()


@pytest.mark.feature("CX-05")
def test_lines_cut_off_at_the_end_are_found_by_a_noted_head(path: Path) -> None:
    log = AuditLog(path)
    log.append(event())
    log.append(event())
    noted = log.head()
    path.write_text(path.read_text().splitlines(keepends=True)[0])
    with pytest.raises(AuditError, match="cut off or replaced"):
        AuditLog(path).verify(noted)


def test_with_a_key_nobody_else_writes_the_chain_anew(path: Path) -> None:
    AuditLog(path, key=b"k" * 32).append(event())
    assert AuditLog(path, key=b"k" * 32).verify().number == 1
    with pytest.raises(AuditError, match="record 1 was changed"):
        AuditLog(path).verify()


def test_several_writers_make_one_chain(path: Path) -> None:
    def write() -> None:
        log = AuditLog(path)
        for _ in range(25):
            log.append(event())
        log.close()

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert AuditLog(path).verify().number == 100


def test_a_record_that_a_crash_cut_in_two_gives_way_to_the_next(path: Path) -> None:
    log = AuditLog(path)
    log.append(event())
    with path.open("ab") as file:
        file.write(b'{"number":2,"at":"20')
    log.append(event("generated:b"))
    assert [record.event.resource for record in AuditLog(path).records()] == [
        "generated:a",
        "generated:b",
    ]


def test_a_log_that_was_moved_away_begins_anew(path: Path) -> None:
    log = AuditLog(path)
    log.append(event())
    path.rename(path.with_suffix(".old"))
    log.append(event())
    assert AuditLog(path).verify().number == 1


@pytest.mark.parametrize("content", ["no record\n", "[]\n", "x" * 9000 + "\n"])
def test_a_file_that_is_no_log_is_refused(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(AuditError):
        AuditLog(path).append(event())
    assert path.read_text() == content


def test_a_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "none" / "audit.jsonl")
    with pytest.raises(AuditError, match="nothing is read without it"):
        log.append(event())


def test_a_missing_log_is_an_empty_one(path: Path) -> None:
    assert AuditLog(path).verify() == Head(0, "0" * 64)
    assert str(Head(1, "ab")) == "1:ab"


def test_no_text_of_an_event_breaks_out_of_its_line(path: Path) -> None:
    AuditLog(path).append(event('a\n{"number": 2}\u2028'))
    assert len(path.read_bytes().splitlines()) == 1
    assert json.loads(path.read_text())["resource"] == 'a\n{"number": 2}\u2028'


def test_closing_gives_back_the_file(path: Path) -> None:
    log = AuditLog(path)
    log.append(event())
    before = len(list(Path("/proc/self/fd").iterdir()))
    log.close()
    log.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before - 1


@pytest.mark.feature("CX-05")
def test_a_record_that_a_full_disk_cuts_is_refused_and_taken_back(path: Path) -> None:
    log = AuditLog(path)
    log.append(event())
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, limits[1]))
    try:
        with pytest.raises(AuditError, match="No space left"):
            log.append(event("generated:b"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    log.append(event("generated:c"))
    assert [record.event.resource for record in log.records()] == ["generated:a", "generated:c"]


@pytest.mark.feature("CX-05")
def test_a_record_that_does_not_reach_the_disk_is_taken_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    log = AuditLog(path)
    log.append(event())
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        with pytest.raises(AuditError, match="Input/output error"):
            log.append(event("generated:b"), durable=True)
    assert path.read_bytes() == before
    log.append(event("generated:c"), durable=True)
    assert log.verify().number == 2


@pytest.mark.feature("CX-05")
@pytest.mark.parametrize("torn", [b"", b'{"number":3,"at":"20'])
def test_a_long_record_at_the_end_keeps_no_other_process_out(path: Path, torn: bytes) -> None:
    log = AuditLog(path)
    log.append(event())
    detail = {str(number): "x" * 1000 for number in range(100)}
    log.append(AuditEvent("person:ann", "secret.read", "generated:a", "ok", detail))
    with path.open("ab") as file:
        file.write(torn)
    AuditLog(path).append(event("generated:b"))
    assert AuditLog(path).verify().number == 3


@pytest.mark.feature("CX-05")
def test_a_text_without_end_is_cut_with_a_mark(path: Path) -> None:
    AuditLog(path).append(event("r" * 5000))
    (record,) = AuditLog(path).records()
    assert record.event.resource == "r" * 4096 + "… (904 more characters)"


@pytest.mark.feature("CX-05")
def test_a_log_that_is_cut_while_it_is_open_is_not_gone_on_with(path: Path) -> None:
    log = AuditLog(path)
    log.append(event())
    log.append(event("generated:b"))
    first = path.read_bytes().splitlines(keepends=True)[0]
    path.write_bytes(first)
    for _ in range(2):
        with pytest.raises(AuditError, match="record 2 was cut off"):
            log.append(event("generated:c"))
    assert path.read_bytes() == first


def test_a_file_that_is_no_log_is_refused_the_second_time_too(path: Path) -> None:
    path.write_text("no record\n")
    log = AuditLog(path)
    for _ in range(2):
        with pytest.raises(AuditError, match="no record"):
            log.append(event())
    assert path.read_text() == "no record\n"
