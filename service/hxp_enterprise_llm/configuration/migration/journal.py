"""Journal of migrations: what is to be done is noted before a file is touched, then its end.

Whoever is killed in between leaves a note without an end; the file's content tells which it was.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from hxp_enterprise_llm.configuration.audit import AuditEvent, AuditLog, AuditRecord
from hxp_enterprise_llm.configuration.diagnostics import shown
from hxp_enterprise_llm.configuration.migration.versions import MigrationError
from hxp_enterprise_llm.utilities.files import write_atomic

ACTION = "configuration.migrate"
_STARTED = "started"


class Outcome(StrEnum):
    """What became of a migration."""

    OK = "ok"
    """The file was rewritten."""
    UNDONE = "undone"
    """The file is as it was: writing it failed, or whoever wrote it was killed before."""
    UNKNOWN = "unknown"
    """Whoever wrote it was killed, and the file says something else since."""


@dataclass(frozen=True)
class Migration:
    """One migration of one file.

    Attributes:
        at: When it began.
        actor: Who did it.
        file: The file.
        before: The version that it had.
        after: The version that it was brought to.
        lost: Keys that the version has no place for.
        old: The text of before, as it is kept.
        outcome: What became of it.
    """

    at: datetime
    actor: str
    file: Path
    before: int
    after: int
    lost: tuple[str, ...]
    old: Path
    outcome: Outcome


@dataclass(frozen=True)
class Rewrite:
    """What a migration does to a file.

    Attributes:
        path: The file; a link is followed.
        old: Its content.
        new: What it gets.
        detail: Versions and lost keys, for the journal.
    """

    path: Path
    old: bytes
    new: bytes
    detail: Mapping[str, str]


class Journal:
    """Rewrites files and keeps their history, in a log that shows tampering.

    Args:
        folder: Where the log lies, and each text as it was before; made with the first migration.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def rewrite(self, work: Rewrite, actor: str) -> None:
        """Rewrite a file: its old text is kept and the journal written first.

        Raises:
            MigrationError: The file says something else by now.
            AuditError: The journal cannot be written, or was changed. The file is as it was, unless
                only the note of its end is missing: the next look supplies that.
            OSError: The file cannot be written; it is as it was.
        """
        with self.alone(), closing(self._log()) as log:
            self._settle(log)
            # Here, where no other migration runs: one may have, since the plan was made.
            if work.path.read_bytes() != work.old:
                raise MigrationError(
                    f"{shown(work.path)} was changed in the meantime", next_step="Migrate again."
                )
            before, after = digest(work.old), digest(work.new)
            write_atomic(self.folder / f"{before}.yaml", work.old, mode=0o600)
            detail = {**work.detail, "before": before, "after": after}
            event = AuditEvent(actor, ACTION, str(work.path.absolute()), _STARTED, detail)
            record = log.append(event, durable=True)
            # Through a link: the rename would put a file in its place.
            target = work.path.resolve()
            try:
                write_atomic(target, work.new, mode=target.stat().st_mode & 0o777)
            except OSError:
                self._end(log, record, Outcome.UNDONE)
                raise
            self._end(log, record, Outcome.OK)

    def history(self) -> tuple[Migration, ...]:
        """Return all migrations, the oldest first.

        Raises:
            AuditError: The log was changed.
        """
        with closing(self._log()) as log:
            records = _records(log) if log.path.exists() else ()
        ends = _ends(records)
        return tuple(
            self._entry(record, ends.get(record.number) or _seen(record))
            for record in records
            if "of" not in record.event.detail
        )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder: what is open in the journal then is of nobody who still runs."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _log(self) -> AuditLog:
        return AuditLog(self.folder / "history.jsonl")

    def _settle(self, log: AuditLog) -> None:
        """End what killed processes began, and take away the half files that they left."""
        _sweep(self.folder, r"[0-9a-f]{16}\.yaml")
        records = _records(log)
        ends = _ends(records)
        for record in records:
            if "of" not in record.event.detail and record.number not in ends:
                target = Path(record.event.resource).resolve()
                _sweep(target.parent, re.escape(target.name))
                self._end(log, record, _seen(record))

    def _end(self, log: AuditLog, record: AuditRecord, outcome: Outcome) -> None:
        event = record.event
        detail = {"of": str(record.number)}
        log.append(AuditEvent(event.actor, ACTION, event.resource, outcome, detail), durable=True)

    def _entry(self, record: AuditRecord, outcome: Outcome) -> Migration:
        event, detail = record.event, record.event.detail
        return Migration(
            record.at,
            event.actor,
            Path(event.resource),
            int(detail["from"]),
            int(detail["to"]),
            tuple(detail["lost"].split()),
            self.folder / f"{detail['before']}.yaml",
            outcome,
        )


def digest(content: bytes) -> str:
    """Return the name of a text."""
    return hashlib.sha256(content).hexdigest()[:16]


def _records(log: AuditLog) -> tuple[AuditRecord, ...]:
    # Takes off what a kill left of a line.
    log.head()
    return tuple(log.records())


def _ends(records: tuple[AuditRecord, ...]) -> dict[int, Outcome]:
    """Return what became of migrations, by the numbers of the records that began them."""
    return {
        int(record.event.detail["of"]): Outcome(record.event.outcome)
        for record in records
        if "of" in record.event.detail
    }


def _sweep(folder: Path, name: str) -> None:
    """Take away what a killed `write_atomic` left of files of a name."""
    left = re.compile(rf"\.{name}\.[a-z0-9_]{{8}}")
    with suppress(OSError):
        for path in folder.iterdir():
            if left.fullmatch(path.name):
                path.unlink()


def _seen(record: AuditRecord) -> Outcome:
    """Return what became of a migration, by what its file says now."""
    try:
        now = digest(Path(record.event.resource).read_bytes())
    except OSError:
        return Outcome.UNKNOWN
    detail = record.event.detail
    return {detail["after"]: Outcome.OK, detail["before"]: Outcome.UNDONE}.get(now, Outcome.UNKNOWN)
