"""Audit records are kept for 90 days, then exported, and only then deleted (CC-07).

The log is rotated into segments `audit-TIME.jsonl` beside it. A segment whose last record is too
old is exported with a manifest that names its SHA-256 and its place in the chain, read back and
compared; a segment whose export cannot be read back as it was written stays.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from pydantic import Field

from hxp_enterprise_llm.configuration.audit import (
    ROTATED,
    AuditError,
    AuditEvent,
    AuditLog,
    AuditRecord,
    Head,
)
from hxp_enterprise_llm.configuration.secrets.files import locked
from hxp_enterprise_llm.configuration.secrets.keyring import Clock, utc_now
from hxp_enterprise_llm.configuration.security.errors import RetentionError
from hxp_enterprise_llm.schemas.base import CitadelModel, Seconds
from hxp_enterprise_llm.utilities.files import write_atomic

_DAY = 86_400.0
MANIFEST = ".manifest.json"
EXPORTED, DELETED = "audit.exported", "audit.deleted"


class RetentionPolicy(CitadelModel):
    """How long audit records are kept."""

    keep: Seconds = Field(
        default=90 * _DAY, ge=_DAY, description="Records are kept for so long: 90 days."
    )
    segment: Seconds = Field(
        default=_DAY, gt=0, description="The log is rotated when its first record is so old."
    )


class Exports(Protocol):
    """Where exports go: a folder, a bucket."""

    def write(self, name: str, content: bytes) -> None:
        """Keep a file durably; raise `OSError` when that is not possible."""

    def read(self, name: str) -> bytes:
        """Return a file as it lies there; raise `OSError` when that is not possible."""


class FolderExports:
    """Exports in a folder, such as a mount of another machine.

    Args:
        folder: Must exist: a mount that is away must not be taken for an empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, content: bytes) -> None:
        """Keep a file of mode 0400."""
        write_atomic(self.folder / name, content, mode=0o400)

    def read(self, name: str) -> bytes:
        """Return a file."""
        return (self.folder / name).read_bytes()


@dataclass(frozen=True)
class Exported:
    """What an export's manifest says.

    Attributes:
        segment: Name of the file.
        sha256: Digest of the file.
        records: How many it holds.
        first: Time of the first one.
        last: Time of the last one.
        head: Its head, which the next segment names.
        follows: The head that it follows itself; empty for the first segment of all.
    """

    segment: str
    sha256: str
    records: int
    first: datetime
    last: datetime
    head: str
    follows: str

    def manifest(self) -> bytes:
        """Return it as JSON."""
        said = {**vars(self), "first": self.first.isoformat(), "last": self.last.isoformat()}
        return json.dumps(said, indent=1).encode()


class Retention:
    """Rotates, exports and deletes the records of one audit log.

    Args:
        audit: The log.
        exports: Where segments go before they are deleted.
        policy: Times.
        clock: Time of now.
    """

    def __init__(
        self,
        audit: AuditLog,
        exports: Exports,
        policy: RetentionPolicy | None = None,
        *,
        clock: Clock = utc_now,
    ) -> None:
        self.audit, self.policy = audit, policy or RetentionPolicy()
        self._exports, self._clock = exports, clock

    def run(self) -> tuple[Exported, ...]:
        """Rotate where it is time, export what is too old, delete it; return what was.

        Raises:
            RetentionError: An export failed; its segment and all newer ones stay.
            AuditError: A segment's chain is broken; it stays as evidence.
        """
        with self._alone():
            self._rotate()
            return tuple(self._gone())

    def _gone(self) -> Iterator[Exported]:
        for segment in self.segments():
            exported = self._described(segment)
            if self._clock() - exported.last < timedelta(seconds=self.policy.keep):
                break
            self._export(exported, segment.read_bytes())
            self._record(EXPORTED, exported, "ok")
            segment.unlink()
            self._record(DELETED, exported, "ok")
            yield exported

    def segments(self) -> tuple[Path, ...]:
        """Return the rotated segments, oldest first."""
        log = self.audit.path
        return tuple(one for one in _names(log) if not _is_log(log, one))

    def records(self) -> Iterator[AuditRecord]:
        """Yield the records of all segments and of the log, oldest first, checked as one chain.

        Until the last one is taken, no segment is rotated or deleted.

        Raises:
            AuditError: A chain is broken, or a segment that was not exported is missing.
        """
        with self._alone():
            yield from self._chained()

    def _chained(self) -> Iterator[AuditRecord]:
        first, before, exported = "", "", {""}
        for place, path in enumerate((*self.segments(), self.audit.path)):
            last = ""
            # A log that is written to has today's key; only segments may have an older one.
            file = self.audit if path == self.audit.path else self.audit.sibling(path)
            for record in file.records():
                if record.number == 1:
                    follows = _follows(record)
                    first = first if place else follows
                    if place and follows != before:
                        raise _gap(path, follows)
                if record.event.action == EXPORTED and record.event.outcome == "ok":
                    exported.add(record.event.detail.get("head", ""))
                last = str(Head(record.number, record.digest))
                yield record
            before = last
        if first not in exported:
            raise _gap(self.audit.path, first)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock of all who read or move segments: several may look after one log."""
        with locked(self.audit.path.with_name(f"{self.audit.path.name}.lock")):
            yield

    def verify(self) -> int:
        """Check the whole chain, over all segments; return how many records it has.

        Raises:
            AuditError: It is broken, or a segment is missing.
        """
        return sum(1 for _ in self.records())

    def _rotate(self) -> None:
        drop_twins(self.audit.path)
        first = next(self.audit.records(), None)
        if first is None:
            return
        now = self._clock()
        if now - first.at >= timedelta(seconds=self.policy.segment):
            self.audit.rotate(segment_of(self.audit.path, now))

    def _described(self, segment: Path) -> Exported:
        records = list(self.audit.sibling(segment).records())
        if not records:
            raise AuditError(
                f"{segment} is an empty segment", next_step="Compare it with a backup of the log."
            )
        head = Head(records[-1].number, records[-1].digest)
        return Exported(
            segment=segment.name,
            sha256=hashlib.sha256(segment.read_bytes()).hexdigest(),
            records=len(records),
            first=records[0].at,
            last=max(record.at for record in records),
            head=str(head),
            follows=_follows(records[0]),
        )

    def _export(self, exported: Exported, content: bytes) -> None:
        manifest = f"{exported.segment}{MANIFEST}"
        try:
            self._exports.write(exported.segment, content)
            self._exports.write(manifest, exported.manifest())
            back = self._exports.read(exported.segment)
            same = self._exports.read(manifest) == exported.manifest()
        except OSError as error:
            raise self._failed(exported, error.strerror or type(error).__name__) from None
        if not same or hashlib.sha256(back).hexdigest() != exported.sha256:
            raise self._failed(exported, "it was read back otherwise than written")

    def _failed(self, exported: Exported, why: str) -> RetentionError:
        self._record(EXPORTED, exported, "failed")
        return RetentionError(
            f"audit segment {exported.segment} cannot be exported: {why}",
            next_step="Mend the place of exports; nothing is deleted before that.",
        )

    def _record(self, action: str, exported: Exported, outcome: str) -> None:
        detail = {"sha256": exported.sha256, "head": exported.head}
        event = AuditEvent("citadel", action, f"audit:{exported.segment}", outcome, detail)
        self.audit.append(event, durable=True)


def segment_of(log: Path, now: datetime) -> Path:
    """Return where a log is rotated to."""
    return log.with_name(f"{log.stem}-{now:%Y%m%dT%H%M%S%fZ}{log.suffix}")


def drop_twins(log: Path) -> None:
    """Remove second names of a log, left by a crash in its rotation."""
    for name in _names(log):
        if _is_log(log, name):
            name.unlink()


def _names(log: Path) -> list[Path]:
    return sorted(log.parent.glob(f"{log.stem}-*{log.suffix}"))


def _is_log(log: Path, name: Path) -> bool:
    return log.exists() and name.samefile(log)


def _follows(first: AuditRecord) -> str:
    return first.event.detail.get("head", "") if first.event.action == ROTATED else ""


def _gap(path: Path, follows: str) -> AuditError:
    return AuditError(
        f"{path} follows record {follows or 'none'}, and the segment before it does not end so",
        next_step="A segment was taken away or put in: compare with the exports and a backup.",
    )
