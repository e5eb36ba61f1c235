"""The journal of migrations: a kill or a full disk leaves file and history true."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.audit import AuditError
from hxp_enterprise_llm.configuration.migration import MigrationError
from hxp_enterprise_llm.configuration.migration import journal as journals
from hxp_enterprise_llm.configuration.migration.files import FileMigrator
from hxp_enterprise_llm.configuration.migration.journal import Outcome
from hxp_enterprise_llm.utilities.files import write_atomic

ROOT = Path(__file__).resolve().parents[4]
OLD = "integration_services:\n  database: {host: 10.0.0.5}\n"


@pytest.fixture
def migrator(tmp_path: Path) -> FileMigrator:
    return FileMigrator(tmp_path / "migrations")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(OLD)
    return path


@pytest.mark.feature("CM-03")
def test_a_migration_that_is_killed_between_any_two_calls_leaves_a_true_history(
    tmp_path: Path,
) -> None:
    program = "tests.unit.configuration.migration.killed"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", program, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    found = [tuple(line.split()) for line in done.stdout.splitlines()]
    # Keeping the old texts, noting, writing and noting again are more than forty calls.
    assert len(found) > 40
    assert found[-1] == ("new,new", "ok,ok", "new,new", "ok,ok", "-")
    assert set(found) == {
        # Before the notes: nothing happened, and nothing is told.
        ("old,old", "-", "old,old", "-", "-"),
        # Between the first note and the first rename.
        ("old,old", "undone", "old,old", "undone", "-"),
        ("old,old", "undone,undone", "old,old", "undone,undone", "-"),
        # Between the two renames: what was written is put back.
        ("new,old", "ok,undone", "old,old", "undone,undone", "-"),
        # After both the records are there, whether their ends were noted or not.
        ("new,new", "ok,ok", "new,new", "ok,ok", "-"),
    }


@pytest.mark.feature("CM-03")
def test_a_history_whose_last_line_was_cut_by_a_kill_is_read(
    migrator: FileMigrator, file: Path
) -> None:
    migrator.apply(migrator.plan(file), actor="ann")
    with (migrator.journal.folder / "history.jsonl").open("ab") as log:
        log.write(b'{"number":3,"at":"20')
    assert [item.outcome for item in migrator.history()] == [Outcome.OK]


def test_what_was_killed_and_then_edited_is_told_as_unknown(
    migrator: FileMigrator, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, content: bytes, *, mode: int) -> None:
        if path == file:
            raise KeyboardInterrupt
        write_atomic(path, content, mode=mode)

    plan = migrator.plan(file)
    monkeypatch.setattr(journals, "write_atomic", killed)
    with pytest.raises(KeyboardInterrupt):
        migrator.apply(plan, actor="ann")
    monkeypatch.undo()
    assert [item.outcome for item in migrator.history()] == [Outcome.UNDONE]
    file.write_text(f"{OLD}# Edited.\n")
    assert [item.outcome for item in migrator.history()] == [Outcome.UNKNOWN]
    file.unlink()
    assert [item.outcome for item in migrator.history()] == [Outcome.UNKNOWN]
    # The text of before is kept all the same.
    (entry,) = migrator.history()
    assert entry.old.read_text() == OLD
    # The next migration notes that end, and takes away what the killed one left; no more.
    file.write_text(f"{OLD}# Edited.\n")
    left, mine = (file.with_name(f".site.yaml.{end}") for end in ("ab_c1234", "ab_c1234.bak"))
    for path in (left, mine):
        path.touch()
    migrator.apply(migrator.plan(file), actor="bob")
    assert [item.outcome for item in migrator.history()] == [Outcome.UNKNOWN, Outcome.OK]
    assert (left.exists(), mine.exists()) == (False, True)


@pytest.mark.feature("CM-03")
def test_a_full_disk_leaves_the_file_as_it_was_and_says_so(
    migrator: FileMigrator, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = migrator.plan(file)
    real = os.fsync
    left = [2]  # the text of before and the note have room, the file has none

    def full(handle: int) -> None:
        left[0] -= 1
        if left[0] == -1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MigrationError, match=r"is as it was: .*No space left") as caught:
        migrator.apply(plan, actor="ann")
    assert caught.value.next_step == "Make room, or mend permissions, and migrate again."
    assert file.read_text() == OLD
    assert [item.outcome for item in migrator.history()] == [Outcome.UNDONE]
    migrator.apply(plan, actor="ann")
    assert [item.outcome for item in migrator.history()] == [Outcome.UNDONE, Outcome.OK]


@pytest.mark.feature("CM-03")
def test_no_file_is_touched_when_the_journal_was_changed(
    migrator: FileMigrator, file: Path
) -> None:
    migrator.apply(migrator.plan(file), actor="ann")
    text = file.read_text()
    log = migrator.journal.folder / "history.jsonl"
    log.write_text(log.read_text().replace("ann", "eve"))
    with pytest.raises(AuditError, match="was changed"):
        migrator.apply(migrator.plan(file, 0), actor="bob")
    assert file.read_text() == text
    with pytest.raises(AuditError, match="was changed"):
        migrator.history()


@pytest.mark.feature("CM-03")
def test_of_two_migrations_at_once_the_second_is_told_that_it_came_late(
    migrator: FileMigrator, file: Path
) -> None:
    plan = migrator.plan(file)
    other = FileMigrator(migrator.journal.folder)
    told: list[str] = []

    def late() -> None:
        try:
            other.apply(plan, actor="bob")
        except MigrationError as error:
            told.append(error.message)

    with migrator.journal.alone():
        second = threading.Thread(target=late)
        second.start()
        # It waits for whoever migrates now.
        second.join(timeout=0.2)
        assert second.is_alive()
        file.write_text(f"{OLD}# Mine.\n")
    second.join()
    assert told == [f"{file} was changed in the meantime"]
    assert file.read_text() == f"{OLD}# Mine.\n"
    assert migrator.history() == ()
