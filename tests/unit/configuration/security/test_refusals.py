"""Refusals of nobody known fill no disk, and are counted to the last."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.audit import AuditError, AuditEvent, AuditLog
from hxp_enterprise_llm.configuration.security import ConfigurationSecurity, SecurityConfig
from hxp_enterprise_llm.configuration.security.anomalies import Detector, Kind
from hxp_enterprise_llm.configuration.security.refusals import Refusals
from hxp_enterprise_llm.schemas.security import Thresholds
from hxp_enterprise_llm.testing.clock import Calendar

pytestmark = pytest.mark.feature("CC-07")


def refusal(action: str = "configuration.apply", source: str = "10.0.0.5") -> AuditEvent:
    return AuditEvent("anonymous", action, "configuration", "denied", {"from": source})


def counted(audit: AuditLog) -> list[tuple[str, str]]:
    return [(one.event.action, one.event.detail.get("count", "1")) for one in audit.records()]


def test_a_thousand_refusals_of_a_minute_are_two_records(audit: AuditLog, clock: Calendar) -> None:
    refusals = Refusals(audit, clock)
    began = clock()
    for number in range(1000):
        refusals.add(refusal(source=f"10.0.0.{number % 20}"))
        clock.forward(seconds=0.05)
    assert counted(audit) == [("configuration.apply", "1")]
    clock.forward(seconds=60)
    refusals.flush()
    first, rest = audit.records()
    assert first.event == refusal(source="10.0.0.0")
    assert (rest.event.actor, rest.event.outcome) == ("anonymous", "denied")
    assert rest.event.detail == {
        "count": "999",
        "since": began.isoformat(),
        "from": " ".join(f"10.0.0.{number}" for number in range(1, 9)),
    }


def test_each_action_has_its_own_first_record_and_each_minute_too(
    audit: AuditLog, clock: Calendar
) -> None:
    refusals = Refusals(audit, clock)
    for action in ("a.read", "a.apply", "a.read"):
        refusals.add(refusal(action))
    assert counted(audit) == [("a.read", "1"), ("a.apply", "1")]
    clock.forward(seconds=61)
    refusals.add(refusal("a.read"))
    assert counted(audit)[2:] == [("a.read", "1"), ("a.read", "1")]


def test_what_failed_is_counted_apart_from_what_was_denied(
    audit: AuditLog, clock: Calendar
) -> None:
    refusals = Refusals(audit, clock)
    for outcome in ("denied", "failed", "failed"):
        refusals.add(AuditEvent("anonymous", "a.read", "", outcome))
    refusals.flush(whole=True)
    said = [(one.event.outcome, one.event.detail.get("count", "1")) for one in audit.records()]
    assert said == [("denied", "1"), ("failed", "1"), ("failed", "1")]


def test_a_clock_that_is_set_back_loses_no_count(audit: AuditLog, clock: Calendar) -> None:
    refusals = Refusals(audit, clock)
    for _ in range(3):
        refusals.add(refusal())
    clock.forward(hours=-2)
    refusals.flush()
    assert counted(audit) == [("configuration.apply", "1"), ("configuration.apply", "2")]


def test_what_cannot_be_recorded_stays_counted(audit: AuditLog, clock: Calendar) -> None:
    refusals = Refusals(audit, clock)
    for _ in range(3):
        refusals.add(refusal())
    audit.close()
    kept = audit.path.rename(audit.path.with_name("kept"))
    audit.path.mkdir()
    with pytest.raises(AuditError):
        refusals.flush(whole=True)
    audit.path.rmdir()
    kept.rename(audit.path)
    refusals.flush(whole=True)
    assert counted(audit)[-1] == ("configuration.apply", "2")


async def test_the_end_of_the_service_writes_what_was_counted(
    audit: AuditLog, clock: Calendar
) -> None:
    async with ConfigurationSecurity(SecurityConfig(), audit=audit, now=clock) as security:
        await asyncio.gather(
            *(asyncio.to_thread(security.refusals.add, refusal()) for _ in range(50))
        )
        assert counted(audit) == [("configuration.apply", "1")]
    assert counted(audit) == [("configuration.apply", "1"), ("configuration.apply", "49")]


@pytest.mark.feature("CC-06")
def test_a_record_that_stands_for_many_refusals_counts_as_many(
    tmp_path: Path, clock: Calendar
) -> None:
    audit = AuditLog(tmp_path / "other.jsonl", clock=clock)
    detector = Detector(Thresholds(learning=0, refusals=5))
    refusals = Refusals(audit, clock)
    for _ in range(5):
        refusals.add(refusal())
    refusals.flush(whole=True)
    first, rest = audit.records()
    assert Kind.REFUSALS not in {one.kind for one in detector.observe(first)}
    (found,) = (one for one in detector.observe(rest) if one.kind is Kind.REFUSALS)
    assert "5 refusals within 60 s" in found.text
    audit.close()
