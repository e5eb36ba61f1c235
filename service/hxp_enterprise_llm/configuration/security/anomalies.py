"""Unusual access, found in the audit log as it grows: bursts, refusals, new actors, off-hours.

Each finding compares somebody with what `Thresholds` state and with what they themselves did
before. What it finds and misses is measured in the tests, over synthetic logs.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from zoneinfo import ZoneInfo

from hxp_enterprise_llm.configuration.audit import AuditEvent, AuditRecord
from hxp_enterprise_llm.configuration.security.refusals import COUNT
from hxp_enterprise_llm.schemas.security import Thresholds

ACTION = "security.anomaly"
_DAY = 86_400.0
_MOST = 10_000
"""Events of one actor that are counted within a window."""
_DIGITS = 10


class Kind(StrEnum):
    """What is unusual."""

    BURST = "burst"
    REFUSALS = "refusals"
    NEW_ACTOR = "new-actor"
    OFF_HOURS = "off-hours"


@dataclass(frozen=True)
class Anomaly:
    """Something unusual.

    Attributes:
        kind: What.
        actor: Who did it.
        at: When.
        number: Record of the audit log with which it showed.
        text: What was seen, and what is usual.
    """

    kind: Kind
    actor: str
    at: datetime
    number: int
    text: str

    def event(self) -> AuditEvent:
        """Return it as an event for the audit log."""
        detail = {"kind": self.kind.value, "record": str(self.number), "text": self.text}
        return AuditEvent("citadel", ACTION, f"actors:{self.actor}", "ok", detail)


@dataclass
class _Habits:
    """What is known of one actor.

    Attributes:
        seen: When it last did something.
        recent: Times of its events within the window.
        refused: Times of its refusals within the window.
        day: The day that `peak` is of.
        peak: Most events within one window on that day.
        burst: Whether there was a burst on that day.
        peak_before: Most on the days before.
        days: On how many days it did something, by hour; workdays and others apart.
        last_day: The last of those days.
        told: When which kind was last told.
    """

    seen: datetime
    recent: deque[datetime] = field(default_factory=lambda: deque(maxlen=_MOST))
    refused: deque[datetime] = field(default_factory=lambda: deque(maxlen=_MOST))
    day: int = 0
    peak: int = 0
    burst: bool = False
    peak_before: int = 0
    days: Counter[tuple[bool, int]] = field(default_factory=Counter)
    last_day: dict[tuple[bool, int], int] = field(default_factory=dict)
    told: dict[Kind, datetime] = field(default_factory=dict)


class Detector:
    """Reads records in the order of the log; tells what is unusual in each.

    It takes its time from the records, so a log that is read later gives the same findings.

    Args:
        thresholds: From when on something is unusual.
        exempt: Actors without hours: services work at night.
    """

    def __init__(self, thresholds: Thresholds | None = None, *, exempt: Iterable[str] = ()) -> None:
        self.use(thresholds or Thresholds(), exempt=exempt)
        self._actors: OrderedDict[str, _Habits] = OrderedDict()
        self._began: datetime | None = None

    def use(self, thresholds: Thresholds, *, exempt: Iterable[str]) -> None:
        """Judge by other thresholds from now on; what is known of actors stays."""
        self.thresholds, self.exempt = thresholds, frozenset(exempt)
        self._zone: tzinfo = ZoneInfo(thresholds.zone)

    def observe(self, record: AuditRecord) -> tuple[Anomaly, ...]:
        """Return what is unusual about a record; our own findings are no events."""
        if record.event.action == ACTION:
            return ()
        self._began = self._began or record.at
        actor, at = record.event.actor, record.at
        known = self._actors.get(actor)
        fresh = known is None or self._over(known.seen, at, self.thresholds.forgotten_after)
        habits = self._remember(actor, at) if fresh or known is None else known
        texts = {
            Kind.NEW_ACTOR: self._new(at) if fresh else "",
            Kind.BURST: self._burst(habits, at),
            Kind.REFUSALS: self._refusals(habits, record) if _is_denied(record) else "",
            Kind.OFF_HOURS: "" if actor in self.exempt else self._off_hours(habits, at),
        }
        habits.seen = at
        self._actors.move_to_end(actor)
        return tuple(
            Anomaly(kind, actor, at, record.number, text)
            for kind, text in texts.items()
            if text and self._tells(habits, kind, at)
        )

    def _remember(self, actor: str, at: datetime) -> _Habits:
        habits = self._actors[actor] = _Habits(at)
        if len(self._actors) > self.thresholds.actors:
            self._actors.popitem(last=False)
        return habits

    def _learning(self, at: datetime) -> bool:
        began = self._began or at
        return not self._over(began, at, self.thresholds.learning)

    def _new(self, at: datetime) -> str:
        if self._learning(at):
            return ""
        days = self.thresholds.forgotten_after / _DAY
        return f"first seen, or for the first time in {days:g} days"

    def _burst(self, habits: _Habits, at: datetime) -> str:
        count = self._counted(habits.recent, at)
        today = at.astimezone(self._zone).toordinal()
        if today != habits.day:
            # Only tomorrow: what grows slowly would else make itself usual.
            habits.peak_before = max(habits.peak_before, habits.peak)
            habits.day, habits.peak, habits.burst = today, 0, False
        factor = self.thresholds.burst_factor
        usual = min(_MOST, max(self.thresholds.burst, factor * habits.peak_before))
        habits.burst = habits.burst or (count >= usual and not self._learning(at))
        # A day with a burst teaches nothing: not even the way up to it is usual.
        habits.peak = 0 if habits.burst else max(habits.peak, count)
        if count < usual:
            return ""
        return f"{count} events within {self.thresholds.window:g} s; usual are fewer than {usual:g}"

    def _refusals(self, habits: _Habits, record: AuditRecord) -> str:
        # One record may stand for many refusals.
        said = record.event.detail.get(COUNT, "1")
        times = min(_MOST, int(said)) if said.isdecimal() and len(said) < _DIGITS else 1
        count = max(self._counted(habits.refused, record.at) for _ in range(max(1, times)))
        if count < self.thresholds.refusals:
            return ""
        return f"{count} refusals within {self.thresholds.window:g} s"

    def _off_hours(self, habits: _Habits, at: datetime) -> str:
        local = at.astimezone(self._zone)
        first, end = self.thresholds.hours
        workday = local.weekday() in self.thresholds.weekdays
        if workday and first <= local.hour < end:
            return ""
        slot, day = (workday, local.hour), local.toordinal()
        if habits.last_day.get(slot) == day:
            days = habits.days[slot] - 1
        else:
            days = habits.days[slot]
            habits.days[slot] += 1
            habits.last_day[slot] = day
        if days >= self.thresholds.habit:
            return ""
        return f"at {local:%A %H:%M} {self.thresholds.zone}; seen so on {days} other days"

    def _counted(self, times: deque[datetime], at: datetime) -> int:
        times.append(at)
        while self._over(times[0], at, self.thresholds.window):
            times.popleft()
        return len(times)

    def _tells(self, habits: _Habits, kind: Kind, at: datetime) -> bool:
        told = habits.told.get(kind)
        if told is not None and not self._over(told, at, self.thresholds.quiet):
            return False
        habits.told[kind] = at
        return True

    @staticmethod
    def _over(since: datetime, now: datetime, seconds: float) -> bool:
        return now - since >= timedelta(seconds=seconds)


def _is_denied(record: AuditRecord) -> bool:
    return record.event.outcome == "denied"
