"""Refusals of those who are not known: the first is a record at once, the others are counted.

Anybody can be refused as often as they like. One record for each would let them fill the disk, and
a log that cannot be written refuses everybody.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hxp_enterprise_llm.configuration.audit import AuditEvent, AuditLog
from hxp_enterprise_llm.configuration.secrets.keyring import Clock

COUNT = "count"
_WINDOW = timedelta(minutes=1)
_SOURCES = 8


@dataclass
class _Window:
    since: datetime
    count: int = 0
    sources: dict[str, None] = field(default_factory=dict)


class Refusals:
    """Records refusals: at most two records a minute for one actor, action and outcome.

    Args:
        audit: The log.
        clock: Time of now.
    """

    def __init__(self, audit: AuditLog, clock: Clock) -> None:
        self._audit, self._clock = audit, clock
        self._windows: dict[tuple[str, str, str], _Window] = {}
        # Requests are recorded from threads.
        self._mutex = threading.Lock()

    def add(self, event: AuditEvent, *, durable: bool = False) -> None:
        """Record the first refusal of a minute, and count the others.

        Args:
            event: The refusal; actor and action must be of a bounded number.
            durable: Wait until its record is on the disk.

        Raises:
            AuditError: It cannot be recorded.
        """
        with self._mutex:
            self._write_over()
            key = (event.actor, event.action, event.outcome)
            window = self._windows.get(key)
            if window is None:
                self._audit.append(event, durable=durable)
                self._windows[key] = _Window(self._clock())
                return
            window.count += 1
            if len(window.sources) < _SOURCES:
                window.sources[event.detail.get("from", "")] = None

    def flush(self, *, whole: bool = False) -> None:
        """Record what was counted in minutes that are over; `whole`: in those that are not, too.

        Raises:
            AuditError: It cannot be recorded; the count is kept.
        """
        with self._mutex:
            self._write_over(whole=whole)

    def _write_over(self, *, whole: bool = False) -> None:
        now = self._clock()
        for key, window in tuple(self._windows.items()):
            if not whole and timedelta() <= now - window.since < _WINDOW:
                continue
            if window.count:
                self._audit.append(_summed(*key, window), durable=True)
            del self._windows[key]


def _summed(actor: str, action: str, outcome: str, window: _Window) -> AuditEvent:
    sources = " ".join(filter(None, window.sources))
    detail = {COUNT: str(window.count), "since": window.since.isoformat(), "from": sources}
    return AuditEvent(actor, action, "", outcome, detail)
