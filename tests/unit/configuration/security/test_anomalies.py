"""Unusual access: what is found, what is not, and how often that is right."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hxp_enterprise_llm.configuration.audit import AuditEvent, AuditRecord
from hxp_enterprise_llm.configuration.security.anomalies import ACTION, Anomaly, Detector, Kind
from hxp_enterprise_llm.schemas.security import Thresholds

pytestmark = pytest.mark.feature("CC-06")

MONDAY = datetime(2026, 9, 7, tzinfo=UTC)
WEDNESDAY_NOON = MONDAY + timedelta(days=2, hours=12)
NO_LEARNING = Thresholds(learning=0, burst=10, refusals=3)


def record(at: datetime, actor: str = "ada", outcome: str = "ok", number: int = 1) -> AuditRecord:
    event = AuditEvent(actor, "configuration.read", "configuration:hosts", outcome)
    return AuditRecord(number, at, event, "", "")


def kinds(found: tuple[Anomaly, ...]) -> list[Kind]:
    return [one.kind for one in found]


def familiar(thresholds: Thresholds = NO_LEARNING) -> Detector:
    """A detector that has seen ada on each workday of two weeks."""
    detector = Detector(thresholds)
    for day in range(14):
        if day % 7 < 5:
            detector.observe(record(MONDAY + timedelta(days=day, hours=9)))
    return detector


LATER = MONDAY + timedelta(days=14, hours=12)


def test_a_new_actor_is_told_once_and_nobody_is_new_while_it_learns() -> None:
    detector = Detector(Thresholds())
    assert detector.observe(record(WEDNESDAY_NOON)) == ()
    found = detector.observe(record(WEDNESDAY_NOON + timedelta(days=7), "mallory", number=5))
    assert kinds(found) == [Kind.NEW_ACTOR]
    assert (found[0].actor, found[0].number) == ("mallory", 5)
    assert detector.observe(record(WEDNESDAY_NOON + timedelta(days=7), "mallory")) == ()


def test_who_was_away_for_90_days_is_new_again() -> None:
    detector = familiar()
    assert detector.observe(record(LATER + timedelta(days=70))) == ()
    found = detector.observe(record(LATER + timedelta(days=161)))
    assert Kind.NEW_ACTOR in kinds(found)


def test_a_burst_is_told_at_its_threshold() -> None:
    detector = familiar()
    found = [detector.observe(record(LATER + timedelta(seconds=n))) for n in range(30)]
    assert [kinds(one) for one in found if one] == [[Kind.BURST]]
    assert kinds(found[9]) == [Kind.BURST]
    assert found[9][0].text == "10 events within 60 s; usual are fewer than 10"


def test_events_further_apart_are_no_burst() -> None:
    detector = familiar()
    assert not any(detector.observe(record(LATER + timedelta(seconds=7 * n))) for n in range(50))


def test_a_burst_is_judged_by_what_somebody_usually_does() -> None:
    detector = familiar()
    for day in range(3):
        for n in range(9):
            detector.observe(record(LATER + timedelta(days=day, seconds=n)))
    later = LATER + timedelta(days=3)
    found = [detector.observe(record(later + timedelta(seconds=n))) for n in range(40)]
    assert [index for index, one in enumerate(found) if one] == [9 * 3 - 1]


def test_a_burst_does_not_make_the_next_one_usual() -> None:
    detector = familiar()
    for day in range(3):
        times = [LATER + timedelta(days=day, seconds=n) for n in range(30)]
        assert Kind.BURST in [one.kind for at in times for one in detector.observe(record(at))]


def test_refusals_are_told() -> None:
    detector = familiar()
    found = [detector.observe(record(LATER, outcome="denied")) for _ in range(4)]
    assert [kinds(one) for one in found] == [[], [], [Kind.REFUSALS], []]


@pytest.mark.parametrize(
    ("at", "usual"),
    [
        (LATER, True),
        (LATER.replace(hour=7), True),
        (LATER.replace(hour=6, minute=59), False),
        (LATER.replace(hour=20), False),
        (LATER + timedelta(days=5), False),
    ],
)
def test_hours_are_told_that_are_not_usual(at: datetime, usual: bool) -> None:
    assert kinds(familiar().observe(record(at))) == ([] if usual else [Kind.OFF_HOURS])


def test_hours_are_those_of_the_zone() -> None:
    detector = familiar(Thresholds(learning=0, zone="Asia/Tokyo"))
    found = detector.observe(record(LATER))
    assert found[0].text == "at Monday 21:00 Asia/Tokyo; seen so on 0 other days"


def test_a_habit_is_usual_and_services_have_no_hours() -> None:
    detector = Detector(NO_LEARNING, exempt=("backup",))
    nights = [MONDAY + timedelta(days=day, hours=2) for day in range(5)]
    assert not any(Kind.OFF_HOURS in kinds(detector.observe(record(at, "backup"))) for at in nights)
    found = [kinds(detector.observe(record(at, "eva")))[-1:] for at in nights]
    assert found == [[Kind.OFF_HOURS]] * 3 + [[]] * 2


def test_the_same_is_told_once_in_an_hour() -> None:
    detector, night = familiar(), LATER.replace(hour=23)
    told = [
        bool(detector.observe(record(night + timedelta(minutes=minutes))))
        for minutes in (0, 30, 59, 60)
    ]
    assert told == [True, False, False, True]


def test_own_findings_are_no_events() -> None:
    found = familiar().observe(record(LATER.replace(hour=23), number=9))[0]
    event = found.event()
    assert (event.action, event.resource) == (ACTION, "actors:ada")
    assert event.detail["kind"] == "off-hours"
    assert event.detail["record"] == "9"
    own = AuditRecord(10, LATER.replace(hour=23), event, "", "")
    assert Detector(NO_LEARNING).observe(own) == ()


def test_actors_are_remembered_up_to_a_number() -> None:
    detector = Detector(Thresholds(actors=3, learning=0))
    for name in ("a", "b", "c", "a", "d"):
        detector.observe(record(WEDNESDAY_NOON, name))
    again = [kinds(detector.observe(record(WEDNESDAY_NOON, name))) for name in ("a", "b")]
    assert again == [[], [Kind.NEW_ACTOR]]


@pytest.mark.parametrize("wrong", [{"zone": "Nowhere/At_All"}, {"hours": (9, 9)}, {"burst": 1}])
def test_thresholds_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Thresholds.model_validate(wrong)


@given(st.lists(st.integers(0, 10**6), max_size=60), st.sampled_from(["ok", "denied"]))
def test_any_times_in_any_order_are_taken(seconds: list[int], outcome: str) -> None:
    detector = Detector(NO_LEARNING)
    for second in seconds:
        for found in detector.observe(record(MONDAY + timedelta(seconds=second), "x", outcome)):
            assert found.actor == "x"
            assert found.text


# Accuracy, over synthetic logs whose anomalies are known.


@dataclass(frozen=True)
class Incident:
    """An anomaly that was put into a log."""

    kind: Kind
    actor: str
    begin: datetime
    end: datetime

    def explains(self, found: Anomaly) -> bool:
        return found.actor == self.actor and self.begin <= found.at <= self.end


PEOPLE = tuple(f"person-{number}" for number in range(8))
DAYS, LEARNT = 60, 14


def usual_work(dice: random.Random) -> Iterator[AuditRecord]:
    """Workdays of people, with some late evenings; services each minute; a job each night."""
    for day in range(DAYS):
        date = MONDAY + timedelta(days=day)
        yield from (record(date + timedelta(minutes=5 * n), "gateway") for n in range(288))
        yield from (record(date + timedelta(hours=2, seconds=n), "backup") for n in range(80))
        for person in PEOPLE if day % 7 < 5 else ():
            for _ in range(dice.randint(5, 60)):
                at = date + timedelta(seconds=dice.triangular(7.2 * 3600, 19.8 * 3600, 11 * 3600))
                yield record(at, person, "denied" if dice.random() < 0.02 else "ok")
            if dice.random() < 0.005:
                yield record(date + timedelta(hours=20.5), person)


def incidents(dice: random.Random) -> Iterator[tuple[Incident, list[AuditRecord]]]:
    """Ten of each kind, on days after the learning ones."""
    for number in range(10):
        for kind in Kind:
            actor = f"stranger-{number}" if kind is Kind.NEW_ACTOR else dice.choice(PEOPLE)
            week = dice.randrange(LEARNT // 7, DAYS // 7)
            day = MONDAY + timedelta(days=7 * week + dice.randrange(5))
            hour = dice.choice((1, 3, 4, 22)) if kind is Kind.OFF_HOURS else dice.randrange(8, 19)
            begin = day + timedelta(hours=hour, minutes=dice.randrange(50))
            count = {Kind.BURST: 200, Kind.REFUSALS: dice.randint(5, 20)}.get(kind, 3)
            step = 0.25 if kind is Kind.BURST else 3.0
            outcome = "denied" if kind is Kind.REFUSALS else "ok"
            times = [begin + timedelta(seconds=step * n) for n in range(count)]
            yield (
                Incident(kind, actor, begin, times[-1]),
                [record(at, actor, outcome) for at in times],
            )


@pytest.mark.parametrize("seed", range(4))
def test_nine_of_ten_findings_are_right_and_nine_of_ten_incidents_are_found(seed: int) -> None:
    dice = random.Random(seed)
    put = list(incidents(dice))
    log = sorted(
        [*usual_work(dice), *(one for _, records in put for one in records)], key=lambda one: one.at
    )
    detector = Detector(exempt=("gateway", "backup"))
    found = [
        one
        for entry in log
        for one in detector.observe(entry)
        if one.at >= MONDAY + timedelta(days=LEARNT)
    ]
    right = [one for one in found if any(incident.explains(one) for incident, _ in put)]
    missed = [
        incident
        for incident, _ in put
        if not any(one.kind is incident.kind and incident.explains(one) for one in found)
    ]
    precision, recall = len(right) / len(found), 1 - len(missed) / len(put)
    assert precision >= 0.9, [one for one in found if one not in right]
    assert recall >= 0.9, missed
