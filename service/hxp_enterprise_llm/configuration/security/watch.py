"""Looks after one audit log: its chain, what is unusual in it, and what is too old."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta

from hxp_enterprise_llm.configuration.audit import AuditError, AuditLog, AuditRecord, Head
from hxp_enterprise_llm.configuration.security.anomalies import Anomaly, Detector
from hxp_enterprise_llm.configuration.security.retention import Exported, Retention, RetentionPolicy
from hxp_enterprise_llm.schemas.security import Thresholds

_PENDING = 100_000
"""Records that wait to be judged; a flood of more is a burst in any case."""


class Watch:
    """Judges what a log appends.

    Args:
        audit: The log.
        retention: Its segments, where it has such.
        thresholds: From when on something is unusual.
        exempt: Actors without hours.
    """

    def __init__(
        self,
        audit: AuditLog,
        retention: Retention | None,
        thresholds: Thresholds,
        exempt: Collection[str],
    ) -> None:
        self._audit, self._retention = audit, retention
        self.detector = Detector(thresholds, exempt=exempt)
        # Others append from threads.
        self._pending: deque[AuditRecord] = deque(maxlen=_PENDING)
        self._noted: Head | None = None
        self._one_at_a_time = threading.Lock()

    def begin(self) -> Callable[[], None]:
        """Take note of new records from now on; return what ends that."""
        return self._audit.observe(self._pending.append)

    def judged(self) -> Iterator[Anomaly]:
        """Yield what is unusual in the records since the last time."""
        for _ in range(len(self._pending)):
            yield from self.detector.observe(self._pending.popleft())

    def walk(self, *, learn: bool = False) -> None:
        """Check the chain, from the oldest record to the newest.

        Args:
            learn: Take what it holds as usual.

        Raises:
            AuditError: It is broken, or does not hold what it held at the last time.
        """
        noted, head = self._noted, None
        found = noted is None
        with self._one_at_a_time:
            for record in self._records():
                if learn:
                    self.detector.observe(record)
                head = Head(record.number, record.digest)
                found = found or head == noted
        if not found:
            raise AuditError(
                f"audit log {self._audit.path} was cut off: record {noted} is gone",
                next_step="Compare it with a backup of the log.",
            )
        self._noted = head

    def counted(self) -> tuple[int, datetime | None]:
        """Return how many records there are, and the time of the oldest.

        Raises:
            AuditError: The chain is broken.
        """
        count, oldest = 0, None
        with self._one_at_a_time:
            for record in self._records():
                count, oldest = count + 1, oldest or record.at
        return count, oldest

    @property
    def segment(self) -> timedelta:
        """Return how long a file of the log lasts."""
        policy = self._retention.policy if self._retention else RetentionPolicy()
        return timedelta(seconds=policy.segment)

    @property
    def keep(self) -> timedelta | None:
        """Return how long records are kept; None where nothing deletes them."""
        return timedelta(seconds=self._retention.policy.keep) if self._retention else None

    def retain(self) -> tuple[Exported, ...]:
        """Export and delete what is too old; return what that was.

        Raises:
            RetentionError: An export failed; then nothing is deleted.
            AuditError: The chain is broken.
        """
        if self._retention is None:
            return ()
        with self._one_at_a_time:
            return self._retention.run()

    def _records(self) -> Iterator[AuditRecord]:
        return self._retention.records() if self._retention else self._audit.records()
