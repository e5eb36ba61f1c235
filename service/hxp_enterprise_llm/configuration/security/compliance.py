"""Compliance: what the policy of a level asks, what was found, and whether they agree (CC-06).

A check that was not shown what it needs to see does not pass: it is `unknown`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from hxp_enterprise_llm.configuration.approval import is_same
from hxp_enterprise_llm.configuration.revisions.base import Revision
from hxp_enterprise_llm.configuration.security.access import Access, Do
from hxp_enterprise_llm.configuration.security.errors import SignatureError
from hxp_enterprise_llm.configuration.security.passwords import PasswordPolicy
from hxp_enterprise_llm.configuration.security.policies import SecurityPolicy
from hxp_enterprise_llm.configuration.security.sessions import SessionPolicy
from hxp_enterprise_llm.configuration.security.signing import Verifier
from hxp_enterprise_llm.schemas.access import ANONYMOUS, Principal

_CLOSED = 0o077
_AES_256_BYTES = 32
_EVERYTHING = "secrets:generated:any"


class Outcome(StrEnum):
    """What a check came to."""

    PASS = "pass"  # noqa: S105 # a word, no value
    FAIL = "fail"
    UNKNOWN = "unknown"
    NOT_ASKED = "not-asked"


@dataclass(frozen=True)
class Facts:
    """What is there. What is None was not looked at.

    Attributes:
        access: Roles and principals.
        sessions: Times of sessions.
        passwords: Form of passwords.
        key_sizes: Bytes of the keys that seal secrets.
        secrets_due: Secrets and keys that are overdue for rotation.
        files: Files that nobody else may read.
        audit_records: Records of the audit log, its chain checked.
        audit_fault: Why its chain could not be checked.
        oldest_record: Time of the oldest record that is kept.
        segment: How long one file of the log lasts: so much later it may go.
        keep: How long records are kept; as the policy says when it is not given.
        revisions: Stored revisions.
        verifier: Public keys of revisions.
        tls: Whether TLS is spoken, by service that others can reach.
        encrypted: Whether what it stores is encrypted, by service.
        anomalies: Unusual access that was found, by kind.
    """

    access: Access | None = None
    sessions: SessionPolicy | None = None
    passwords: PasswordPolicy | None = None
    key_sizes: tuple[int, ...] | None = None
    secrets_due: int | None = None
    files: tuple[Path, ...] | None = None
    audit_records: int | None = None
    audit_fault: str = ""
    oldest_record: datetime | None = None
    segment: timedelta = timedelta(days=1)
    keep: timedelta | None = None
    revisions: Sequence[Revision] | None = field(default=None, repr=False)
    verifier: Verifier | None = None
    tls: Mapping[str, bool] | None = None
    encrypted: Mapping[str, bool] | None = None
    anomalies: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Finding:
    """What one check came to.

    Attributes:
        id: Of the check.
        title: What must hold.
        outcome: Whether it does.
        evidence: What was seen.
        next_step: What to do when it does not.
    """

    id: str
    title: str
    outcome: Outcome
    evidence: str
    next_step: str = ""


@dataclass(frozen=True)
class Report:
    """All findings of one look."""

    level: str
    made_at: datetime
    findings: tuple[Finding, ...]

    @property
    def compliant(self) -> bool:
        """Return whether everything that is asked was seen to hold."""
        return all(one.outcome in {Outcome.PASS, Outcome.NOT_ASKED} for one in self.findings)

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "level": self.level,
            "made_at": self.made_at.isoformat(),
            "compliant": self.compliant,
            "counts": {
                outcome.value: sum(one.outcome is outcome for one in self.findings)
                for outcome in Outcome
            },
            "findings": [{**vars(one), "outcome": one.outcome.value} for one in self.findings],
        }

    def json(self) -> str:
        """Return it as JSON."""
        return json.dumps(self.as_data(), indent=1)

    def text(self) -> str:
        """Return it for people: what fails stands first."""
        order = [Outcome.FAIL, Outcome.UNKNOWN, Outcome.PASS, Outcome.NOT_ASKED]
        lines = [f"security level {self.level}, {self.made_at:%Y-%m-%d %H:%M} UTC"]
        for one in sorted(self.findings, key=lambda one: (order.index(one.outcome), one.id)):
            lines.append(f"{one.outcome.value:9}  {one.id}  {one.title}: {one.evidence}")
            if one.next_step and one.outcome in {Outcome.FAIL, Outcome.UNKNOWN}:
                lines.append(f"{'':9}        {one.next_step}")
        lines.append("compliant" if self.compliant else "not compliant")
        return "\n".join(lines)


_Seen = tuple[bool | None, str]
"""Whether it holds (None: not looked at), and what was seen."""
_NOT_SEEN: _Seen = (None, "not looked at")


@dataclass(frozen=True)
class _Check:
    """One thing that must hold, where the policy asks for it."""

    id: str
    title: str
    look: Callable[[SecurityPolicy, Facts, datetime], _Seen]
    next_step: str
    asked: Callable[[SecurityPolicy], bool] = lambda _: True

    def run(self, policy: SecurityPolicy, facts: Facts, now: datetime) -> Finding:
        if not self.asked(policy):
            evidence = f"level {policy.level} does not ask for it"
            return Finding(self.id, self.title, Outcome.NOT_ASKED, evidence)
        holds, evidence = self.look(policy, facts, now)
        outcome = Outcome.UNKNOWN if holds is None else Outcome.PASS if holds else Outcome.FAIL
        next_step = "Show it to the check." if holds is None else self.next_step
        return Finding(self.id, self.title, outcome, evidence, "" if holds else next_step)


def assess(policy: SecurityPolicy, facts: Facts, now: datetime) -> Report:
    """Return what all checks come to.

    Args:
        policy: What is asked.
        facts: What is there.
        now: When the facts were gathered, in UTC.
    """
    findings = tuple(check.run(policy, facts, now) for check in CHECKS)
    return Report(policy.level.value, now, findings)


def _strangers(_: SecurityPolicy, facts: Facts, __: datetime) -> _Seen:
    if facts.access is None:
        return _NOT_SEEN
    roles = facts.access.principal(ANONYMOUS.id).roles
    return not roles, f"nobody known has {', '.join(roles) or 'no role'}"


def _administrators(policy: SecurityPolicy, facts: Facts, _: datetime) -> _Seen:
    if facts.access is None:
        return _NOT_SEEN
    found = [one.id for one in facts.access.rules.principals if _may_all(facts.access, one)]
    most = policy.administrators or 0
    return len(found) <= most, f"{len(found)} of at most {most}: {', '.join(found) or 'none'}"


def _may_all(access: Access, principal: Principal) -> bool:
    return access.decide(principal, Do.MANAGE, _EVERYTHING).allowed


def _sessions(policy: SecurityPolicy, facts: Facts, _: datetime) -> _Seen:
    own, asked = facts.sessions, policy.sessions
    if own is None:
        return _NOT_SEEN
    holds = own.lifetime <= asked.lifetime and own.idle <= asked.idle
    return holds, (
        f"after {own.lifetime:g} s, or {own.idle:g} s without use; "
        f"asked are {asked.lifetime:g} and {asked.idle:g}"
    )


def _passwords(policy: SecurityPolicy, facts: Facts, _: datetime) -> _Seen:
    own, asked = facts.passwords, policy.passwords
    if own is None:
        return _NOT_SEEN
    cost = (own.memory_kib, own.passes) >= (asked.memory_kib, asked.passes)
    return own.shortest >= asked.shortest and cost, (
        f"argon2id with {own.memory_kib} KiB and {own.passes} passes, from {own.shortest} "
        f"characters on; asked are {asked.memory_kib}, {asked.passes} and {asked.shortest}"
    )


def _cipher(policy: SecurityPolicy, facts: Facts, _: datetime) -> _Seen:
    sizes = facts.key_sizes
    if sizes is None:
        return _NOT_SEEN
    bits = ", ".join(str(8 * size) for size in sizes) or "none"
    return all(size == _AES_256_BYTES for size in sizes), f"{policy.cipher}; bits of keys: {bits}"


def _due(policy: SecurityPolicy, facts: Facts, _: datetime) -> _Seen:
    if facts.secrets_due is None:
        return _NOT_SEEN
    days = policy.secrets.rotate_every / timedelta(days=1)
    return not facts.secrets_due, f"{facts.secrets_due} older than {days:g} days"


def _files(_: SecurityPolicy, facts: Facts, __: datetime) -> _Seen:
    if facts.files is None:
        return _NOT_SEEN
    there = [file for file in facts.files if file.exists()]
    open_ones = [str(file) for file in there if file.stat().st_mode & _CLOSED]
    return not open_ones, f"{len(there)} files; open: {', '.join(open_ones) or 'none'}"


def _audit(_: SecurityPolicy, facts: Facts, __: datetime) -> _Seen:
    if facts.audit_fault:
        return False, facts.audit_fault
    if facts.audit_records is None:
        return _NOT_SEEN
    return True, f"{facts.audit_records} records in one chain"


def _kept(policy: SecurityPolicy, facts: Facts, now: datetime) -> _Seen:
    if facts.audit_records is None:
        return _NOT_SEEN
    keep = policy.keep_audit if facts.keep is None else facts.keep
    days, asked = keep / timedelta(days=1), policy.keep_audit / timedelta(days=1)
    if keep < policy.keep_audit:
        return False, f"kept are {days:g} days; asked are {asked:g}"
    if facts.oldest_record is None:
        return True, "no records yet"
    age = now - facts.oldest_record
    # A record goes with its file, and retention runs once for each of them.
    latest = keep + 2 * facts.segment
    return age <= latest, f"the oldest is {age / timedelta(days=1):.1f} days old; kept are {days:g}"


def _signed(_: SecurityPolicy, facts: Facts, __: datetime) -> _Seen:
    if facts.revisions is None or facts.verifier is None:
        return _NOT_SEEN
    for revision in facts.revisions:
        try:
            facts.verifier.check(revision)
        except SignatureError as error:
            return False, error.message
    return True, f"{len(facts.revisions)} revisions, each signed by a trusted key"


def _approved(_: SecurityPolicy, facts: Facts, __: datetime) -> _Seen:
    if facts.revisions is None:
        return _NOT_SEEN
    own = [
        str(one.number)
        for one in facts.revisions
        if one.approver is not None and is_same(one.approver, one.actor)
    ]
    mute = [str(one.number) for one in facts.revisions if not one.reason.strip()]
    return not own and not mute, (
        f"{len(facts.revisions)} revisions; approved by their actor: {', '.join(own) or 'none'}; "
        f"without a reason: {', '.join(mute) or 'none'}"
    )


def _switched(by_service: Mapping[str, bool] | None) -> _Seen:
    if by_service is None:
        return _NOT_SEEN
    off = [name for name, on in sorted(by_service.items()) if not on]
    return not off, f"{len(by_service)} services; without it: {', '.join(off) or 'none'}"


def _watched(_: SecurityPolicy, facts: Facts, __: datetime) -> _Seen:
    if facts.anomalies is None:
        return _NOT_SEEN
    found = ", ".join(f"{count} {kind}" for kind, count in sorted(facts.anomalies.items()))
    return True, f"found since the start: {found or 'nothing'}"


CHECKS = (
    _Check(
        "S101",
        "who is not known has no role",
        _strangers,
        "Take the roles of principal `anonymous` away.",
        lambda policy: not policy.anonymous,
    ),
    _Check(
        "S102",
        "few may do everything",
        _administrators,
        "Give narrower roles to those who do not need them all.",
        lambda policy: policy.administrators is not None,
    ),
    _Check("S103", "sessions expire in time", _sessions, "Shorten lifetime and idle time."),
    _Check(
        "S104", "passwords are hashed and long enough", _passwords, "Raise the policy's values."
    ),
    _Check("S201", "secrets are sealed with AES-256", _cipher, "Run citadel secrets rekey."),
    _Check("S202", "secrets and keys are rotated in time", _due, "Run citadel secrets rotate."),
    _Check("S203", "files of secrets are closed to others", _files, "Run chmod 600 on them."),
    _Check("S301", "the audit log is whole", _audit, "Keep the file, compare it with a backup."),
    _Check("S302", "audit records go after their time", _kept, "See why retention does not run."),
    _Check("S303", "access is watched", _watched, "Run the security service."),
    _Check(
        "S401",
        "revisions are signed",
        _signed,
        "Do not use that revision; put an older one back in force.",
        lambda policy: policy.signed,
    ),
    _Check(
        "S402",
        "changes have a reason, and nobody approves their own",
        _approved,
        "Ask its actor, and let somebody else approve it.",
    ),
    _Check(
        "S501",
        "services that others reach speak TLS",
        lambda _, facts, __: _switched(facts.tls),
        "Set security.ssl_enabled, or bind them to 127.0.0.1.",
        lambda policy: policy.tls,
    ),
    _Check(
        "S502",
        "what services store is encrypted",
        lambda _, facts, __: _switched(facts.encrypted),
        "Set security.encryption_enabled.",
        lambda policy: policy.encrypted,
    ),
)
