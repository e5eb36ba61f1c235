"""What the compliance checks of a security level see of an environment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from hxp_enterprise_llm.configuration.audit import AuditError, AuditLog
from hxp_enterprise_llm.configuration.loader import LoadedEnvironment
from hxp_enterprise_llm.configuration.report.form import Item, Level, Section
from hxp_enterprise_llm.configuration.revisions.base import Revision
from hxp_enterprise_llm.configuration.secrets.backends.sealed import SealedFile
from hxp_enterprise_llm.configuration.secrets.references import AUDIT_FILE
from hxp_enterprise_llm.configuration.secrets.rotation import aged
from hxp_enterprise_llm.configuration.secrets.store import SealedStore
from hxp_enterprise_llm.configuration.security.access import (
    STANDARD_ROLES,
    Access,
    AccessRules,
)
from hxp_enterprise_llm.configuration.security.compliance import Facts, Outcome, Report, assess
from hxp_enterprise_llm.configuration.security.policies import POLICIES
from hxp_enterprise_llm.configuration.security.service import SecurityConfig
from hxp_enterprise_llm.schemas.access import Principal, PrincipalKind
from hxp_enterprise_llm.schemas.configuration_service import REPLICA
from hxp_enterprise_llm.schemas.security import SecurityLevel

_LOOPBACK = frozenset({"engine"})


async def compliance(
    loaded: LoadedEnvironment,
    state: Path,
    revisions: Sequence[Revision],
    level: SecurityLevel,
    now: datetime,
) -> Section:
    """Return what a security level asks, and what was found.

    Args:
        loaded: The environment.
        state: Its state folder.
        revisions: Its revisions.
        level: The level.
        now: Time of now.
    """
    report = await assessed(loaded, state, revisions, level, now)
    items = [
        Item(Level.RISK, "", f"{one.id} {one.title}: {one.evidence}.", one.next_step)
        for one in report.findings
        if one.outcome is Outcome.FAIL
    ]
    rows = [(one.id, one.title, one.outcome.value, one.evidence) for one in report.findings]
    note = f"security level {level}: {'compliant' if report.compliant else 'not compliant'}"
    unseen = [one.id for one in report.findings if one.outcome is Outcome.UNKNOWN]
    if unseen:
        note += f"; nothing was there to look at for {', '.join(unseen)}"
    headings = ("check", "what must hold", "outcome", "seen")
    return Section(
        "compliance", "Security and compliance", tuple(items), headings, tuple(rows), note
    )


async def assessed(
    loaded: LoadedEnvironment,
    state: Path,
    revisions: Sequence[Revision],
    level: SecurityLevel,
    now: datetime,
) -> Report:
    """Return what all checks of a security level come to; the arguments are `compliance`'s."""
    facts = await _facts(loaded, state, revisions, level, now)
    return assess(POLICIES[level], facts, now)


async def _facts(
    loaded: LoadedEnvironment,
    state: Path,
    revisions: Sequence[Revision],
    level: SecurityLevel,
    now: datetime,
) -> Facts:
    store = SealedStore(state)
    walk = await aged(SealedFile(store), POLICIES[level].secrets.rotate_every, now)
    log = state / AUDIT_FILE
    records, oldest, fault = _audit(log)
    listeners, own = loaded.environment.listeners, _service(loaded)
    return Facts(
        access=Access(own.access),
        sessions=own.session_policy,
        passwords=own.policy.passwords,
        key_sizes=tuple(len(key.value) for key in store.ring.entries()),
        # Whose age cannot be shown counts as due: a changed entry must not look young.
        secrets_due=len(walk.due) + len(walk.ahead) + len(walk.failed),
        files=(store.ring.file, store.file, log),
        audit_records=records,
        audit_fault=fault,
        oldest_record=oldest,
        revisions=revisions,
        tls={
            name: getattr(listeners, name).tls.enabled
            for name in type(listeners).model_fields
            if name not in _LOOPBACK
        },
        encrypted=_encrypted(loaded),
    )


def _service(loaded: LoadedEnvironment) -> SecurityConfig:
    """Return how the environment's configuration service is guarded."""
    settings = loaded.environment.infrastructure_services.configuration
    first = Principal(id="citadel", kind=PrincipalKind.SERVICE, roles=("administrator",))
    return SecurityConfig(
        security_level=settings.security.level,
        access=AccessRules(
            roles=(*STANDARD_ROLES, REPLICA, *settings.roles),
            principals=(first, *settings.principals),
        ),
        sessions=settings.security.sessions,
    )


def _encrypted(loaded: LoadedEnvironment) -> dict[str, bool]:
    """Return which roles of the environment that keep data encrypt it."""
    sealed = bool(loaded.environment.infrastructure_services.configuration.sealing_keys)
    keeping = {"configuration": sealed, "postgres": False, "redis": False}
    return {role: on for role, on in keeping.items() if loaded.environment.hosts_with(role)}


def _audit(path: Path) -> tuple[int | None, datetime | None, str]:
    if not path.exists():
        return None, None, ""
    log = AuditLog(path)
    try:
        records = list(log.records())
    except AuditError as error:
        return None, None, error.message
    finally:
        log.close()
    return len(records), records[0].at if records else None, ""
