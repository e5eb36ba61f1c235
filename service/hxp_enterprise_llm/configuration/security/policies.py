"""What a level of security asks for (CC-04): one table, by which services are set up and judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from hxp_enterprise_llm.configuration.secrets.policy import POLICIES as SECRET_POLICIES
from hxp_enterprise_llm.configuration.secrets.policy import SecretPolicy
from hxp_enterprise_llm.configuration.security.passwords import PasswordPolicy
from hxp_enterprise_llm.configuration.security.sessions import SessionPolicy
from hxp_enterprise_llm.schemas.security import SecurityLevel

KEEP_AUDIT = timedelta(days=90)
CIPHER = "AES-256-GCM"


@dataclass(frozen=True)
class SecurityPolicy:
    """What holds at one level.

    Attributes:
        level: Which.
        sessions: Times and numbers of sessions.
        passwords: Form and cost of passwords.
        secrets: Rotation, cache and transport of secrets.
        signed: Whether revisions must be signed, and are checked where they arrive.
        encrypted: Whether copies of configurations are sealed where they lie on a disk.
        cipher: With what.
        tls: Whether a service that others can reach speaks TLS only.
        anonymous: Whether somebody who did not say who they are may have a role.
        administrators: How many may do everything; None for any number.
        keep_audit: How long audit records are kept; older ones are exported, then deleted.
    """

    level: SecurityLevel
    sessions: SessionPolicy = field(default_factory=SessionPolicy)
    passwords: PasswordPolicy = field(default_factory=PasswordPolicy)
    secrets: SecretPolicy = field(default_factory=lambda: SECRET_POLICIES[SecurityLevel.MEDIUM])
    signed: bool = False
    encrypted: bool = False
    cipher: str = CIPHER
    tls: bool = False
    anonymous: bool = False
    administrators: int | None = None
    keep_audit: timedelta = KEEP_AUDIT


_HOUR = 3600.0
POLICIES = {
    policy.level: policy
    for policy in (
        SecurityPolicy(
            SecurityLevel.LOW,
            sessions=SessionPolicy(lifetime=7 * 24 * _HOUR, idle=24 * _HOUR),
            passwords=PasswordPolicy(shortest=8),
            anonymous=True,
        ),
        SecurityPolicy(SecurityLevel.MEDIUM, signed=True),
        SecurityPolicy(
            SecurityLevel.HIGH,
            sessions=SessionPolicy(lifetime=8 * _HOUR, idle=_HOUR / 4, per_principal=5),
            passwords=PasswordPolicy(shortest=14),
            secrets=SECRET_POLICIES[SecurityLevel.HIGH],
            signed=True,
            encrypted=True,
            tls=True,
            administrators=5,
        ),
        SecurityPolicy(
            SecurityLevel.CRITICAL,
            sessions=SessionPolicy(lifetime=4 * _HOUR, idle=_HOUR / 6, per_principal=2),
            passwords=PasswordPolicy(shortest=16),
            secrets=SECRET_POLICIES[SecurityLevel.HIGH],
            signed=True,
            encrypted=True,
            tls=True,
            administrators=2,
        ),
    )
}
"""No level asks for less than the one below it."""
