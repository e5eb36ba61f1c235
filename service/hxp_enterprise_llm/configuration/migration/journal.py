"""Journal of migrations: what is to be done is noted before a file is touched, then its end.

Whoever is killed in between leaves a note without an end; the file's content tells which it was.
Files that belong together are one set: where it was written in part, what is written is put back.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
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
        digest: Of the text that was written.
        outcome: What became of it.
    """

    at: datetime
    actor: str
    file: Path
    before: int
    after: int
    lost: tuple[str, ...]
    old: Path
    digest: str
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

    def rewrite(self, works: Sequence[Rewrite], actor: str) -> None:
        """Rewrite files, all or none: their old texts are kept and the journal written first.

        Whoever is killed between two files leaves that to the next who settles or rewrites: what
        is written by then is put back.

        Raises:
            MigrationError: A file says something else by now; or one could not be written, and
                those before it not put back.
            AuditError: The journal cannot be written, or was changed. The files are as they were,
                unless only the note of their end is missing: the next look supplies that.
            OSError: A file cannot be written; all are as they were.
        """
        with self.alone(), closing(self._log()) as log:
            self._settle(log)
            # Here, where no other migration runs: one may have, since the plan was made.
            for work in works:
                if work.path.read_bytes() != work.old:
                    raise MigrationError(
                        f"{shown(work.path)} was changed in the meantime",
                        next_step="Migrate again.",
                    )
            for work in works:
                write_atomic(self._kept(digest(work.old)), work.old, mode=0o600)
            records = [self._begin(log, work, actor) for work in works]
            try:
                for work in works:
                    _write(work.path, work.new)
            except OSError:
                self._undo(log)
                raise
            for record in records:
                self._end(log, record, Outcome.OK)

    def settle(self) -> tuple[Path, ...]:
        """End what a killed migration began; return the files that were put back.

        Raises:
            AuditError: The journal was changed.
            OSError: A file cannot be written.
        """
        if not self._log().path.exists():
            return ()
        with self.alone(), closing(self._log()) as log:
            return self._settle(log)

    def before(self, path: Path, text: bytes, wanted: int) -> tuple[int, bytes] | None:
        """Return the version that a file has, and its text of another one, from which it came.

        Only of a file that says what its last migration wrote, to the byte.

        Raises:
            AuditError: The journal was changed.
        """
        found = [item for item in self.history() if item.file.resolve() == path.resolve()]
        for item in reversed(found):
            if item.outcome is not Outcome.OK or item.digest != digest(text):
                continue
            with suppress(OSError):
                old = item.old.read_bytes()
                if item.before == wanted and digest(old) == item.old.stem:
                    return item.after, old
            return None
        return None

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

    def _kept(self, name: str) -> Path:
        return self.folder / f"{name}.yaml"

    def _settle(self, log: AuditLog) -> tuple[Path, ...]:
        """End what a killed process began, and take away the half files that it left.

        What is open here is one set: it began under this lock, after the one before was ended.
        """
        _sweep(self.folder, r"[0-9a-f]{16}\.yaml")
        records = _records(log)
        ends = _ends(records)
        left = [
            record
            for record in records
            if "of" not in record.event.detail and record.number not in ends
        ]
        for record in left:
            target = Path(record.event.resource).resolve()
            _sweep(target.parent, re.escape(target.name))
        changed = [record for record in left if _changes(record)]
        back: tuple[Path, ...] = ()
        if {_seen(record) for record in changed} == {Outcome.OK, Outcome.UNDONE}:
            back = tuple(self._put_back(record) for record in changed if _seen(record) == "ok")
        undone = any(_seen(record) is Outcome.UNDONE for record in changed)
        for record in left:
            same = undone and not _changes(record)
            self._end(log, record, Outcome.UNDONE if same else _seen(record))
        return back

    def _put_back(self, record: AuditRecord) -> Path:
        path = Path(record.event.resource)
        _write(path, self._kept(record.event.detail["before"]).read_bytes())
        return path

    def _undo(self, log: AuditLog) -> None:
        try:
            self._settle(log)
        except OSError as error:
            raise MigrationError(
                f"some files are migrated and others not: {shown(Path(error.filename or '.'))}: "
                f"{error.strerror}",
                next_step="Make room, or mend permissions, and migrate again: they are put back.",
            ) from None

    def _begin(self, log: AuditLog, work: Rewrite, actor: str) -> AuditRecord:
        detail = {**work.detail, "before": digest(work.old), "after": digest(work.new)}
        event = AuditEvent(actor, ACTION, str(work.path.absolute()), _STARTED, detail)
        return log.append(event, durable=True)

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
            self._kept(detail["before"]),
            detail["after"],
            outcome,
        )


def _write(path: Path, content: bytes) -> None:
    # Through a link: the rename would put a file in its place.
    target = path.resolve()
    write_atomic(target, content, mode=target.stat().st_mode & 0o777)


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


def _changes(record: AuditRecord) -> bool:
    return record.event.detail["before"] != record.event.detail["after"]


def _seen(record: AuditRecord) -> Outcome:
    """Return what became of a migration, by what its file says now."""
    try:
        now = digest(Path(record.event.resource).read_bytes())
    except OSError:
        return Outcome.UNKNOWN
    detail = record.event.detail
    # The two may be one: an overlay of another version may say the same.
    return {detail["before"]: Outcome.UNDONE, detail["after"]: Outcome.OK}.get(now, Outcome.UNKNOWN)
