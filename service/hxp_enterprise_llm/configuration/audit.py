"""Audit log: JSON lines that are only appended, each bound to the one before it by its hash.

A record that is changed, removed or put in breaks the chain. Lines cut off at the end break it only
for those who noted a later `Head`; a log with a key (HMAC) cannot be written anew without it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import hmac
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hxp_enterprise_llm.core.exceptions import CitadelError, FaultDomain
from hxp_enterprise_llm.utilities.files import write_atomic

ROTATED = "audit.rotated"
_START = "0" * 64
_TAIL = 8192
_LONGEST = 4096
"""Characters of one text of an event; what is longer is cut, with a mark."""


class AuditError(CitadelError):
    """The audit log cannot be written, or its chain is broken."""

    code = "audit.broken"
    domain = FaultDomain.INTERNAL


@dataclass(frozen=True)
class AuditEvent:
    """What somebody did; never a value of a secret.

    Attributes:
        actor: Who: a person, a service, a command.
        action: What was done: `secret.read`, `configuration.apply`.
        resource: To what.
        outcome: `ok`, `denied`, `missing`, `failed`.
        detail: More words, each a short text.
    """

    actor: str
    action: str
    resource: str
    outcome: str
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AuditRecord:
    """An event as it stands in the log."""

    number: int
    at: datetime
    event: AuditEvent
    previous: str
    digest: str


@dataclass(frozen=True)
class Head:
    """The last record of a log: note it elsewhere, and lines cut off are seen."""

    number: int
    digest: str

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"


class AuditLog:
    """A log in one file of mode 0600; several processes may append to it.

    Args:
        path: The file; made when missing, its folder must exist.
        key: Makes the chain of HMAC-SHA256 instead of SHA-256.
        older: Keys of before; segments that were rotated away may be of these.
        clock: Time of now.
    """

    def __init__(
        self,
        path: Path,
        *,
        key: bytes = b"",
        older: Sequence[bytes] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.path = path
        self._key, self._older, self._clock = key, tuple(older), clock
        self._handle: int | None = None
        self._size = -1
        self._head = Head(0, _START)
        # The kernel's lock is the file's: it keeps out no thread that uses the same handle.
        self._mutex = threading.Lock()
        self._observers: list[Callable[[AuditRecord], None]] = []

    def observe(self, observer: Callable[[AuditRecord], None]) -> Callable[[], None]:
        """Tell somebody of each record that this log appends; return what ends that."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def sibling(self, path: Path) -> AuditLog:
        """Return another file of the same chain: a segment, keyed as its first record is."""
        for key in (self._key, *self._older):
            found = AuditLog(path, key=key, older=self._older, clock=self._clock)
            if found.fits():
                return found
        return AuditLog(path, key=self._key, clock=self._clock)

    def fits(self) -> bool:
        """Return whether the first record is of this log's key; an empty log is of any."""
        try:
            first = next(self._read(), None)
        except AuditError:
            return False
        return first is None or hmac.compare_digest(self._digest(first), first.digest)

    def append(self, event: AuditEvent, *, durable: bool = False) -> AuditRecord:
        """Append an event.

        Args:
            event: What happened.
            durable: Wait until it is on the disk; reads do without.

        Raises:
            AuditError: The file cannot be written, or does not end in a record of ours.
        """
        try:
            with self._locked() as handle:
                record = self._record(_bounded(event))
                line = _line(record)
                self._write(handle, line, durable=durable)
                self._size += len(line)
                self._head = Head(record.number, record.digest)
        except OSError as error:
            raise AuditError(
                f"audit log {self.path}: {error.strerror}",
                next_step="Make room for it, or mend its permissions; nothing is read without it.",
            ) from None
        for observer in tuple(self._observers):
            observer(record)
        return record

    def rotate(self, target: Path) -> Head:
        """Move the records to another file of the same folder; return their head.

        The log goes on in a new file, whose first record names that head: the chain goes over both.
        Other processes that append meanwhile do so in the new file.

        Args:
            target: The file to make; there must be none.

        Raises:
            AuditError: It cannot be made.
        """
        try:
            with self._locked():
                head = self._head
                self._head = Head(0, _START)
                detail = {"head": str(head)}
                link = self._record(AuditEvent("citadel", ROTATED, target.name, "ok", detail))
                # Linked before it is replaced: at no time is there no log at the path.
                os.link(self.path, target)
                try:
                    write_atomic(self.path, _line(link), mode=0o600)
                except OSError:
                    target.unlink()
                    raise
        except OSError as error:
            self.close()
            raise AuditError(
                f"audit log {self.path} cannot be rotated to {target}: {error.strerror}",
                next_step="Make room, mend permissions, or take a name that is free.",
            ) from None
        self.close()
        return head

    def head(self) -> Head:
        """Return the last record's number and digest."""
        with self._locked():
            return self._head

    def records(self) -> Iterator[AuditRecord]:
        """Yield all records, oldest first, checked one by one.

        Raises:
            AuditError: The chain is broken; the text names the line.
        """
        last = Head(0, _START)
        for record in self._read():
            if record.number != last.number + 1 or record.previous != last.digest:
                raise self._broken(last.number + 1, "does not follow the one before it")
            if not hmac.compare_digest(self._digest(record), record.digest):
                raise self._broken(record.number, "was changed")
            last = Head(record.number, record.digest)
            yield record

    def verify(self, noted: Head | None = None) -> Head:
        """Check the whole chain and return its head.

        Args:
            noted: A head that was noted before; it must be in the log.

        Raises:
            AuditError: The chain is broken, or the noted record is not in it.
        """
        head, found = Head(0, _START), noted is None or noted.number == 0
        for record in self.records():
            head = Head(record.number, record.digest)
            found = found or head == noted
        if not found:
            raise AuditError(
                f"{self.path} does not hold record {noted}: it was cut off or replaced",
                next_step="Compare it with a backup of the log.",
            )
        return head

    def close(self) -> None:
        """Close the file; the next append opens it again."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _write(self, handle: int, line: bytes, *, durable: bool) -> None:
        """Write a whole line, or leave the file as it was."""
        try:
            written = os.write(handle, line)
            if durable:
                os.fsync(handle)
        except OSError:
            os.ftruncate(handle, self._size)
            raise
        if written != len(line):
            # A full disk takes what has room.
            os.ftruncate(handle, self._size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _record(self, event: AuditEvent) -> AuditRecord:
        number, previous = self._head.number + 1, self._head.digest
        draft = AuditRecord(number, self._clock(), event, previous, "")
        return AuditRecord(number, draft.at, event, previous, self._digest(draft))

    def _digest(self, record: AuditRecord) -> str:
        content = json.dumps(_content(record), sort_keys=True, separators=(",", ":")).encode()
        if self._key:
            return hmac.new(self._key, content, hashlib.sha256).hexdigest()
        return hashlib.sha256(content).hexdigest()

    @contextmanager
    def _locked(self) -> Iterator[int]:
        with self._mutex, self._alone() as handle:
            yield handle

    @contextmanager
    def _alone(self) -> Iterator[int]:
        handle = self._opened()
        fcntl.flock(handle, fcntl.LOCK_EX)
        while _moved(handle, self.path):
            # Rotated away while this waited for the lock.
            handle = self._opened()
            fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            size = os.fstat(handle).st_size
            if size < self._size:
                raise self._broken(self._head.number, "was cut off while this process ran")
            if size != self._size:
                self._catch_up(handle, size)
            yield handle
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)

    def _opened(self) -> int:
        if self._handle is not None and _moved(self._handle, self.path):
            # Rotated away: the file at the path is the log now.
            self.close()
        if self._handle is None:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._handle = os.open(self.path, flags, 0o600)
            self._size = -1
        return self._handle

    def _catch_up(self, handle: int, size: int) -> None:
        """Find the last record, which another process may have written."""
        tail, start = b"", size
        # The last record begins behind the last newline but one, however far back that is.
        while start and tail.count(b"\n") < 2:
            step = min(max(_TAIL, len(tail)), start)
            start -= step
            tail = os.pread(handle, step, start) + tail
        whole = tail.rfind(b"\n") + 1
        if whole != len(tail):
            # A write that a crash cut in two was never acknowledged.
            size -= len(tail) - whole
            os.ftruncate(handle, size)
        lines = tail[:whole].rstrip(b"\n").rpartition(b"\n")
        head = Head(0, _START)
        if lines[2]:
            last = _parsed(lines[2])
            if last is None:
                raise self._broken(0, "cannot be read: the last line is no record")
            head = Head(last.number, last.digest)
        elif size:
            raise self._broken(0, "cannot be read: the last line is empty")
        self._head, self._size = head, size

    def _read(self) -> Iterator[AuditRecord]:
        try:
            lines = self.path.open("rb")
        except FileNotFoundError:
            return
        with lines:
            for number, line in enumerate(lines, 1):
                record = _parsed(line)
                # One record has one spelling: a time written otherwise is a change too.
                if record is None or _line(record) != line:
                    raise self._broken(number, "is no record")
                yield record

    def _broken(self, number: int, why: str) -> AuditError:
        return AuditError(
            f"audit log {self.path}: record {number} {why}",
            next_step="Keep the file as evidence, and compare it with a backup of the log.",
        )


def _moved(handle: int, path: Path) -> bool:
    try:
        now = path.stat()
    except FileNotFoundError:
        return True
    then = os.fstat(handle)
    return (now.st_dev, now.st_ino) != (then.st_dev, then.st_ino)


def _bounded(event: AuditEvent) -> AuditEvent:
    """Return an event whose texts have an end: who is audited chooses some of them."""
    detail = {_cut(name): _cut(text) for name, text in event.detail.items()}
    return AuditEvent(
        _cut(event.actor), _cut(event.action), _cut(event.resource), _cut(event.outcome), detail
    )


def _cut(text: str) -> str:
    over = len(text) - _LONGEST
    return text if over <= 0 else f"{text[:_LONGEST]}… ({over} more characters)"


def _content(record: AuditRecord) -> dict[str, Any]:
    event = record.event
    return {
        "number": record.number,
        "at": record.at.isoformat(),
        "actor": event.actor,
        "action": event.action,
        "resource": event.resource,
        "outcome": event.outcome,
        "detail": dict(event.detail),
        "previous": record.previous,
    }


def _line(record: AuditRecord) -> bytes:
    document = _content(record) | {"digest": record.digest}
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def _parsed(line: bytes) -> AuditRecord | None:
    try:
        document = json.loads(line)
        event = AuditEvent(
            *(document[name] for name in ("actor", "action", "resource", "outcome", "detail"))
        )
        at = datetime.fromisoformat(document["at"])
        return AuditRecord(document["number"], at, event, document["previous"], document["digest"])
    except (ValueError, KeyError, TypeError):
        return None
