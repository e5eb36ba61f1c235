"""The compliance report: what is asked, what was seen, and no pass for what was not shown."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.configuration.security.conftest import NOON
from tests.unit.configuration.security.test_signing import revision

from hxp_enterprise_llm.configuration.security.access import Access, AccessRules
from hxp_enterprise_llm.configuration.security.compliance import (
    CHECKS,
    Facts,
    Finding,
    Outcome,
    assess,
)
from hxp_enterprise_llm.configuration.security.passwords import PasswordPolicy
from hxp_enterprise_llm.configuration.security.policies import POLICIES
from hxp_enterprise_llm.configuration.security.sessions import SessionPolicy
from hxp_enterprise_llm.configuration.security.signing import Signer
from hxp_enterprise_llm.schemas.access import Principal
from hxp_enterprise_llm.schemas.security import SecurityLevel

pytestmark = pytest.mark.feature("CC-06")

SIGNER = Signer.new()
ROOT = Principal(id="root", roles=("administrator",))


@pytest.fixture
async def good(tmp_path: Path) -> Facts:
    """All that level high asks for."""
    file = tmp_path / "secrets.key"
    file.write_text("x")
    file.chmod(0o600)
    policy = POLICIES[SecurityLevel.HIGH]
    return Facts(
        access=Access(AccessRules(principals=(ROOT,))),
        sessions=policy.sessions,
        passwords=policy.passwords,
        key_sizes=(32, 32),
        secrets_due=0,
        files=(file, tmp_path / "not-there"),
        audit_records=12,
        oldest_record=NOON - timedelta(days=90),
        revisions=(await revision(SIGNER),),
        verifier=SIGNER.verifier,
        tls={"gateway": True},
        encrypted={"gateway": True},
        anomalies={},
    )


def finding(facts: Facts, check: str, level: SecurityLevel = SecurityLevel.HIGH) -> Finding:
    report = assess(POLICIES[level], facts, NOON)
    return next(one for one in report.findings if one.id == check)


def test_everything_that_is_asked_holds(good: Facts) -> None:
    report = assess(POLICIES[SecurityLevel.HIGH], good, NOON)
    assert report.compliant, report.text()
    assert {one.outcome for one in report.findings} == {Outcome.PASS}
    assert all(one.evidence for one in report.findings)


@pytest.mark.parametrize("level", list(SecurityLevel))
def test_what_was_not_shown_does_not_pass(level: SecurityLevel) -> None:
    report = assess(POLICIES[level], Facts(), NOON)
    assert not report.compliant
    assert {one.outcome for one in report.findings} <= {Outcome.UNKNOWN, Outcome.NOT_ASKED}
    assert all(one.next_step for one in report.findings if one.outcome is Outcome.UNKNOWN)


def anybody_reads() -> Access:
    return Access(AccessRules(principals=(Principal(id="anonymous", roles=("reader",)),)))


def six_administrators() -> Access:
    admins = [Principal(id=f"a{number}", roles=("administrator",)) for number in range(6)]
    return Access(AccessRules(principals=tuple(admins)))


@pytest.mark.parametrize(
    ("check", "change", "evidence"),
    [
        ("S101", {"access": anybody_reads()}, "nobody known has reader"),
        ("S102", {"access": six_administrators()}, "6 of at most 5: a0, a1, a2, a3, a4, a5"),
        ("S103", {"sessions": SessionPolicy()}, "after 43200 s"),
        ("S104", {"passwords": PasswordPolicy(shortest=14, memory_kib=8)}, "with 8 KiB"),
        ("S104", {"passwords": PasswordPolicy()}, "from 12 characters"),
        ("S201", {"key_sizes": (16, 32)}, "AES-256-GCM; bits of keys: 128, 256"),
        ("S202", {"secrets_due": 2}, "2 older than 90 days"),
        ("S301", {"audit_fault": "record 3 was changed"}, "record 3 was changed"),
        ("S302", {"oldest_record": NOON - timedelta(days=93)}, "the oldest is 93.0 days old"),
        ("S501", {"tls": {"gateway": False, "vllm": True}}, "2 services; without it: gateway"),
        ("S502", {"encrypted": {"redis": False}}, "1 services; without it: redis"),
    ],
)
def test_what_does_not_hold_fails_with_its_evidence(
    good: Facts, check: str, change: dict[str, Any], evidence: str
) -> None:
    found = finding(replace(good, **change), check)
    assert found.outcome is Outcome.FAIL
    assert evidence in found.evidence
    assert found.next_step


def test_an_open_file_fails_and_is_named(good: Facts) -> None:
    assert good.files is not None
    good.files[0].chmod(0o644)
    found = finding(good, "S203")
    assert (found.outcome, str(good.files[0]) in found.evidence) == (Outcome.FAIL, True)


async def test_an_unsigned_revision_fails_and_is_named(good: Facts) -> None:
    found = finding(replace(good, revisions=(await revision(None),)), "S401")
    assert (found.outcome, found.evidence) == (Outcome.FAIL, "revision 2 is not signed")


async def test_nobody_approves_their_own_change(good: Facts) -> None:
    made = await revision(SIGNER)
    own = finding(replace(good, revisions=(replace(made, approver="ada"),)), "S402")
    assert own.outcome is Outcome.FAIL
    assert "approved by their actor: 2" in own.evidence
    spelled = finding(replace(good, revisions=(replace(made, approver=" Ada "),)), "S402")
    assert "approved by their actor: 2" in spelled.evidence
    mute = finding(replace(good, revisions=(replace(made, reason=" "),)), "S402")
    assert "without a reason: 2" in mute.evidence


def test_a_level_asks_for_what_its_policy_says() -> None:
    low = assess(POLICIES[SecurityLevel.LOW], Facts(), NOON)
    not_asked = {one.id for one in low.findings if one.outcome is Outcome.NOT_ASKED}
    assert not_asked == {"S101", "S102", "S401", "S501", "S502"}
    high = assess(POLICIES[SecurityLevel.HIGH], Facts(), NOON)
    assert not [one for one in high.findings if one.outcome is Outcome.NOT_ASKED]


def test_the_report_is_json_and_text(good: Facts) -> None:
    report = assess(POLICIES[SecurityLevel.HIGH], replace(good, secrets_due=1), NOON)
    data = json.loads(report.json())
    assert (data["level"], data["compliant"]) == ("high", False)
    assert data["made_at"] == NOON.isoformat()
    assert data["counts"] == {
        "pass": len(CHECKS) - 1,
        "fail": 1,
        "unknown": 0,
        "not-asked": 0,
    }
    assert {"id", "title", "outcome", "evidence", "next_step"} == set(data["findings"][0])
    lines = report.text().splitlines()
    assert lines[0] == "security level high, 2026-11-18 12:00 UTC"
    assert lines[1].startswith("fail       S202  secrets and keys are rotated in time: 1 older")
    assert lines[2].strip() == "Run citadel secrets rotate."
    assert lines[-1] == "not compliant"
    assert assess(POLICIES[SecurityLevel.HIGH], good, NOON).text().endswith("\ncompliant")


def test_records_are_kept_as_long_as_is_said_and_not_shorter_than_is_asked(good: Facts) -> None:
    longer = replace(
        good,
        keep=timedelta(days=120),
        segment=timedelta(days=7),
        oldest_record=NOON - timedelta(days=130),
    )
    assert finding(longer, "S302").outcome is Outcome.PASS
    assert finding(replace(longer, segment=timedelta(days=1)), "S302").outcome is Outcome.FAIL
    shorter = finding(replace(good, keep=timedelta(days=30), oldest_record=None), "S302")
    assert (shorter.outcome, shorter.evidence) == (Outcome.FAIL, "kept are 30 days; asked are 90")


def test_an_empty_log_keeps_nothing_too_long(good: Facts) -> None:
    found = finding(replace(good, audit_records=0, oldest_record=None), "S302")
    assert (found.outcome, found.evidence) == (Outcome.PASS, "no records yet")


def test_ids_are_unique() -> None:
    assert len({check.id for check in CHECKS}) == len(CHECKS)
